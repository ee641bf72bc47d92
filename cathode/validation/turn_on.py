"""Windows near the turn-on of the spectrum, where nothing can be interpolated.

Where a trigger or a selection turns the spectrum on, shapes of features change with the mass faster than a generator,
and events that are moved along it, can follow: on the stand-in sample of the dijets the prediction was 17 % off at
2.7–2.9 TeV, where the spectrum rises up to 2.6 TeV, and right from 3.05 TeV on. It is recognised from the spectrum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from analysis.events import FloatArray
from analysis.statistics.rising import largest_rise
from cathode.region import Region
from cathode.result import SearchResult

#: The spectrum has to fall within this factor in mass of the window: from there events are moved into it.
REACH = 1.2

#: A spectrum that falls is taken for one that turns on this often, in the worst case.
_BY_CHANCE = 0.01

_BINS = 6

#: Relative width of the bins in which the highest is looked for.
_WIDTH = 0.02

#: Neighbouring masses are not asked: a strong resonance reaches into them, which is a rise too.
_ASIDE = 1.0 / _BINS


@dataclass(frozen=True)
class TurnOn:
    """The spectrum rises between two masses in GeV, by so many standard errors; it is highest near `peak`."""

    low: float
    high: float
    z: float
    peak: float

    @property
    def over(self) -> float:
        """Lowest edge of a window that this rise is far enough away from, GeV."""
        return self.peak * REACH

    def __str__(self) -> str:
        return (
            f"the spectrum rises from {self.low:.4g} to {self.high:.4g} GeV ({self.z:.1f} standard errors), within a "
            f"factor {REACH:g} of the window. Where it turns on, features change with the mass faster than anything "
            f"interpolates. Move the window above {self.over:.4g} GeV, as in `signal: [{self.over:.4g}, "
            f"{1.1 * self.over:.4g}]` under `region:`, or lower the threshold of trigger or selection that makes the "
            "spectrum rise"
        )


def turn_on(mass: FloatArray, region: Region, *, weights: FloatArray | None = None) -> TurnOn | None:
    """The rise of the sideband spectrum within `REACH` of the window, or None; masses and weights (N,) of all events.

    The window itself is not looked at, nor is what touches it: a resonance makes a spectrum rise as well.
    """
    side = region.sideband(mass)
    found = []
    for low, high in _stretches(region, mass[side]):
        rise = largest_rise(mass[side], low, high, weights=None if weights is None else weights[side], bins=_BINS - 1)
        if rise is not None:
            found.append(rise)
    if not found:
        return None
    worst = min(found, key=lambda each: each.p_value)
    # With two stretches there are twice as many chances.
    if len(found) * worst.p_value >= _BY_CHANCE:
        return None
    return TurnOn(worst.low, worst.high, worst.z, _peak(mass[side], None if weights is None else weights[side]))


def _peak(mass: FloatArray, weights: FloatArray | None) -> float:
    """Where the spectrum in ln m is highest, in bins of two per cent."""
    place = np.round(np.log(mass[mass > 0]) / _WIDTH).astype(np.int64)
    content = np.bincount(place - place.min(), None if weights is None else weights[mass > 0])
    centre = np.exp((place.min() + np.arange(len(content))) * _WIDTH)
    return float(centre[np.argmax(content / centre)])


def withheld(result: SearchResult, why: str) -> SearchResult:
    """The result without p-values and significances; what was counted and expected stays."""
    nan = math.nan
    cuts = (
        replace(cut, p_value=nan, p_value_exact=nan, significance=nan, spread=None, reason=why) for cut in result.cuts
    )
    return replace(result, cuts=tuple(cuts), withheld=why)


def _stretches(region: Region, mass: FloatArray) -> list[tuple[float, float]]:
    """Below and above the window, as far as there are sidebands without a veto, and without what is next to it."""
    edges = []
    if len(mass) == 0:
        return []
    for low, high in region.below[-1:]:
        start = max(low, region.low / REACH, float(mass.min()))
        edges.append((start, high * (start / high) ** _ASIDE))
    for low, high in region.above[:1]:
        stop = min(high, region.high * REACH, float(mass.max()))
        edges.append((low * (stop / low) ** _ASIDE, stop))
    return [(low, high) for low, high in edges if np.log(high / low) > 0.01]
