"""Values that were never stored are no data."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.errors import InputFileError
from analysis.io.hdf5_storage import has_checksums, refuse_fill_values


def test_what_was_written_passes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, options in {"plain": {}, "chunks": {"chunks": (2,)}, "zip": {"compression": "gzip"}}.items():
            refuse_fill_values(file.create_dataset(name, data=np.arange(5.0), **options), "a.h5")
        refuse_fill_values(file.create_dataset("none", (0,), dtype="f4", chunks=(2,), maxshape=(None,)), "a.h5")


def test_what_was_not_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        with pytest.raises(InputFileError, match="never written"):
            refuse_fill_values(file.create_dataset("plain", (5,), dtype="f4"), "a.h5")
        part = file.create_dataset("part", (6,), dtype="f4", chunks=(2,))
        part[:2] = 1
        with pytest.raises(InputFileError, match="2 of 3 chunks"):
            refuse_fill_values(part, "a.h5")
        raw = file.create_dataset("raw", (2,), dtype="f8", external=[(str(tmp_path / "raw.bin"), 0, 16)])
        with pytest.raises(InputFileError, match=r"raw\.bin"):
            refuse_fill_values(raw, "a.h5")


def test_virtual_data_need_all_of_their_sources(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "source.h5", "w") as file:
        file["x"] = np.arange(4.0)
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("source.h5", "x", (4,))
    short = h5py.VirtualLayout((6,), "f8")
    short[:4] = h5py.VirtualSource("source.h5", "x", (4,))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        refuse_fill_values(file.create_virtual_dataset("whole", layout), "a.h5")
        with pytest.raises(InputFileError, match="do not cover"):
            refuse_fill_values(file.create_virtual_dataset("short", short), "a.h5")
        (tmp_path / "source.h5").rename(tmp_path / "moved.h5")
        with pytest.raises(InputFileError, match="is not there"):
            refuse_fill_values(file["whole"], "a.h5")


def test_checksums_are_known(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        assert has_checksums(file.create_dataset("sum", data=np.arange(4.0), fletcher32=True))
        assert not has_checksums(file.create_dataset("none", data=np.arange(4.0), compression="gzip"))
