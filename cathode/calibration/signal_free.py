"""Windows beside that of a search, in which the same search should find nothing."""

from __future__ import annotations

import math
from itertools import chain, zip_longest

from analysis.events import FloatArray
from cathode.errors import CalibrationError
from cathode.region import Region

#: Events that a window needs, and that have to lie in the sideband beyond it.
LEAST = 500


def signal_free_regions(region: Region, mass: FloatArray, *, windows: int, least: int = LEAST) -> tuple[Region, ...]:
    """At most so many windows of the same relative width, the nearest to the chosen one, in rising order.

    The first of each side is half a window away from it, so that a resonance there leaves little in them. The chosen
    window is a veto in all: its events are in no sideband. Windows that reach into a veto of the analysis are left out.

    Raises
    ------
    CalibrationError
        If events of masses (N,) in GeV do not allow one.
    """
    sides = [
        [each for number in range(windows) if (each := _beside(region, mass, number, below, least)) is not None]
        for below in (True, False)
        if region.sides in ("both", "below" if below else "above")
    ]
    nearest = [each for each in chain.from_iterable(zip_longest(*sides)) if each is not None][:windows]
    if not nearest:
        raise CalibrationError(
            f"Beside the {region} there is no window of the same relative width with {least:,} events in it and "
            f"{least:,} events beyond it. Widen the sidebands, or read more events."
        )
    return tuple(sorted(nearest, key=lambda each: each.low))


def _beside(region: Region, mass: FloatArray, number: int, below: bool, least: int) -> Region | None:
    """The window of this number on one side, from 0, if there are enough events."""
    step = math.log(region.high / region.low)
    near = step * (number + 0.5)
    if below:
        low, high = region.low * math.exp(-near - step), region.low * math.exp(-near)
    else:
        low, high = region.high * math.exp(near), region.high * math.exp(near + step)
    low, high = (float(f"{edge:.4g}") for edge in (low, high))
    outer = region.sideband_low if below else region.sideband_high
    if outer is not None and not (low > outer if below else high < outer):
        return None
    if any(a < high and b > low for a, b in region.veto):
        return None
    of_side = region.lower(mass) if below else region.upper(mass)
    beyond = of_side & ((mass < low) if below else (mass >= high))
    inside = of_side & (mass >= low) & (mass < high)
    # A search from one sideband alone has none beyond its window.
    outward = region.sides == "both" or (region.sides == "below") == below
    if inside.sum() < least or (outward and beyond.sum() < least):
        return None
    chosen = ((region.low, region.high),) if region.sides == "both" else ()
    return Region(low, high, region.sideband_low, region.sideband_high, (*region.veto, *chosen), region.sides)
