"""Parquet as others write it: nulls, odd neighbours, folders, and whether its checksums were compared."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import read_events
from analysis.errors import (
    AmbiguousNameError,
    AnalysisError,
    ExpressionError,
    InputFileError,
    MissingValueError,
    NtupleReadError,
)
from analysis.io.parquet import ParquetTable
from analysis.io.paths import expand

N = 10
MASS = np.linspace(2000, 5000, N)


def values(path: Path | list[Path], expression: str = "x", *, mass: str = "m", **settings: Any) -> list[float]:
    events = read_events(path, mass=mass, features={"a": expression}, identifiers="entry", **settings)
    return events.x[:, 0].tolist()


def write(path: Path, columns: dict[str, Any], **settings: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"m": MASS, **columns}), path, **settings)
    return path


LISTS = [list(range(i % 4)) for i in range(N)]


def test_every_kind_of_list_is_a_list(tmp_path: Path) -> None:
    record = [[{"q": v, "deep": {"r": -v}} for v in values] for values in LISTS]
    columns = {
        "plain": pa.array(LISTS, pa.list_(pa.int16())),
        "large": pa.array(LISTS, pa.large_list(pa.float32())),
        "fixed": pa.array([[i, i + 1] for i in range(N)], pa.list_(pa.float64(), 2)),
        "record": pa.array(record),
        "struct": pa.array([{"v": values, "n": len(values)} for values in LISTS]),
        "map": pa.array([[(k, k * 2.0) for k in values] for values in LISTS], pa.map_(pa.int32(), pa.float64())),
        "half": pa.array(np.arange(N, dtype=np.float16)),
        "category": pa.array([i % 3 for i in range(N)]).dictionary_encode(),
        "nothing": pa.nulls(N),
        "big": pa.array(np.arange(N, dtype=np.uint64) + np.uint64(2**63)),
    }
    path = write(tmp_path / "a.parquet", columns, row_group_size=3)
    sums = [float(sum(values)) for values in LISTS]
    for name in ("plain", "large", "record_q", "struct_v", "map_key"):
        for memory in ("200 MB", "1 MB"):
            assert values(path, f"sum({name})", memory=memory) == sums, name
    assert values(path, "sum(branch('record.deep.r'))") == [-s for s in sums]
    assert values(path, "sum(map_value)") == [2 * s for s in sums]
    assert values(path, "struct_n") == [float(len(v)) for v in LISTS]
    assert values(path, "fixed[1]") == list(range(1, N + 1))
    assert values(path, "half") == list(range(N))
    assert values(path, "category") == [i % 3 for i in range(N)]
    assert values(path, "big % 7") == [(2**63 + i) % 7 for i in range(N)]
    with pytest.raises(MissingValueError, match="10 of 10"):
        values(path, "nothing")


def test_what_is_not_asked_for_does_not_matter(tmp_path: Path) -> None:
    columns = {
        "text": ["a"] * N,
        "bytes": [b"a"] * N,
        "time": pa.array([datetime.datetime(2020, 1, 1)] * N),
        "date": pa.array([datetime.date(2020, 1, 1)] * N),
        "span": pa.array([datetime.timedelta(1)] * N),
        "decimal": pa.array([decimal.Decimal("1.5")] * N),
        "lists": pa.array([[[1], [2, 3]]] * N),
        "mixed": pa.array([{"x": 1, "s": "a"}] * N),
        "words": pa.array(["a", "b"] * 5).dictionary_encode(),
    }
    path = write(tmp_path / "a.parquet", columns)
    assert values(path, "m / m") == [1] * N
    assert values(path, "mixed_x") == [1] * N
    for name in ("text", "bytes", "time", "date", "span", "decimal", "lists", "mixed_s", "words"):
        with pytest.raises(ExpressionError, match=f"Column '{name.replace('_', '.')}'"):
            values(path, name)


def test_nulls_are_missing_values(tmp_path: Path) -> None:
    x = [None if i % 4 == 1 else i for i in range(N)]
    columns = {
        "x": pa.array(x, pa.int32()),
        "v": pa.array([None if i % 5 == 1 else [None if j == 1 else j for j in range(i % 3)] for i in range(N)]),
        "r": pa.array([None if i % 3 == 1 else {"a": x[i]} for i in range(N)]),
        "d": pa.array(x).dictionary_encode(),
        "b": pa.array([None if i == 0 else i > 4 for i in range(N)]),
    }
    path = write(tmp_path / "a.parquet", columns, row_group_size=4)
    there = [i for i in x if i is not None]
    for memory in ("200 MB", "1 MB"):
        for name in ("x", "d"):
            assert values(path, name, selection=f"{name} >= 0", memory=memory) == there
        assert values(path, "r_a", selection="r_a >= 0", memory=memory) == [i for i in there if i % 3 != 1]
        assert values(path, "m / m", selection="b", memory=memory) == [1] * 5
    assert values(path, "v[0]", selection="num(v) >= 1") == [0.0] * 5
    with pytest.raises(MissingValueError, match="3 of 10 selected events"):
        values(path, "x")


def test_names_that_are_shared_are_ambiguous(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays([pa.array(MASS), pa.array(MASS), pa.array(MASS)], names=["m", "x", "x"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(AmbiguousNameError, match="'x' is the name of 2 columns"):
        values(tmp_path / "twice.parquet")
    assert values(tmp_path / "twice.parquet", "m / m") == [1] * N
    path = write(tmp_path / "a.parquet", {"j.x": np.full(N, 1), "j": pa.array([{"x": 2, "y": 3}] * N)})
    with pytest.raises(AmbiguousNameError, match="2 columns"):
        values(path, "j.x")
    assert values(path, "j_y") == [3] * N


@pytest.mark.parametrize("rows", [0, 1])
def test_row_groups_may_be_absent_or_empty(tmp_path: Path, rows: int) -> None:
    schema = pa.schema([("m", pa.float64()), ("x", pa.list_(pa.int64()))])
    with pq.ParquetWriter(tmp_path / "a.parquet", schema) as writer:
        for size in (0, rows, 0):
            if rows:
                writer.write_table(pa.table({"m": [2000.0] * size, "x": [[1]] * size}, schema=schema))
    table = ParquetTable(str(tmp_path / "a.parquet"), None)
    assert table.entries == rows
    assert len(table.read(["x"], 0, rows)["x"]) == rows
    full = write(tmp_path / "b.parquet", {"x": [[2]] * N})
    assert values([tmp_path / "a.parquet", full], "x[0]") == [1] * rows + [2] * N


def test_a_file_of_awkward_arrays(tmp_path: Path) -> None:
    jets = ak.Array([[{"q": float(i), "ok": True}] * (i % 3) for i in range(N)])
    gaps = ak.Array([None if i == 3 else i for i in range(N)])
    ak.to_parquet(ak.Array({"m": MASS, "Jet": jets, "o": gaps}), tmp_path / "a.parquet")
    assert values(tmp_path / "a.parquet", "sum(Jet_q)") == [float(i * (i % 3)) for i in range(N)]
    assert values(tmp_path / "a.parquet", "o", selection="o > 1") == [2, *range(4, N)]


# Folders


def test_a_folder_is_a_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for year in (2017, 2018):
        for part in (10, 9):
            write(folder / f"year={year}" / "mc=true" / f"part-{part}.parquet", {"x": np.full(N, year * 100 + part)})
    (folder / "_SUCCESS").touch()
    write(folder / "_temporary" / "x.parquet", {"x": np.zeros(N)})
    write(folder / ".hidden.parquet", {"x": np.zeros(N)})
    expected = [year * 100 + part for year in (2017, 2018) for part in (9, 10)]
    assert [int(v) for v in values(folder)][::N] == expected
    assert values(folder, "year", selection="mc")[:: 2 * N] == [2017, 2018]
    assert values(tmp_path / "data" / "year=*", "year * 100", selection="year == 2018") == [201800] * 2 * N
    assert len(expand(folder)) == len(expand(f"{folder}/**/part*.parquet")) == 4
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputFileError, match="is a folder; write a pattern"):
        expand(tmp_path / "empty")


def test_data_sets_of_pyarrow(tmp_path: Path) -> None:
    sides = ["sb" if i < 5 else "sr" for i in range(N)]
    table = pa.table({"m": MASS, "x": np.arange(N), "run": np.arange(N) % 3, "side": sides})
    pq.write_to_dataset(table, tmp_path / "data", partition_cols=["run", "side"])
    assert sorted(values(tmp_path / "data", "x")) == list(range(N))
    assert values(tmp_path / "data", "x % 3 - run") == [0] * N
    with pytest.raises(ExpressionError, match="'side=sb' names no number"):
        values(tmp_path / "data", "side")


def test_keys_of_folders_and_columns_of_that_name(tmp_path: Path) -> None:
    same = write(tmp_path / "run=3" / "a.parquet", {"run": np.full(N, 3)})
    assert values(same, "run") == [3] * N
    other = write(tmp_path / "run=4" / "a.parquet", {"run": np.full(N, 5)})
    with pytest.raises(AmbiguousNameError, match="'run' whose values are not the 4 of its folder"):
        values(other, "run")
    assert values(other, "m / m") == [1] * N
    null = write(tmp_path / "run=__HIVE_DEFAULT_PARTITION__" / "a.parquet", {})
    with pytest.raises(MissingValueError, match="10 of 10"):
        values(null, "run")
    spaced = write(tmp_path / "my%20key=1.5" / "a.parquet", {})
    assert values(spaced, "my_key") == [1.5] * N


# Checksums


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("checksums", [False, True])
def test_a_file_says_whether_its_checksums_were_compared(
    tmp_path: Path, checksums: bool, dictionary: bool, version: str
) -> None:
    path = write(
        tmp_path / "a.parquet",
        {"x": np.random.default_rng(0).normal(size=N), "l": LISTS},
        write_page_checksum=checksums,
        use_dictionary=dictionary,
        data_page_version=version,
        compression="none",
        row_group_size=4,
    )
    table = ParquetTable(str(path), None)
    assert not table.verified
    table.read(["x", "l"], 0, N)
    assert table.verified is checksums
    table.close()


def test_a_flipped_bit_under_a_checksum_is_found(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=N)
    path = write(tmp_path / "a.parquet", {"x": x}, write_page_checksum=True, use_dictionary=False, compression="none")
    content = bytearray(path.read_bytes())
    content[content.index(x.tobytes()) + 17] ^= 1
    path.write_bytes(content)
    with pytest.raises(NtupleReadError, match=r"branch 'x'.*CRC"):
        values(path)
    assert values(path, "m / m") == [1] * N


def test_what_is_no_parquet_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"x": MASS})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AnalysisError, match=r"a.parquet"):
        values(path)
