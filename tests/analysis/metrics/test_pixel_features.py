"""Features of images against plain convolutions, and a distance that is at its floor for truth and above it else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate2d

from analysis.errors import TooFewEventsError
from analysis.metrics.pixel_features import _weights, image_distance, image_features
from analysis.pixels import PXD_SMALL, PixelDetector, PixelEvents
from analysis.simulation.pixels import pixel_event

#: 40 sensors as those of PXD_SMALL, of half the size.
SMALL = PixelDetector(PXD_SMALL.layers, 16, 48)


def images_of(n: int, seed: int) -> np.ndarray:
    usual = np.ones(2)
    return np.concatenate([pixel_event(SMALL, usual, seed=seed, event=i).images() for i in range(n)])


def test_features_are_those_of_convolutions_by_scipy() -> None:
    rng = np.random.default_rng(1)
    detector = PixelDetector((2,), 7, 10)
    images = (rng.integers(7, 256, (2, *detector.shape)) * (rng.random((2, *detector.shape)) < 0.3)).astype(np.uint8)
    found = image_features(PixelEvents.of_images(images, detector))
    assert found.shape == (2, 2, 112)
    for event, sensor in np.ndindex(2, 2):
        channels = [np.log1p(images[event, sensor].astype(float)) / np.log(256)]
        due = []
        for weights in _weights():
            kernels = weights.reshape(3, 3, len(channels), -1)
            out = [
                sum(correlate2d(x, kernels[:, :, i, o], mode="same") for i, x in enumerate(channels))
                for o in range(kernels.shape[-1])
            ]
            channels = [np.maximum(image[::2, ::2], 0) for image in out]
            due += [image.mean() for image in channels]
            due += [np.sqrt((image**2).mean()) for image in channels]
        assert found[event, sensor] == pytest.approx(due, rel=1e-4, abs=1e-6)


def test_truth_is_at_its_floor_and_what_is_broken_far_above() -> None:
    """Of broken ones: charges 20 % larger, the pixels of every image in another order, and three hits in ten lost.

    One hit in ten is within what the rates of 100 events fluctuate.
    """
    true, other = images_of(100, 1), images_of(100, 2)
    known = image_features(PixelEvents.of_images(true, SMALL))
    rng = np.random.default_rng(3)
    larger = np.minimum(other * 1.2, 255).astype(np.uint8)
    flat = other.reshape(-1, SMALL.rows * SMALL.columns)
    mixed = rng.permuted(flat, axis=1).reshape(other.shape)
    fewer = other * (rng.random(other.shape) > 0.3).astype(np.uint8)

    def ratio(images: np.ndarray) -> float:
        found = image_distance(image_features(PixelEvents.of_images(images, SMALL)), known, seed=4)
        return found.value / found.floor

    assert ratio(other) == pytest.approx(1, abs=0.5)
    for broken in (larger, mixed, fewer):
        assert ratio(broken) > 2


def test_the_floor_falls_with_the_number_of_events() -> None:
    known = image_features(PixelEvents.of_images(images_of(80, 5), SMALL))
    many, few = (image_distance(known[:n], known, seed=1).floor for n in (80, 20))
    assert few == pytest.approx(many * (1 / 20 + 1 / 80) / (2 / 80))


def test_too_few_are_named() -> None:
    with pytest.raises(TooFewEventsError, match="0 made and 5 true"):
        image_distance(np.zeros((0, 2, 3)), np.ones((5, 2, 3)), seed=1)
