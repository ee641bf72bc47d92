"""Columns of HDF5 as they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis.errors import ExpressionError
from analysis.io.hdf5_columns import Odd, columns_of, is_compound, lists_in, native


@pytest.fixture
def file(tmp_path: Path) -> Any:
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        yield opened


def members(file: h5py.File, name: str) -> dict[str, Any]:
    return dict(columns_of(name, file[name]))


def test_numbers_and_lists_of_a_fixed_length(file: h5py.File) -> None:
    file["x"] = np.arange(6).reshape(3, 2)
    column = members(file, "x")["x"].read(1, 3)
    assert column.values.tolist() == [2, 3, 4, 5]
    assert column.offsets.tolist() == [0, 2, 4]


def test_fields_of_fields(file: h5py.File) -> None:
    inner = np.dtype([("pt", "f4"), ("id", "i2", (3,))])
    rows = np.zeros(2, dtype=[("jet", inner), ("run", "u4")])
    rows["jet"]["pt"], rows["run"] = [5, 6], [1, 2]
    file["events"] = rows
    assert is_compound(file["events"])
    found = members(file, "events")
    assert set(found) == {"jet.pt", "jet.id", "run"}
    assert found["jet.pt"].read(0, 2).values.tolist() == [5, 6]
    assert found["jet.id"].read(0, 1).counts.tolist() == [3]


def test_lists_of_any_length(file: h5py.File) -> None:
    dataset = file.create_dataset("v", (3,), dtype=h5py.vlen_dtype(np.float32))
    for i, values in enumerate([[1.0, 2.0], [], [3.0]]):
        dataset[i] = np.array(values, dtype=np.float32)
    file.flush()
    column = members(file, "v")["v"].read(0, 3)
    assert column.values.tolist() == [1, 2, 3]
    assert column.offsets.tolist() == [0, 2, 2, 3]


def test_offsets_with_content(file: h5py.File) -> None:
    file["jets/offsets"], file["jets/content"] = np.array([0, 2, 2, 5]), np.arange(5.0)
    lists: Any = lists_in(file["jets"])
    column = lists.read(1, 3)
    assert column.values.tolist() == [2, 3, 4]
    assert column.offsets.tolist() == [0, 0, 3]
    file["bad/offsets"], file["bad/content"] = np.array([0, 9]), np.arange(5.0)
    bad: Any = lists_in(file["bad"])
    with pytest.raises(ValueError, match="outside of the content"):
        bad.read(0, 1)


@pytest.mark.parametrize(
    ("values", "said"),
    [(np.array([b"a", b"b"]), "text"), (np.zeros((2, 3, 3)), "shape"), (np.zeros(2, complex), "complex")],
)
def test_what_is_no_number_is_passed_over_until_it_is_asked_for(file: h5py.File, values: Any, said: str) -> None:
    file["x"] = values
    member = members(file, "x")["x"]
    if isinstance(member, Odd):
        with pytest.raises(ExpressionError, match=said):
            raise member.error("x")
    else:
        assert said == "complex"
        assert set(members(file, "x")) == {"r", "i"}


def test_numbers_come_in_the_order_of_the_machine() -> None:
    swapped = native(np.array([1.5, 2.5], dtype=">f4"))
    assert swapped.dtype == np.dtype("=f4")
    assert swapped.tolist() == [1.5, 2.5]
    assert native(np.array([1.5], dtype=np.float16)).dtype == np.float64
