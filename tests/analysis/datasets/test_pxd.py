"""Files of pixel events: what was written is read, and what is broken is named."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from analysis.datasets.pxd import read_pixels, read_pxd_images
from analysis.errors import InputFileError

SENSORS = ("1.1.1", "1.1.2", "2.2.1", "2.10.1")


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 4, 6, 8)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, images: np.ndarray) -> Path:
    for place, sensor in enumerate(SENSORS):
        (tmp_path / sensor).mkdir()
        for event, each in enumerate(images):
            Image.fromarray(each[place]).save(tmp_path / sensor / f"{event}.png")
    return tmp_path


def test_images_of_the_released_layout_are_read_in_the_order_of_numbers(folder: Path, images: np.ndarray) -> None:
    (folder / "notes").mkdir()
    events = read_pxd_images(folder)
    assert events.detector.layers == (2, 2)
    assert np.array_equal(events.images(), images)


def test_what_is_wrong_with_images_is_named(folder: Path) -> None:
    (folder / "2.2.1" / "1.png").rename(folder / "2.2.1" / "7.png")
    with pytest.raises(InputFileError, match=r"1\.png"):
        read_pxd_images(folder)
    (folder / "2.2.1" / "7.png").rename(folder / "2.2.1" / "1.png")
    for wrong, words in ((np.zeros((6, 9), np.uint8), "the first image"), (np.zeros((6, 8, 3), np.uint8), "RGB")):
        Image.fromarray(wrong).save(folder / "2.2.1" / "1.png")
        with pytest.raises(InputFileError, match=words):
            read_pxd_images(folder)
    (folder / "2.2.1" / "1.png").write_bytes(b"no image")
    with pytest.raises(InputFileError, match=r"1\.png is no image"):
        read_pxd_images(folder)
    with pytest.raises(InputFileError, match=r"such as 1\.1\.1"):
        read_pxd_images(folder / "1.1.1")


def test_files_without_events_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no file of pixel events"):
        read_pixels(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(InputFileError, match="layers"):
        read_pixels(tmp_path / "other.h5")
