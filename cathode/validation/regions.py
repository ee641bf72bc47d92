"""Which ranges of the sidebands are held out to test the template."""

from __future__ import annotations

import math
from collections.abc import Iterator

from analysis.events import BoolArray, FloatArray
from cathode.region import Interval, Region

#: Events that a region beyond the first of each side needs, and that have to lie beyond it.
LEAST = 1000


def spread_regions(region: Region, mass: FloatArray, *, fraction: float) -> tuple[Interval, ...]:
    """Regions over all of the sidebands with masses (N,) in GeV, in rising order.

    The first two touch the window, each `fraction` times as wide as it. Further out every other interval is one,
    all of the same relative width, so that the template of each is interpolated from both sides; the last interval of a
    sideband, or one with few events in it or beyond it, is none.
    """
    beside = region.validation_regions(fraction=fraction)
    return tuple(sorted((each for first in beside for each in _outwards(region, mass, first)), key=_low))


def _outwards(region: Region, mass: FloatArray, interval: Interval) -> Iterator[Interval]:
    yield interval
    # Negative where it goes down.
    below = interval.high <= region.low
    step = math.log(interval.high / interval.low) * (-1 if below else 1)
    number = 2
    while True:
        start, end = (math.log(interval.low if not below else interval.high) + step * k for k in (number, number + 1))
        further = Interval(_readable(math.exp(min(start, end))), _readable(math.exp(max(start, end))))
        inside = region.sideband(mass)
        beyond: BoolArray = inside & ((mass < further.low) if below else (mass >= further.high))
        if min(int((inside & further(mass)).sum()), int(beyond.sum())) < LEAST:
            return
        yield further
        number += 2


def _readable(edge: float) -> float:
    return float(f"{edge:.4g}")


def _low(interval: Interval) -> float:
    return interval.low
