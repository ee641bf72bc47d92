"""Frames that pandas wrote, read without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.errors import InputFileError
from analysis.io.pandas_hdf import open_frame

pd = pytest.importorskip("pandas")
pytest.importorskip("tables")


def frame(n: int = 5) -> Any:
    return pd.DataFrame({"a": np.arange(n) * 0.5, "b": np.arange(n), "c": np.arange(n) % 2 == 0})


@pytest.mark.parametrize("format", ["fixed", "table"])
def test_both_formats(tmp_path: Path, format: str) -> None:
    frame().to_hdf(tmp_path / "a.h5", key="df", format=format)
    found = open_frame(tmp_path / "a.h5")
    assert (found.rows, found.name, set(found.columns)) == (5, "df", {"a", "b", "c"})
    np.testing.assert_array_equal(found.read(["b", "c", "a"], 1, 4), frame()[["b", "c", "a"]][1:4].astype(float))
    found.close()


def test_an_index_of_several_levels_gives_columns(tmp_path: Path) -> None:
    index = pd.MultiIndex.from_tuples([(1, 10), (1, 20), (2, 10)], names=["run", "event"])
    pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=index).to_hdf(tmp_path / "a.h5", key="df")
    found = dict(open_frame(tmp_path / "a.h5").members())
    assert found["run"].read(0, 3).values.tolist() == [1, 1, 2]
    assert found["event"].read(0, 3).values.tolist() == [10, 20, 10]


def test_which_of_several_has_to_be_said(tmp_path: Path) -> None:
    for key in ("one", "two"):
        frame().to_hdf(tmp_path / "a.h5", key=key)
    with pytest.raises(InputFileError, match="2 pandas data frames"):
        open_frame(tmp_path / "a.h5")
    with pytest.raises(InputFileError, match="two"):
        open_frame(tmp_path / "a.h5", "tow")
    assert open_frame(tmp_path / "a.h5", "/two").name == "two"


def test_files_without_a_frame(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no")
    frame(0).iloc[:, :0].to_hdf(tmp_path / "empty.h5", key="df")
    for name, said in [("none.h5", "does not exist"), ("text.h5", "not an HDF5 file"), ("empty.h5", "empty")]:
        with pytest.raises(InputFileError, match=said):
            open_frame(tmp_path / name)
