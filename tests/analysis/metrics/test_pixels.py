"""Judgement of pixel events against scipy's labels, numpy's correlation, and known matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.pixels import charge_spectrum, clusters, correlation_distance, sensor_correlations
from analysis.pixels import PixelDetector, PixelEvents

TINY = PixelDetector((2, 1), 6, 5)


def events() -> tuple[np.ndarray, PixelEvents]:
    rng = np.random.default_rng(1)
    shape = (20, *TINY.shape)
    images = (rng.integers(7, 256, shape) * (rng.random(shape) < 0.3)).astype(np.uint8)
    return images, PixelEvents.of_images(images, TINY)


def test_clusters_are_those_of_labelled_images() -> None:
    images, hits = events()
    wanted = []
    for event, sensor in np.ndindex(images.shape[:2]):
        image = images[event, sensor]
        labels, number = ndimage.label(image, np.ones((3, 3)))
        of_label = range(1, number + 1)
        wanted += [(event, sensor, (labels == n).sum(), image[labels == n].sum(dtype=int)) for n in of_label]
    found = clusters(hits)
    assert sorted(zip(found.event, found.sensor, found.size, found.charge, strict=True)) == sorted(wanted)


def test_no_hits_have_no_clusters() -> None:
    nothing = PixelEvents.of_images(np.zeros((2, *TINY.shape), np.uint8), TINY)
    assert len(clusters(nothing).size) == 0
    assert charge_spectrum(nothing).sum() == 0


def test_the_spectrum_counts_hit_pixels() -> None:
    images, hits = events()
    wanted = np.bincount(images[images > 0], minlength=256)
    assert np.array_equal(charge_spectrum(hits), wanted)


def test_correlations_are_those_of_numpy_and_constant_sensors_have_none() -> None:
    x = np.random.default_rng(2).normal(size=(50, 4)) @ np.random.default_rng(3).normal(size=(4, 4))
    assert sensor_correlations(x) == pytest.approx(np.corrcoef(x.T))
    x[:, 1] = 0.1
    assert sensor_correlations(x)[1] == pytest.approx([0, 1, 0, 0])


def test_the_distance_is_at_its_floor_for_the_truth_and_far_above_without_correlation() -> None:
    rng = np.random.default_rng(4)
    covariance = np.full((10, 10), 0.7) + 0.3 * np.eye(10)
    true, made = (rng.multivariate_normal(np.zeros(10), covariance, n) for n in (1000, 100))
    alike = correlation_distance(made, true, seed=1)
    # The floor of independent samples of known truth, by repetition.
    draws = [sensor_correlations(rng.multivariate_normal(np.zeros(10), covariance, n)) for n in [1000, 100] * 100]
    norm = np.linalg.norm(covariance)
    wanted = np.sqrt(np.mean([np.linalg.norm(a - b) ** 2 for a, b in zip(draws[::2], draws[1::2], strict=True)])) / norm
    assert alike.floor == pytest.approx(wanted, rel=0.3)
    assert alike.value < 2.5 * alike.floor
    apart = correlation_distance(rng.normal(size=(500, 10)), true, seed=1)
    due = np.linalg.norm(covariance - np.eye(10)) / norm
    assert apart.value == pytest.approx(due, rel=0.1)


def test_too_few_and_nonsense_are_named() -> None:
    with pytest.raises(TooFewEventsError, match="three events"):
        sensor_correlations(np.ones((2, 4)))
    with pytest.raises(MetricError, match="1 occupancies"):
        sensor_correlations(np.array([[1.0, 2], [2, 3], [np.nan, 1]]))
