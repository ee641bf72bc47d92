"""Which ranges of the sidebands are held out to test the template."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from analysis.events import BoolArray, FloatArray
from cathode.errors import RegionError
from cathode.region import Interval, Region
from cathode.validation.turn_on import turn_on

#: Events that a region beyond the first of each side needs, and that have to lie beyond it; unless told otherwise.
LEAST = 1000

#: Events of its regions that a generator needs, to be worth its training; with fewer there are fewer generators.
WORTH = 10_000


def spread_regions(
    region: Region,
    mass: FloatArray,
    *,
    fraction: float,
    weights: FloatArray | None = None,
    generators: int = 1,
    least: int = LEAST,
) -> tuple[Interval, ...]:
    """Regions over all of the sidebands with masses and weights (N,), GeV, in rising order.

    The first two touch the window, each `fraction` times as wide as it. Further out every interval of the same relative
    width is one, if there are several `generators` to share them, and otherwise every other, so that the template of
    each is interpolated from both sides. The last interval of a sideband, or one with fewer than `least` events in it
    or beyond it, is none; nor is one near the turn-on of the spectrum, where a search quotes nothing: what it would say
    holds for no window that is searched.
    """
    every = _spread(region, mass, fraction, weights, least, step=1)
    if len(dealt(np.asarray(mass)[region.sideband(mass)], every, generators)) > 1:
        return every
    return _spread(region, mass, fraction, weights, least, step=2)


def _spread(
    region: Region, mass: FloatArray, fraction: float, weights: FloatArray | None, least: int, step: int
) -> tuple[Interval, ...]:
    beside = region.validation_regions(fraction=fraction)
    further = [each for first in beside for each in _outwards(region, mass, first, least, step)]
    return tuple(sorted((e for e in further if e in beside or not _turns_on(region, mass, e, weights)), key=_low))


def dealt(mass: FloatArray, regions: Sequence[Interval], generators: int) -> tuple[tuple[Interval, ...], ...]:
    """The regions of every generator, neighbours apart; fewer generators where one would have few events to predict."""
    for number in range(min(generators, len(regions)), 1, -1):
        groups = tuple(tuple(regions[first::number]) for first in range(number))
        if min(_events(mass, group) for group in groups) >= WORTH:
            return groups
    return (tuple(regions),)


def _events(mass: FloatArray, regions: Sequence[Interval]) -> int:
    return int(np.any([interval(mass) for interval in regions], axis=0).sum())


def _turns_on(region: Region, mass: FloatArray, interval: Interval, weights: FloatArray | None) -> bool:
    """Whether a search in this interval would have to be withheld; the window of the real one is not looked at."""
    window = (region.low, region.high)
    edges = {"sideband_low": region.sideband_low, "sideband_high": region.sideband_high}
    try:
        other = Region(interval.low, interval.high, **edges, veto=(*region.veto, window), sides=region.sides)
    except RegionError:
        # A window, or its veto, that is outside of what is left of the sidebands on that side.
        return False
    return turn_on(mass, other, weights=weights) is not None


def _outwards(region: Region, mass: FloatArray, interval: Interval, least: int, step: int) -> Iterator[Interval]:
    yield interval
    below = interval.high <= region.low
    inside = region.sideband(mass)
    outer, inner = (interval.low, interval.high) if below else (interval.high, interval.low)
    width = math.log(outer / inner)
    number = step
    while True:
        # The first edge as it is: a rounded one would let neighbours overlap.
        start, end = (outer if k == 1 else _readable(inner * math.exp(width * k)) for k in (number, number + 1))
        further = Interval(min(start, end), max(start, end))
        beyond: BoolArray = inside & ((mass < further.low) if below else (mass >= further.high))
        if min(int((inside & further(mass)).sum()), int(beyond.sum())) < least:
            return
        yield further
        number += step


def _readable(edge: float) -> float:
    return float(f"{edge:.4g}")


def _low(interval: Interval) -> float:
    return interval.low
