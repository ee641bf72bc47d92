"""`Region`: the mass window that is searched, and the sidebands beside it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.binning import without_gaps
from cathode.errors import EmptyRegionError, RegionError

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]
Pair = tuple[float, float]

#: Where sidebands may be: on both sides of the window, or on one.
SIDES = ("both", "below", "above")


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
    veto : ranges of mass that belong to no sideband, such as a known resonance or the dip of a trigger; one pair or
        several. Kept sorted, with overlapping ones joined.
    sides : "both"; or "below" or "above" for a sideband on that side alone, from which the background in the window
        is extrapolated.

    Raises
    ------
    RegionError
        If the edges are not finite, not positive or not in the order sideband_low < low < high < sideband_high; or a
        veto reaches into the window, lies in no sideband, or leaves nothing of one.

    Examples
    --------
    >>> region = Region(3300, 3700, sideband_low=2300, veto=(2800, 2900))
    >>> region.signal(np.array([2000.0, 2850.0, 3000.0, 3300.0, 3700.0])).tolist()
    [False, False, False, True, False]
    >>> region.sideband(np.array([2000.0, 2850.0, 3000.0, 3300.0, 3700.0])).tolist()
    [False, False, True, False, True]
    """

    low: float
    high: float
    sideband_low: float | None = None
    sideband_high: float | None = None
    veto: tuple[Pair, ...] = ()
    sides: Literal["both", "below", "above"] = "both"

    def __post_init__(self) -> None:
        edges = [e for e in (self.sideband_low, self.low, self.high, self.sideband_high) if e is not None]
        if not all(math.isfinite(e) and e > 0 for e in edges):
            raise RegionError(f"Region edges must be finite and positive masses in GeV, not {edges}.")
        if any(a >= b for a, b in itertools.pairwise(edges)):
            raise RegionError(f"Region edges must rise: sideband_low < low < high < sideband_high, not {edges}.")
        if self.sides not in SIDES:
            raise RegionError(f"sides = {self.sides!r} must be one of {', '.join(SIDES)}.")
        for side, name, edge in (("below", "sideband_high", "high"), ("above", "sideband_low", "low")):
            if self.sides == side and getattr(self, name) is not None:
                raise RegionError(
                    f"sides = {side!r} leaves no other sideband, but its outer edge {getattr(self, name):g} GeV is "
                    f"given ({name}). Leave it out: the window ends at {edge} = {getattr(self, edge):g} GeV."
                )
        object.__setattr__(self, "veto", _joined(self.veto))
        self._check_veto()

    @property
    def width(self) -> float:
        """Width of the signal window, GeV."""
        return self.high - self.low

    @property
    def centre(self) -> float:
        """Middle of the signal window, GeV."""
        return 0.5 * (self.low + self.high)

    @property
    def below(self) -> tuple[Pair, ...]:
        """The sideband below the window without the vetoes: rising pairs of edges in GeV, the first perhaps 0."""
        return () if self.sides == "above" else without_gaps((self.sideband_low or 0.0, self.low), self.veto)

    @property
    def above(self) -> tuple[Pair, ...]:
        """The sideband above the window without the vetoes: rising pairs of edges in GeV, the last perhaps infinite."""
        return () if self.sides == "below" else without_gaps((self.high, self.sideband_high or math.inf), self.veto)

    def signal(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) inside the window, low <= m < high."""
        return Interval(self.low, self.high)(mass)

    def lower(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) in the sideband below the window."""
        mass = np.asarray(mass)
        start = -math.inf if self.sideband_low is None else self.sideband_low
        return (mass >= start) & (mass < self.low) & ~self.vetoed(mass) & (self.sides != "above")

    def upper(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) in the sideband above the window."""
        mass = np.asarray(mass)
        stop = math.inf if self.sideband_high is None else self.sideband_high
        return (mass >= self.high) & (mass < stop) & ~self.vetoed(mass) & (self.sides != "below")

    def sideband(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) in either sideband."""
        return self.lower(mass) | self.upper(mass)

    def vetoed(self, mass: FloatArray) -> BoolArray:
        """Mask (N,) of the masses (N,) in a vetoed range."""
        mass = np.asarray(mass)
        inside = np.zeros(mass.shape, dtype=bool)
        for low, high in self.veto:
            inside |= (mass >= low) & (mass < high)
        return inside

    def validation_regions(self, *, fraction: float = 0.5, width: float | None = None) -> tuple[Interval, ...]:
        """The ranges of sideband nearest to the window, below and above, where a template can be tested on data.

        Each holds `width` GeV of sideband, or `fraction` times the window; vetoes inside of it do not count and make it
        longer. They stop at the outer edge of their sideband. There is one where there is one sideband.
        """
        wide = fraction * self.width if width is None else width
        if not (math.isfinite(wide) and wide > 0):
            raise RegionError(f"The width of the validation regions must be positive, not {wide} GeV.")
        found = []
        if self.below:
            start = -_reach([(-high, -low) for low, high in reversed(self.below)], wide)
            found.append(Interval(start, self.below[-1][1]))
        if self.above:
            found.append(Interval(self.above[0][0], _reach(self.above, wide)))
        return tuple(found)

    def sideband_intervals(self, edges: Iterable[Pair]) -> tuple[Interval, ...]:
        """Validation regions anywhere in the sidebands, from their edges in GeV, in rising order.

        Raises
        ------
        RegionError
            If there is none, one does not lie in a sideband or reaches into a veto, or two overlap.
        """
        made = tuple(sorted((Interval(*pair) for pair in edges), key=lambda interval: interval.low))
        if not made:
            raise RegionError("At least one validation region is needed.")
        for interval in made:
            if not any(low <= interval.low and interval.high <= high for low, high in self.below + self.above):
                raise RegionError(
                    f"The validation region {interval.low:g}–{interval.high:g} GeV does not lie in a sideband, "
                    f"for the {self}."
                )
        for one, other in itertools.pairwise(made):
            if other.low < one.high:
                raise RegionError(
                    f"The validation regions {one.low:g}–{one.high:g} and {other.low:g}–{other.high:g} GeV overlap."
                )
        return made

    def check(self, mass: FloatArray) -> None:
        """Refuse masses (N,) that leave the window or a sideband empty, or that are in a sideband and not positive.

        Raises
        ------
        EmptyRegionError
            With the counts, the window and the range of the masses.
        RegionError
            With the number of such masses and the first of them.
        """
        mass = np.asarray(mass)
        impossible = self.sideband(mass) & ~(mass > 0)
        if impossible.any():
            raise RegionError(
                f"{int(impossible.sum())} of {mass.size} masses are not positive; the first is "
                f"{mass[impossible][0]:g} GeV, for the {self}. Exclude these events in the selection, or mend the "
                "expression of the mass."
            )
        counts = {"signal window": int(np.count_nonzero(self.signal(mass)))}
        if self.sides != "above":
            counts = {"lower sideband": int(np.count_nonzero(self.lower(mass))), **counts}
        if self.sides != "below":
            counts["upper sideband"] = int(np.count_nonzero(self.upper(mass)))
        empty = [name for name, count in counts.items() if count == 0]
        if mass.size == 0:
            raise EmptyRegionError(f"No events at all for the {self}: check the selection and the input files.")
        if empty:
            listed = ", ".join(f"{count} in the {name}" for name, count in counts.items())
            raise EmptyRegionError(
                f"No events in the {' and the '.join(empty)}: {listed}, of {mass.size} events with masses from "
                f"{mass.min():.6g} to {mass.max():.6g} GeV, for the {self}. Move the window, widen the sidebands, "
                "check the unit of the mass, or declare that there is a sideband on one side alone (sides)."
            )

    def to_dict(self) -> dict[str, Any]:
        """The arguments that make an equal region, in JSON types; without vetoes and sides where they say nothing."""
        edges = {name: getattr(self, name) for name in ("low", "high", "sideband_low", "sideband_high")}
        veto = {"veto": [list(pair) for pair in self.veto]} if self.veto else {}
        return edges | veto | ({} if self.sides == "both" else {"sides": self.sides})

    def __str__(self) -> str:
        """The window and the sidebands in GeV, for messages and captions."""
        named = [
            f"{'start' if low == 0 else f'{low:g}'}–{'end' if high == math.inf else f'{high:g}'}"
            for low, high in self.below + self.above
        ]
        listed = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
        return f"window {self.low:g}–{self.high:g} GeV with sidebands {listed} GeV"

    def _check_veto(self) -> None:
        """Refuse vetoes that say nothing or too much."""
        for low, high in self.veto:
            if low < self.high and high > self.low:
                raise RegionError(
                    f"The veto {low:g}–{high:g} GeV reaches into the window {self.low:g}–{self.high:g} GeV. A veto "
                    "takes ranges out of the sidebands; move the window, or let the veto end at its edge."
                )
            start = self.high if self.sides == "above" else self.sideband_low or 0.0
            stop = self.low if self.sides == "below" else self.sideband_high or math.inf
            if high <= start or low >= stop:
                raise RegionError(
                    f"The veto {low:g}–{high:g} GeV lies in no sideband, so it takes nothing out. Remove it, or widen "
                    "the sidebands."
                )
        for side, other, left in (("below", "above", self.below), ("above", "below", self.above)):
            if self.sides != other and not left:
                listed = ", ".join(f"{low:g}–{high:g}" for low, high in self.veto)
                raise RegionError(
                    f"The veto {listed} GeV leaves nothing of the sideband {side} the window {self.low:g}–"
                    f"{self.high:g} GeV. Shorten it, or declare sides = {other!r} if there shall be no sideband {side}."
                )


def _joined(veto: Any) -> tuple[Pair, ...]:
    """Vetoes as rising pairs, overlapping and touching ones joined; one pair of numbers is one veto."""
    try:
        given = tuple(veto)
        pairs = [given] if len(given) == 2 and all(isinstance(edge, int | float) for edge in given) else given
        ranges = [Interval(float(low), float(high)) for low, high in pairs]
    except (TypeError, ValueError) as error:
        raise RegionError(f"veto = {veto!r} must be pairs of masses in GeV, such as [[2800, 2900]].") from error
    joined: list[Pair] = []
    for each in sorted(ranges, key=lambda each: each.low):
        if joined and each.low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], each.high))
        else:
            joined.append((each.low, each.high))
    return tuple(joined)


def _reach(stretches: Iterable[Pair], width: float) -> float:
    """Where `width` of rising stretches are full, or where the last of them ends."""
    end, left = 0.0, width
    for low, high in stretches:
        end = min(high, low + left)
        left -= end - low
        if left <= 0:
            break
    return end
