"""Whether the mass model predicts counts that it has not seen, in the window and in the sidebands.

What it predicts in the window is compared with what is there, in both directions, and with what its own sidebands
nearby predict. In the sidebands it is asked for regions that it is then fitted without, window included.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

from scipy import stats

from analysis.errors import AnalysisError
from analysis.events import FloatArray
from analysis.weights import sum_and_unit
from cathode.errors import CathodeError, MassModelError
from cathode.region import Interval, Region
from cathode.result import MassFitTest
from cathode.template.mass_models import MassModel

#: All tests of a search together fail by chance this often at most.
BY_CHANCE = 0.01

WINDOW, NEARBY, REGION = "window", "nearby sidebands", "validation region"

#: Sidebands within this factor in mass of the window, for the prediction of what is near.
NEAR = 1.3


def mass_fit_tests(
    fitted: MassModel, blank: MassModel, mass: FloatArray, weights: FloatArray, regions: Sequence[Interval]
) -> tuple[MassFitTest, ...]:
    """Tests of a fitted mass model; `blank` is the same before any fit, masses and weights (N,) are of all events.

    Where a fit is not possible, as in a region at the end of a sideband, there is no test, nor where the model itself
    began above a region.
    """
    region = fitted.region_
    first, last = getattr(fitted, "fit_range_", (0.0, math.inf))
    found = [_counted(WINDOW, fitted, Interval(region.low, region.high), mass, weights)]
    found += list(_nearby(fitted, blank, mass, weights))
    for interval in regions:
        if interval.low < first or interval.high > last:
            continue
        inner = _without(region, interval)
        other = None if inner is None else _fitted(blank, inner, mass, weights)
        if other is not None:
            found.append(_counted(REGION, other, interval, mass, weights))
    # Half of the chance for the window, half for all regions together.
    window = sum(each.what != REGION for each in found)
    return tuple(_decided(each, 2 * (len(found) - window if each.what == REGION else window)) for each in found)


def _counted(what: str, model: MassModel, interval: Interval, mass: FloatArray, weights: FloatArray) -> MassFitTest:
    inside = interval(mass)
    expected, error = model.expected(interval)
    observed, unit = sum_and_unit(weights[inside])
    # The variance that is expected, not that of the count: a deficit must not look more significant for being one.
    scale = math.hypot(math.sqrt(max(unit, 0.0)) * math.sqrt(max(expected, 0.0)), error)
    return _test(what, interval, expected, error, float(observed), scale)


def _nearby(fitted: MassModel, blank: MassModel, mass: FloatArray, weights: FloatArray) -> Iterator[MassFitTest]:
    """The same window, predicted by what is near it.

    Both fits share events, so the difference has at most the larger of the errors.
    """
    region = fitted.region_
    low = max(region.low / NEAR, region.sideband_low or 0.0)
    high = min(region.high * NEAR, region.sideband_high or math.inf)
    near = _region(region, low=region.low, high=region.high, sideband_low=low, sideband_high=high)
    other = None if near is None else _fitted(blank, near, mass, weights)
    if other is None:
        return
    (all_events, all_error), (events, error) = fitted.expected(), other.expected()
    scale = max(error, all_error)
    yield _test(NEARBY, Interval(region.low, region.high), all_events, all_error, float(events), scale)


def _test(what: str, interval: Interval, expected: float, error: float, observed: float, scale: float) -> MassFitTest:
    pull = (observed - expected) / scale if scale > 0 else 0.0
    return MassFitTest(what, interval.low, interval.high, expected, error, observed, pull, True)


def _decided(test: MassFitTest, tests: int) -> MassFitTest:
    p_value = 2 * float(stats.norm.sf(abs(test.pull)))
    return MassFitTest(**{**vars(test), "passed": 1 - (1 - p_value) ** tests >= BY_CHANCE})


def _without(region: Region, interval: Interval) -> Region | None:
    """The region as window; the window of the search, which may hold a signal, is vetoed."""
    window = (region.low, region.high)
    return _region(region, low=interval.low, high=interval.high, veto=(*region.veto, window))


def _region(region: Region, **changes: object) -> Region | None:
    settings = {
        "sideband_low": region.sideband_low,
        "sideband_high": region.sideband_high,
        "veto": region.veto,
        "sides": region.sides,
        **changes,
    }
    try:
        return Region(**settings)  # type: ignore[arg-type]
    except CathodeError:
        return None


def _fitted(blank: MassModel, region: Region, mass: FloatArray, weights: FloatArray) -> MassModel | None:
    beside = region.sideband(mass)
    try:
        return copy.deepcopy(blank).fit(mass[beside], region, weights=weights[beside])
    except (MassModelError, AnalysisError):
        return None
