"""Rows from arrays and files are those of the array, whatever is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

import generators
from generators import sources
from generators.errors import NonFiniteInputError, ShapeError
from generators.registry import create
from generators.sources import EventRows, NumpyRows, ParquetRows, SomeRows, as_rows, in_memory, rows_within
from generators.usable_rows import check_rows

KINDS = ("array", "memory map", "numpy", "hdf5", "parquet")


def stored(kind: str, x: Any, folder: Path) -> Any:
    """The same events in a file of a kind."""
    path = folder / "events"
    if kind == "array":
        return x
    if kind in ("memory map", "numpy"):
        np.save(path.with_suffix(".npy"), x)
        return NumpyRows(f"{path}.npy") if kind == "numpy" else np.load(f"{path}.npy", mmap_mode="r")
    if kind == "hdf5":
        return h5py.File(path, "w").create_dataset("x", data=x, chunks=(7, x.shape[1]))
    names = [f"c{i}" for i in range(x.shape[1])]
    parquet.write_table(pa.table({name: x[:, i] for i, name in enumerate(names)}), path, row_group_size=40)
    return ParquetRows(path, names)


def events(n: int = 300, d: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    c = rng.uniform(1, 2, (n, 1))
    return (c + rng.standard_normal((n, d))).astype(np.float32), c


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_the_array(kind: str, tmp_path: Path) -> None:
    x, _ = events()
    used = np.flatnonzero(np.arange(300) % 3)
    rows = EventRows(as_rows(stored(kind, x, tmp_path)), used)
    assert (len(rows), rows.shape, in_memory(rows.x)) == (200, (3,), kind == "array")
    for places in (slice(0, 200), slice(20, 30), np.array([3, 4, 9, 150]), np.array([], np.int64)):
        assert np.array_equal(rows.array(places), x[used][places])


@pytest.mark.parametrize("kind", KINDS[1:])
def test_columns_of_rows_in_a_file_are_chosen_without_reading(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, _ = events(d=4)
    used = np.flatnonzero(np.arange(300) % 3)
    file = stored(kind, x, tmp_path)
    read: list[int] = []
    whole = EventRows.array

    def noted(self: EventRows, places: Any) -> Any:
        rows = whole(self, places)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(EventRows, "array", noted)
    monkeypatch.setattr(sources, "CHUNK_BYTES", 8 * 4 * 32)
    some = SomeRows.of(file, used)[:, [3, 1, 0]][:, [0, 2]]
    assert (some.shape, len(some), some.dtype, in_memory(some), read) == ((200, 2), 200, np.float32, False, [])
    assert np.array_equal(some[10:30], x[used][10:30][:, [3, 0]])
    assert np.array_equal(some[30:10], np.empty((0, 2), np.float32))
    assert np.array_equal(np.asarray(some), x[used][:, [3, 0]])
    assert max(read) == 32
    assert as_rows(some) is some


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_generator_learns_from_a_file_what_it_learns_from_the_array(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, c = events()
    training = {"steps": 4, "batch_size": 32}
    make = lambda: create({"kind": "affine_coupling", "blocks": 1, "hidden": 4, "training": training})  # noqa: E731
    monkeypatch.setattr(sources, "_FITTED_NUMBERS", 300)
    monkeypatch.setattr(sources, "CHUNK_BYTES", 2_000)
    one, other = make().fit(x, c, seed=1), make().fit(stored(kind, x, tmp_path), c, seed=1)
    assert all(torch.equal(value, other.state()[key]) for key, value in one.state().items())
    assert other.data_hash_ == generators.fingerprint(x, c, None)


def test_what_is_read_again_for_every_batch_is_learned_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And continued bit for bit, though nothing of it is kept."""
    x, c = events(2_000)
    file = stored("numpy", x, tmp_path)
    monkeypatch.setattr("generators.base.KEPT_BYTES", 1_000)
    monkeypatch.setattr(sources, "_FITTED_NUMBERS", 1_500)
    monkeypatch.setattr("generators.training.containers._READ_AT_ONCE", 6_000)
    training = {"epochs": 6, "steps": None, "batch_size": 128, "learning_rate": 1e-2}
    make = lambda: create({"kind": "gaussian_mixture", "components": 1, "hidden": 8, "training": training})  # noqa: E731
    model = make().fit(file, c, seed=1)
    drawn = model.sample(np.full((4_000, 1), 1.8), seed=2)
    assert drawn.mean(axis=0) == pytest.approx(1.8, abs=0.35)
    assert drawn.std(axis=0) == pytest.approx(1.0, abs=0.25)

    def stop(progress: Any) -> None:
        if progress.epoch == 3:
            raise InterruptedError

    again = make()
    with pytest.raises(InterruptedError):
        again.fit(file, c, seed=1, monitor=stop, checkpoint=tmp_path / "state")
    again.fit(file, c, seed=1, checkpoint=tmp_path / "state")
    assert all(torch.equal(value, again.state()[key]) for key, value in model.state().items())


def test_columns_that_are_rarely_anything_are_fitted_with_what_they_are() -> None:
    x = np.zeros((5_000, 4), np.float32)
    x[:, 0] = np.random.default_rng(1).standard_normal(5_000)
    x[4_321, 2], x[17, 3] = 5, -2
    rows = EventRows(x, np.arange(5_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_FITTED_NUMBERS", 400)
        some = rows.to_fit(seed=1)
    assert some is not None
    assert {17, 4_321} <= set(some.tolist())
    assert 150 < len(some) < 170


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_finite_is_named(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, c = events()
    x[250, 1] = np.nan
    x[260, 1] = np.inf
    monkeypatch.setattr(sources, "CHUNK_BYTES", 2_000)
    with pytest.raises(NonFiniteInputError, match=r"x, column 1: 2 of 300 values .* \(first in row 250\)"):
        check_rows(stored(kind, x, tmp_path), c, np.ones(300))


@pytest.mark.parametrize("where", ["array", "memory map", "hdf5"])
def test_samples_are_written_where_they_are_wanted(where: str, tmp_path: Path) -> None:
    x, c = events()
    model = create({"kind": "affine_coupling", "blocks": 1, "hidden": 4, "training": {"steps": 2, "batch_size": 32}})
    model.fit(x, c, seed=1)
    out: Any = np.empty((300, 3), np.float32)
    if where == "memory map":
        out = np.lib.format.open_memmap(tmp_path / "out.npy", mode="w+", dtype=np.float32, shape=(300, 3))
    elif where == "hdf5":
        out = h5py.File(tmp_path / "out.h5", "w").create_dataset("x", (300, 3), np.float32)
    assert model.sample(c, seed=3, out=out) is out
    assert np.array_equal(np.asarray(out), model.sample(c, seed=3))
    with pytest.raises(ShapeError, match=r"\(299, 3\).*\(300, 3\)"):
        model.sample(c, seed=3, out=np.empty((299, 3), np.float32))


def test_temporary_arrays_have_rows_within_the_budget() -> None:
    assert rows_within(368, 1 << 20) % 16 == 0
    assert 8 * 368 * rows_within(368, 1 << 20) <= 1 << 20
    assert rows_within(10**9) == 1


def test_files_that_are_no_rows_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "turned.npy", np.asfortranarray(np.ones((3, 4))))
    with pytest.raises(ShapeError, match="C order"):
        NumpyRows(tmp_path / "turned.npy")
    parquet.write_table(pa.table({"a": [1.0]}), tmp_path / "x.parquet")
    with pytest.raises(ShapeError, match="no column 'b'"):
        ParquetRows(tmp_path / "x.parquet", ["a", "b"])
