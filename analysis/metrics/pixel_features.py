"""Fréchet distance of images of pixel sensors, in the features of a fixed network of convolutions.

The network has random weights that are always the same. The one of IEA-GAN (Hashemi et al., 2303.08046) was trained on
images of the real detector and is not public, so that its distances and these are different numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analysis.errors import TooFewEventsError
from analysis.metrics.frechet import frechet_distance, moments
from analysis.pixels import PixelEvents

#: The seed of the weights, and channels behind each convolution.
_SEED, _CHANNELS = 20230314, (8, 16, 32)
#: Pixels of images that are seen at once.
_PIXELS = 1 << 22

Features = NDArray[np.float64]


def image_features(events: PixelEvents) -> Features:
    """Features (N, S, 112) of every image: mean and root mean square of each channel behind three convolutions.

    Pixels enter as ln(1 + ADU) / ln 256. A convolution is 3 × 3 with random normal weights, halves both axes and is
    followed by a rectifier; neither knows where on the sensor it is.
    """
    detector, layers = events.detector, _weights()
    step = max(1, _PIXELS // detector.pixels)
    parts = [np.zeros((0, detector.sensors, 2 * sum(_CHANNELS)))]
    for first in range(0, len(events), step):
        images = _dense(events, first, min(first + step, len(events)))
        parts.append(_seen(images, layers).reshape(-1, detector.sensors, 2 * sum(_CHANNELS)))
    return np.concatenate(parts)


@dataclass(frozen=True)
class ImageDistance:
    """Fréchet distance of images, and what two true samples of these sizes would have."""

    value: float
    floor: float


def image_distance(made: Features, true: Features, *, seed: int, splits: int = 10) -> ImageDistance:
    """Fréchet distance of `image_features` (N, S, D) of generated and true events, in units of the true widths.

    Images of all sensors are one sample. The floor is that of random halves of the true events, scaled from their
    sizes to those of the samples: it falls as 1/N.

    Raises
    ------
    TooFewEventsError
        If there are fewer than four true events, or one that was made.
    """
    if len(true) < 4 or not len(made):
        raise TooFewEventsError(f"{len(made)} made and {len(true)} true events: give at least one and four.")
    width = true.reshape(-1, true.shape[-1]).std(axis=0)
    scale = np.where(width > 0, width, 1.0)
    made, true = made / scale, true / scale
    rng, half = np.random.default_rng(seed), len(true) // 2
    halves = []
    for _ in range(splits):
        order = rng.permutation(len(true))
        halves.append(_distance(true[order[:half]], true[order[half:]]))
    factor = (1 / len(made) + 1 / len(true)) / (1 / half + 1 / (len(true) - half))
    return ImageDistance(_distance(made, true), float(np.mean(halves) * factor))


def _distance(one: Features, other: Features) -> float:
    return frechet_distance(*(moments(each.reshape(-1, each.shape[-1])) for each in (one, other)))


def _weights() -> list[NDArray[np.float32]]:
    """Of every convolution, (9 · channels, out), such that squares keep their size where all pixels are hit."""
    rng, sizes = np.random.default_rng(_SEED), (1, *_CHANNELS)
    return [
        (rng.normal(size=(9 * one, out)) * np.sqrt(2 / (9 * one))).astype(np.float32) for one, out in pairwise(sizes)
    ]


def _dense(events: PixelEvents, first: int, last: int) -> NDArray[np.float32]:
    """Images (B · S, R, C, 1) of events first … last."""
    low, high = int(events.offsets[first]), int(events.offsets[last])
    detector = events.detector
    images = np.zeros((last - first, detector.pixels), dtype=np.float32)
    event = np.repeat(np.arange(last - first), np.diff(events.offsets[first : last + 1]))
    images[event, events.index[low:high]] = np.log1p(events.adu[low:high].astype(np.float32)) / np.log(256)
    return images.reshape(-1, detector.rows, detector.columns, 1)


def _seen(x: NDArray[np.float32], layers: list[NDArray[np.float32]]) -> Features:
    """Features (M, D) of images (M, R, C, 1)."""
    found = []
    for weights in layers:
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        rows, columns = -(-x.shape[1] // 2), -(-x.shape[2] // 2)
        shifted = [
            padded[:, down : down + 2 * rows - 1 : 2, right : right + 2 * columns - 1 : 2]
            for down in range(3)
            for right in range(3)
        ]
        x = np.maximum(np.concatenate(shifted, axis=-1) @ weights, 0)
        found += [x.mean(axis=(1, 2)), np.sqrt(np.square(x).mean(axis=(1, 2)))]
    return np.concatenate(found, axis=1).astype(np.float64)
