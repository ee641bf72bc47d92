"""`Region`: the mass window that is searched, and the sidebands beside it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cathode.errors import EmptyRegionError, RegionError

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Interval:
    """A range of masses in GeV, half-open: low <= m < high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise RegionError(f"A mass range needs finite low < high in GeV, not {self.low} and {self.high}.")

    def __call__(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) inside, in GeV."""
        mass = np.asarray(mass)
        return (mass >= self.low) & (mass < self.high)

    @property
    def width(self) -> float:
        """Length of the range, GeV."""
        return self.high - self.low

    @property
    def centre(self) -> float:
        """Middle of the range, GeV."""
        return 0.5 * (self.low + self.high)


@dataclass(frozen=True)
class Region:
    """A signal window and its sidebands, all in GeV and all half-open: low <= m < high.

    Every mass belongs to exactly one of lower sideband, window, upper sideband, or to none of them. (Published LHC
    Olympics code uses strict inequalities in one place and closed ones in another; for continuous masses no event
    notices, for adjacent windows on a grid half-open ones are the only ones that neither share nor lose an event.)

    Attributes
    ----------
    low, high : edges of the signal window.
    sideband_low, sideband_high : outer edges of the sidebands; None leaves that side open.

    Raises
    ------
    RegionError
        If the edges are not finite, not positive or not in the order sideband_low < low < high < sideband_high.

    Examples
    --------
    >>> region = Region(3300, 3700, sideband_low=2300)
    >>> region.signal(np.array([2000.0, 3000.0, 3300.0, 3700.0])).tolist()
    [False, False, True, False]
    >>> region.sideband(np.array([2000.0, 3000.0, 3300.0, 3700.0])).tolist()
    [False, True, False, True]
    """

    low: float
    high: float
    sideband_low: float | None = None
    sideband_high: float | None = None

    def __post_init__(self) -> None:
        edges = [e for e in (self.sideband_low, self.low, self.high, self.sideband_high) if e is not None]
        if not all(math.isfinite(e) and e > 0 for e in edges):
            raise RegionError(f"Region edges must be finite and positive masses in GeV, not {edges}.")
        if any(a >= b for a, b in itertools.pairwise(edges)):
            raise RegionError(f"Region edges must rise: sideband_low < low < high < sideband_high, not {edges}.")

    @property
    def width(self) -> float:
        """Width of the signal window, GeV."""
        return self.high - self.low

    @property
    def centre(self) -> float:
        """Middle of the signal window, GeV."""
        return 0.5 * (self.low + self.high)

    def signal(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) inside the window, low <= m < high."""
        return Interval(self.low, self.high)(mass)

    def lower(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) in the sideband below the window."""
        mass = np.asarray(mass)
        start = -math.inf if self.sideband_low is None else self.sideband_low
        return (mass >= start) & (mass < self.low)

    def upper(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) in the sideband above the window."""
        mass = np.asarray(mass)
        stop = math.inf if self.sideband_high is None else self.sideband_high
        return (mass >= self.high) & (mass < stop)

    def sideband(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) in either sideband."""
        return self.lower(mass) | self.upper(mass)

    def strips(self, *, fraction: float = 0.5, width: float | None = None) -> tuple[Interval, Interval]:
        """The strips of sideband that touch the window below and above, where a template can be tested on data.

        Each is `width` GeV wide, or `fraction` times the window; they stop at the outer edge of their sideband.
        """
        wide = fraction * self.width if width is None else width
        if not (math.isfinite(wide) and wide > 0):
            raise RegionError(f"The width of the strips must be positive, not {wide} GeV.")
        below = max(self.low - wide, 0.0 if self.sideband_low is None else self.sideband_low)
        above = self.high + wide if self.sideband_high is None else min(self.high + wide, self.sideband_high)
        return Interval(below, self.low), Interval(self.high, above)

    def sideband_strips(self, strips: Iterable[tuple[float, float]]) -> tuple[Interval, ...]:
        """Strips anywhere in the sidebands from their edges in GeV, in rising order.

        Raises
        ------
        RegionError
            If there is none, one does not lie in a sideband, or two overlap.
        """
        made = tuple(sorted((Interval(*edges) for edges in strips), key=lambda strip: strip.low))
        if not made:
            raise RegionError("At least one strip of sideband is needed.")
        start = -math.inf if self.sideband_low is None else self.sideband_low
        stop = math.inf if self.sideband_high is None else self.sideband_high
        for strip in made:
            below, above = start <= strip.low and strip.high <= self.low, self.high <= strip.low and strip.high <= stop
            if not (below or above):
                raise RegionError(
                    f"The strip {strip.low:g}–{strip.high:g} GeV does not lie in a sideband, for the {self}."
                )
        for one, other in itertools.pairwise(made):
            if other.low < one.high:
                raise RegionError(f"The strips {one.low:g}–{one.high:g} and {other.low:g}–{other.high:g} GeV overlap.")
        return made

    def check(self, mass: FloatArray) -> None:
        """Refuse masses (N,) that leave the window or a sideband empty.

        Raises
        ------
        EmptyRegionError
            With the counts, the window and the range of the masses.
        """
        mass = np.asarray(mass)
        counts = {
            "lower sideband": int(np.count_nonzero(self.lower(mass))),
            "signal window": int(np.count_nonzero(self.signal(mass))),
            "upper sideband": int(np.count_nonzero(self.upper(mass))),
        }
        empty = [name for name, count in counts.items() if count == 0]
        if mass.size == 0:
            raise EmptyRegionError(f"No events at all for the {self}: check the selection and the input files.")
        if empty:
            listed = ", ".join(f"{count} in the {name}" for name, count in counts.items())
            raise EmptyRegionError(
                f"No events in the {' and the '.join(empty)}: {listed}, of {mass.size} events with masses from "
                f"{mass.min():.6g} to {mass.max():.6g} GeV, for the {self}. Move the window, widen the sidebands, "
                "or check the unit of the mass."
            )

    def __str__(self) -> str:
        """The window and the sidebands in GeV, for messages and captions."""
        start = "start" if self.sideband_low is None else f"{self.sideband_low:g}"
        stop = "end" if self.sideband_high is None else f"{self.sideband_high:g}"
        return f"window {self.low:g}–{self.high:g} GeV with sidebands {start}–{self.low:g} and {self.high:g}–{stop} GeV"
