"""Which format a file has, by name and content."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.errors import InputFileError
from analysis.io.opening import open_table


def opened(path: Path) -> str:
    table = open_table(str(path), None, cache_bytes=10**6)
    try:
        return type(table).__name__
    finally:
        table.close()


def test_content_decides_where_the_name_says_nothing(tmp_path: Path) -> None:
    for name in ("a.h5", "a.data"):
        with h5py.File(tmp_path / name, "w") as file:
            file["x"] = np.arange(3.0)
        assert opened(tmp_path / name) == "Hdf5Table"
    np.savez(tmp_path / "b.npz", x=np.arange(3.0))
    (tmp_path / "b.npz").rename(tmp_path / "b.anything")
    assert opened(tmp_path / "b.anything") == "NumpyTable"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.root", b"\x89HDF\r\n", "named like a ROOT file but its content is HDF5"),
        ("a.parquet", b"", "is empty"),
        ("a.txt", b"1,2,3\n", "not a ROOT, HDF5, parquet or numpy file"),
    ],
)
def test_name_and_content_that_disagree(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputFileError, match=said):
        opened(tmp_path / name)


def test_what_is_not_there_or_far_away(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="There is no file"):
        opened(tmp_path / "none.root")
    with pytest.raises(InputFileError, match="only ROOT files"):
        open_table("https://host/a.parquet", None, cache_bytes=0)
