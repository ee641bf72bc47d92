"""The same events from TTree, RNTuple, parquet and HDF5, bit for bit, at any chunk size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from analysis import DIJET_FEATURES, DIJET_MASS, Events, read_events
from analysis.errors import AnalysisError, ExpressionError, InputFileError, NtupleReadError, TreeNotFoundError
from analysis.io.hdf5 import write_columns

Write = Callable[..., Path]
Make = Callable[..., dict[str, Any]]
SUFFIXES = (".root", ".rntuple.root", ".parquet", ".h5")
SELECTIONS = (
    "num(FatJet) >= 2",
    "num(FatJet) >= 2 and FatJet_pt[0] > 700 and abs(FatJet_eta[0]) < 1.5",
    "num(FatJet) >= 2 and (HLT_jet or FatJet_pt[2] > 500)",
    "num(FatJet) >= 2 and num(FatJet_pt[FatJet_pt > 550]) >= 2",
)


def read(path: Any, **changes: Any) -> Events:
    arguments: dict[str, Any] = {
        "mass": DIJET_MASS,
        "features": {**DIJET_FEATURES, "pt3": "where(num(FatJet) > 2, FatJet_pt[2], 0)", "sum": "sum(FatJet_mass)"},
        "selection": SELECTIONS[0],
        "weight": "genWeight",
        "truth": "isSignal",
    }
    return read_events(path, **{**arguments, **changes})


def assert_equal(a: Events, b: Events) -> None:
    for name in ("x", "mass", "weights", "ids", "entry", "truth"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, make_nanoaod: Make, write_ntuple: Write) -> dict[str, Path]:
    folder, columns = tmp_path_factory.mktemp("formats"), make_nanoaod(400)
    return {suffix: write_ntuple(folder / f"events{suffix}", columns, step=90) for suffix in SUFFIXES}


@settings(max_examples=8, deadline=None, phases=(Phase.generate,))
@given(memory=st.integers(8_000, 300_000), selection=st.sampled_from(SELECTIONS))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_formats_and_chunks_give_the_same_events(
    files: dict[str, Path], suffix: str, memory: int, selection: str
) -> None:
    reference = read(files[".root"], selection=selection)
    assert_equal(read(files[suffix], memory=memory, selection=selection), reference)


def test_one_chain_may_mix_formats(tmp_path: Path, make_nanoaod: Make, write_ntuple: Write) -> None:
    parts = [make_nanoaod(50, seed=i, first_event=1 + 50 * i) for i in range(4)]
    mixed = [
        write_ntuple(tmp_path / f"a{i}{suffix}", part)
        for i, (suffix, part) in enumerate(zip(SUFFIXES, parts, strict=True))
    ]
    plain = [write_ntuple(tmp_path / f"b{i}.root", part) for i, part in enumerate(parts)]
    assert_equal(read(mixed), read(plain))


def test_records_in_lists_are_collections(
    tmp_path: Path, files: dict[str, Path], make_nanoaod: Make, write_ntuple: Write
) -> None:
    """awkward and RNTuple writers store FatJet as a list of records; its fields are FatJet_pt … all the same."""
    columns = make_nanoaod(400)
    fields = {name.removeprefix("FatJet_"): columns.pop(name) for name in list(columns) if name.startswith("FatJet_")}
    nested = {**columns, "FatJet": ak.zip(fields)}
    for suffix in (".parquet", ".rntuple.root"):
        path = write_ntuple(tmp_path / f"nested{suffix}", nested)
        assert_equal(read(path), read(files[".root"]))


def test_nullable_parquet_columns_are_missing(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"event": [1, 2, 3], "m": [1.0, None, 3.0], "v": [[1.0], None, [None, 2.0]]})
    pq.write_table(table, tmp_path / "a.parquet")
    arguments: dict[str, Any] = {
        "mass": "m",
        "features": {"m": "m"},
        "weight": None,
        "truth": None,
        "identifiers": "event",
    }
    assert read(tmp_path / "a.parquet", selection="m > 0", **arguments).ids[:, 2].tolist() == [1, 3]
    with pytest.raises(AnalysisError, match="1 of 3 selected events"):
        read(tmp_path / "a.parquet", selection=None, **arguments)
    assert read(tmp_path / "a.parquet", selection="v[0] > 0", **arguments).ids[:, 2].tolist() == [1]
    assert read(tmp_path / "a.parquet", selection="num(v) == 2", **arguments).ids[:, 2].tolist() == [3]
    for text in ("default(m, 9)", "where(missing(m), 9, m)"):
        arguments |= {"mass": text, "features": {"x": text}}
        events = read(tmp_path / "a.parquet", selection=None, **arguments)
        assert events.x[:, 0].tolist() == [1, 9, 3]
    assert read(tmp_path / "a.parquet", selection="missing(num(v))", **arguments).ids[:, 2].tolist() == [2]


# HDF5 as others write it

PLAIN: dict[str, Any] = {
    "mass": "mjj",
    "features": {"x": "x"},
    "selection": None,
    "weight": None,
    "truth": "label",
    "identifiers": "event",
}


def _plain_columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "mjj": rng.uniform(2000, 5000, 100),
        "x": rng.normal(size=100).astype(np.float32),
        "label": (rng.random(100) < 0.3).astype(np.float64),
        "event": np.arange(100) * 2,
    }


@pytest.mark.parametrize("kind", ["root", "group", "compound"])
def test_flat_tables(tmp_path: Path, kind: str) -> None:
    columns = _plain_columns()
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        if kind == "compound":
            table = np.zeros(100, dtype=[(name, values.dtype) for name, values in columns.items()])
            for name, values in columns.items():
                table[name] = values
            file["events"] = table
        else:
            place = file if kind == "root" else file.create_group("events")
            for name, values in columns.items():
                place[name] = values
            place["comment"] = "text is passed over"
    for memory in ("200 MB", 20_000):
        events = read(tmp_path / "a.hdf5", memory=memory, **PLAIN)
        np.testing.assert_array_equal(events.mass, columns["mjj"])
        np.testing.assert_array_equal(events.truth, columns["label"] == 1)
        np.testing.assert_array_equal(events.ids[:, 2], columns["event"])


def test_two_dimensional_columns_are_lists(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, values in _plain_columns().items():
            file[name] = values
        file["jet_pt"] = np.arange(300, dtype=np.float32).reshape(100, 3) + 100
    events = read(tmp_path / "a.h5", **{**PLAIN, "features": {"second": "jet_pt[1]", "n": "num(jet_pt)"}})
    np.testing.assert_array_equal(events.feature("second"), np.arange(1, 300, 3) + 100)
    assert (events.feature("n") == 3).all()


def test_tables_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "uneven.h5", "w") as file:
        file["a"], file["b"] = np.zeros(3), np.zeros(4)
    with pytest.raises(InputFileError, match=r"different lengths.*'a': 3, 'b': 4"):
        read(
            tmp_path / "uneven.h5",
            **{**PLAIN, "mass": "a", "features": {"x": "b"}, "identifiers": "entry", "truth": None},
        )
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["one/a"], file["other/a"] = np.zeros(3), np.zeros(4)
    with pytest.raises(TreeNotFoundError, match=r"2 trees; say which.*'one', 'other'"):
        read(tmp_path / "two.h5", **PLAIN)
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["image"] = np.zeros((3, 4, 5))
    with pytest.raises(TreeNotFoundError, match="has no tree"):
        read(tmp_path / "none.h5", **PLAIN)


def test_our_layout_keeps_types_and_refuses_what_it_can_not_hold(tmp_path: Path, make_nanoaod: Make) -> None:
    columns = make_nanoaod(10)
    write_columns(tmp_path / "a.h5", columns, tree="Events")
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["Events"]
        assert group.attrs["layout"] == "columns"
        assert group["event"].dtype == np.uint64
        assert group["HLT_jet"].dtype == np.bool_
        assert group["FatJet_pt/content"].dtype == np.float32
        assert group["FatJet_pt/content"].fletcher32
        assert len(group["FatJet_pt/offsets"]) == 11
    with pytest.raises(ExpressionError, match="one length"):
        write_columns(tmp_path / "b.h5", {"a": np.zeros(2), "b": np.zeros(3)})
    with pytest.raises(ExpressionError, match="missing values"):
        write_columns(tmp_path / "b.h5", {"a": ak.Array([1, None])})
    assert not (tmp_path / "b.h5").exists()


@pytest.mark.parametrize("suffix", [".h5", ".parquet"])
def test_damaged_files_are_named(tmp_path: Path, files: dict[str, Path], suffix: str) -> None:
    clean = files[suffix].read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(clean[: len(clean) // 2])
    with pytest.raises(NtupleReadError, match=r"cut\."):
        read(tmp_path / f"cut{suffix}")
    rng = np.random.default_rng(1)
    errors = 0
    for _ in range(25):
        data = bytearray(clean)
        where = int(rng.integers(len(data)))
        data[where : where + 64] = rng.bytes(len(data[where : where + 64]))
        (tmp_path / f"bad{suffix}").write_bytes(data)
        try:
            read(tmp_path / f"bad{suffix}")
        except AnalysisError:
            errors += 1
    assert errors > 0


def test_damaged_data_of_our_layout_never_passes(tmp_path: Path, files: dict[str, Path]) -> None:
    """Every data set has a checksum, so what is read without an error is right."""
    reference, clean = read(files[".h5"]), files[".h5"].read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(25):
        data = bytearray(clean)
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        (tmp_path / "bad.h5").write_bytes(data)
        try:
            events = read(tmp_path / "bad.h5")
        except AnalysisError:
            continue
        assert_equal(events, reference)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy"])
def test_what_the_system_refuses_is_not_called_damage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str
) -> None:
    import builtins

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / f"a{suffix}"
    path.touch()
    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(InputFileError, match=r"can not be read: Permission denied") as caught:
        read(path)
    assert "Copy it again" not in str(caught.value)


def test_a_file_that_is_being_written_is_not_called_damaged(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file["m"] = np.arange(3.0)
        file.flush()
        (tmp_path / "b.h5").write_bytes((tmp_path / "a.h5").read_bytes())
    with pytest.raises(InputFileError, match="is being written, or its writer did not close it"):
        read(tmp_path / "b.h5")
