"""Events of pixel detectors from files: hits in HDF5, and a PNG per sensor and event, as the code of IEA-GAN has."""

from __future__ import annotations

import os
import re
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from analysis.errors import InputFileError
from analysis.pixels import PixelDetector, PixelEvents

_SENSOR = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def read_pixels(
    path: str | os.PathLike[str], start: int = 0, stop: int | None = None
) -> tuple[PixelEvents, NDArray[np.float64]]:
    """Events start … stop of a file of `analysis.simulation.pixels` and their conditions (N, 2).

    Raises
    ------
    InputFileError
        If it is no such file, or has no such events.
    """
    try:
        with h5py.File(path, "r") as file:
            layers = tuple(int(n) for n in file.attrs["layers"])
            detector = PixelDetector(layers, int(file.attrs["rows"]), int(file.attrs["columns"]))
            offsets = file["offsets"][:]
            last = len(offsets) - 1 if stop is None else stop
            if not 0 <= start <= last < len(offsets):
                raise InputFileError(f"{path} has {len(offsets) - 1} events, not {start} to {last}.")
            low, high = int(offsets[start]), int(offsets[last])
            hits = [file[name][low:high] for name in ("index", "adu")]
            return PixelEvents(detector, offsets[start : last + 1] - low, *hits), file["condition"][start:last]
    except (OSError, KeyError, TypeError) as error:
        raise InputFileError(f"{path} is no file of pixel events ({error}).") from error


def read_pxd_images(folder: str | os.PathLike[str]) -> PixelEvents:
    """Events of folders that are called layer.ladder.sensor (1.1.1, …), where files of one name are one event.

    Sensors are in the order of these numbers, events in that of names.

    Raises
    ------
    InputFileError
        If there are no such folders, an event lacks a sensor, or an image is not 8-bit grey or of another shape.
    """
    found = {m: place for place in Path(folder).glob("*") if place.is_dir() and (m := _sensor(place.name))}
    if not found:
        raise InputFileError(f"{folder} has no folder that is called as a sensor, such as 1.1.1.")
    places = [found[sensor] for sensor in sorted(found)]
    names = sorted(file.name for file in places[0].glob("*.png"))
    for place in places:
        odd = {file.name for file in place.glob("*.png")} ^ set(names)
        if odd or not names:
            missing = f"'{min(odd)}' is an event in one of them only" if odd else "there is no PNG file"
            raise InputFileError(f"{places[0]} and {place}: {missing}; every sensor needs an image of every event.")
    numbers = [sensor[0] for sensor in sorted(found)]
    layers = tuple(numbers.count(layer) for layer in sorted(set(numbers)))
    detector = PixelDetector(layers, *_image(places[0] / names[0]).shape)
    parts = [PixelEvents.of_images(_event(places, name, detector), detector) for name in names]
    offsets = np.concatenate([[0], np.cumsum([len(part.index) for part in parts])]).astype(np.int64)
    index, adu = (np.concatenate([getattr(part, name) for part in parts]) for name in ("index", "adu"))
    return PixelEvents(detector, offsets, index, adu)


def _sensor(name: str) -> tuple[int, ...] | None:
    match = _SENSOR.fullmatch(name)
    return None if match is None else tuple(int(number) for number in match.groups())


def _event(places: list[Path], name: str, detector: PixelDetector) -> NDArray[np.uint8]:
    """All images of an event, (1, S, R, C)."""
    images = [_image(place / name) for place in places]
    for place, image in zip(places, images, strict=True):
        if image.shape != detector.shape[1:]:
            raise InputFileError(f"{place / name} is {image.shape}; the first image is {detector.shape[1:]}.")
    return np.stack(images)[None]


def _image(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            if image.mode != "L":
                raise InputFileError(f"{path} is of mode {image.mode}, not 8-bit grey (L).")
            return np.asarray(image, dtype=np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputFileError(f"{path} is no image that can be read ({error}).") from error
