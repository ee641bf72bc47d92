"""Events of pixel detectors: hits and images are the same thing."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import InputFileError
from analysis.pixels import PXD, PixelDetector, PixelEvents, SparseImages

TINY = PixelDetector((2, 2), 5, 7)


def test_the_detector_has_the_channels_of_the_paper() -> None:
    assert PXD.pixels == 7_680_000
    assert PXD.shape == (40, 250, 768)


def test_images_and_hits_are_the_same() -> None:
    rng = np.random.default_rng(1)
    images = (rng.integers(1, 256, (6, *TINY.shape)) * (rng.random((6, *TINY.shape)) < 0.2)).astype(np.uint8)
    images[2] = 0
    events = PixelEvents.of_images(images, TINY)
    assert np.array_equal(events.images(), images)
    assert np.allclose(events.occupancies(), (images > 0).mean(axis=(2, 3)))


def test_other_images_are_refused() -> None:
    with pytest.raises(InputFileError, match=r"uint8"):
        PixelEvents.of_images(np.zeros((1, 4, 5, 7)), TINY)
    with pytest.raises(InputFileError, match=r"140 are hit"):
        PixelEvents(TINY, np.array([0, 1]), np.array([140]), np.array([9], np.uint8))
    with pytest.raises(InputFileError, match="do not rise"):
        PixelEvents(TINY, np.array([0, 2]), np.array([1]), np.array([9], np.uint8))
    with pytest.raises(InputFileError, match="without"):
        PixelDetector((4, 0), 5, 7)


def test_images_that_are_written_are_kept_as_hits() -> None:
    rng = np.random.default_rng(2)
    images = (rng.integers(7, 256, (6, *TINY.shape)) * (rng.random((6, *TINY.shape)) < 0.2)).astype(np.uint8)
    kept = SparseImages(6, TINY)
    assert kept.shape == images.shape
    kept[np.array([0, 2])] = np.full((2, *TINY.shape), 9.0)
    for rows in ([4, 0, 1], [5, 2, 3]):
        kept[np.array(rows)] = images[rows].astype(np.float32)
    assert np.array_equal(kept.events().images(), images)
    assert kept.events().adu.dtype == np.uint8
    assert len(SparseImages(0, TINY).events()) == 0
    with pytest.raises(InputFileError, match="Images are"):
        kept[np.array([0])] = images
    with pytest.raises(InputFileError, match="from 0 to 300"):
        kept[np.array([0])] = np.where(np.arange(TINY.pixels) == 3, 300, 0).reshape(1, *TINY.shape)
