"""Events of pixel detectors: images of all sensors, of which only hit pixels are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import InputFileError

Array = NDArray[Any]


@dataclass(frozen=True)
class PixelDetector:
    """So many sensors in each layer, from the inside out, each of rows (r-φ) × columns (z) pixels."""

    layers: tuple[int, ...]
    rows: int
    columns: int

    def __post_init__(self) -> None:
        if not self.layers or min(*self.layers, self.rows, self.columns) < 1:
            raise InputFileError(f"{self} has a layer without sensors, or sensors without pixels.")

    @property
    def sensors(self) -> int:
        """Number of sensors."""
        return sum(self.layers)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sensors, rows, columns."""
        return self.sensors, self.rows, self.columns

    @property
    def pixels(self) -> int:
        """Number of pixels of the whole detector."""
        return self.sensors * self.rows * self.columns


#: Like the pixel detector of Belle II: 8 ladders of two sensors around the beam pipe, and 12 around these.
PXD = PixelDetector((16, 24), 250, 768)
#: The same sensors with fewer pixels, for a processor.
PXD_SMALL = PixelDetector((16, 24), 32, 96)


@dataclass(frozen=True, eq=False)
class PixelEvents:
    """N events: `offsets` (N + 1,) of each in `index` (P,), ascending places in (S, R, C), and `adu` (P,), 8 bit."""

    detector: PixelDetector
    offsets: Array
    index: Array
    adu: Array

    def __post_init__(self) -> None:
        offsets, hits = self.offsets, len(self.index)
        if offsets[0] != 0 or offsets[-1] != hits or (np.diff(offsets) < 0).any() or len(self.adu) != hits:
            raise InputFileError(f"Offsets of events do not rise from 0 to {hits}, the number of hit pixels.")
        if hits and not (self.index.min() >= 0 and self.index.max() < self.detector.pixels):
            raise InputFileError(f"Pixels {self.index.min()} to {self.index.max()} of {self.detector.pixels} are hit.")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Memory of the hits, in bytes."""
        return int(self.offsets.nbytes + self.index.nbytes + self.adu.nbytes)

    @classmethod
    def of_images(cls, images: Array, detector: PixelDetector) -> PixelEvents:
        """From images (N, S, R, C) of whole ADU of 0 to 255.

        Raises
        ------
        InputFileError
            If they are of another shape or type.
        """
        if images.shape[1:] != detector.shape or images.dtype != np.uint8:
            raise InputFileError(f"Images are {images.shape} of {images.dtype}, not (N, *{detector.shape}) of uint8.")
        flat = images.reshape(len(images), -1)
        event, index = np.nonzero(flat)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(event, minlength=len(images)))])
        return cls(detector, offsets.astype(np.int64), index.astype(np.int32), flat[event, index])

    def images(self) -> NDArray[np.uint8]:
        """Images (N, S, R, C) in ADU."""
        out = np.zeros((len(self), self.detector.pixels), dtype=np.uint8)
        out[self.event(), self.index] = self.adu
        return out.reshape(len(self), *self.detector.shape)

    def event(self) -> NDArray[np.int64]:
        """The event of every hit pixel, (P,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def sensor(self) -> NDArray[np.int64]:
        """The sensor of every hit pixel, (P,)."""
        return self.index.astype(np.int64) // (self.detector.rows * self.detector.columns)

    def occupancies(self) -> NDArray[np.float64]:
        """Share of pixels that are hit, (N, S)."""
        sensors = self.detector.sensors
        counts = np.bincount(self.event() * sensors + self.sensor(), minlength=len(self) * sensors)
        return counts.reshape(len(self), sensors) / (self.detector.rows * self.detector.columns)


class SparseImages:
    """Events (N, S, R, C) that are written as images of whole ADU, some rows at a time, and kept as hits.

    It takes the place of an array where events are many or large: 40 sensors at full size are 7.7 MB of bytes, and
    some 0.2 MB of hits.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, events: int, detector: PixelDetector) -> None:
        self.detector, self.shape = detector, (events, *detector.shape)
        self._index = [np.zeros(0, np.int32)] * events
        self._adu = [np.zeros(0, np.uint8)] * events

    def __setitem__(self, rows: NDArray[np.integer[Any]], images: Array) -> None:
        """Images (B, S, R, C) of the events at rows (B,), in place of what was there.

        Raises
        ------
        InputFileError
            If they are no charges of 0 to 255, or of another shape.
        """
        values = np.asarray(images)
        if values.shape != (len(rows), *self.detector.shape):
            raise InputFileError(f"Images are {values.shape}, not {(len(rows), *self.detector.shape)}.")
        if values.size and not (values.min() >= 0 and values.max() <= 255):
            raise InputFileError(f"Charges are from {values.min()} to {values.max()}, not of 8 bit.")
        for row, image in zip(rows, values.reshape(len(rows), -1), strict=True):
            hit = np.flatnonzero(image)
            self._index[row], self._adu[row] = hit.astype(np.int32), image[hit].astype(np.uint8)

    def events(self) -> PixelEvents:
        """All events."""
        offsets = np.concatenate([[0], np.cumsum([len(index) for index in self._index])]).astype(np.int64)
        index = np.concatenate([np.zeros(0, np.int32), *self._index])
        return PixelEvents(self.detector, offsets, index, np.concatenate([np.zeros(0, np.uint8), *self._adu]))
