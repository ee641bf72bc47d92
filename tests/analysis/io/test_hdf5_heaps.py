"""Damaged heaps end in an error and not in an endless loop or a huge allocation."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.io.hdf5_heaps import refuse_endless_heaps, refuse_impossible_lengths


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("v", (4,), dtype=h5py.vlen_dtype(np.float32))
        for i in range(4):
            dataset[i] = np.arange(3, dtype=np.float32)
    return path


def test_sound_heaps_pass(path: Path, tmp_path: Path) -> None:
    refuse_endless_heaps(str(path))
    with h5py.File(path) as file:
        refuse_impossible_lengths(file["v"], 4)
    (tmp_path / "empty").touch()
    refuse_endless_heaps(str(tmp_path / "empty"))


def test_a_free_block_without_a_size_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    # The first object becomes free (number 0) and of no size.
    content[heap + 16 : heap + 32] = bytes(16)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="free block of 0 bytes"):
        refuse_endless_heaps(str(path))


def test_a_list_longer_than_its_file_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL").to_bytes(8, "little")
    reference = content.index((3).to_bytes(4, "little") + heap)
    content[reference : reference + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    with h5py.File(path) as file, pytest.raises(ValueError, match=f"{2**31} elements"):
        refuse_impossible_lengths(file["v"], 4)
