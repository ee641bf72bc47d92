"""Upper limits of a scan: on what passes the cut in every window, and on injected signals before it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.errors import CountingError
from analysis.inference.counting_model import CountingModel
from analysis.inference.limits import asymptotic_limit
from cathode.errors import InjectionError
from cathode.injection.experiments import CutFound, Injection
from cathode.injection.limit import InjectedLimit, injected_limit
from cathode.scans.measured import WindowSearch
from cathode.scans.result import Scan, Window


@dataclass(frozen=True)
class WindowLimit:
    """CLs limit at 95 % on signal events that pass the cut in a window; expected at −2 … 2 standard deviations.

    In weighted data these are events of the weight Σw²/Σw.
    """

    low: float
    high: float
    observed: float
    expected: tuple[float, ...]


@dataclass(frozen=True)
class SignalLimit:
    """The limit on a signal in the window that expects the strictest one, or why there is none."""

    method: str
    signal: str
    low: float = math.nan
    high: float = math.nan
    limit: InjectedLimit | None = None
    reason: str = ""


def window_limits(scan: Scan, method: str) -> Iterator[WindowLimit]:
    """Of the data, in every window where one can be given; any signal with these masses is limited by them."""
    for series in scan.series:
        if series.method == method and not series.injected:
            yield from (limit for window in series.windows if (limit := _of_window(window)) is not None)


def signal_limits(scan: Scan) -> tuple[SignalLimit, ...]:
    """Of every method on every signal that was injected."""
    names = dict.fromkeys((each.asked.method, each.asked.signal) for each in scan.searches if each.asked.injected)
    return tuple(_strictest(scan, method, signal) for method, signal in names)


def _of_window(window: Window) -> WindowLimit | None:
    if window.obstacle:
        return None
    try:
        counts = (each / window.per_event for each in (window.observed, window.expected, window.error))
        found = asymptotic_limit(CountingModel(*counts))
    except CountingError:
        return None
    return WindowLimit(window.low, window.high, found.observed, found.expected)


def _strictest(scan: Scan, method: str, signal: str) -> SignalLimit:
    efficiency = scan.efficiency(method)
    found: list[SignalLimit] = []
    reasons: dict[str, int] = {}
    for low, high in scan.windows:
        here = [
            each
            for each in scan.searches
            if (each.asked.low, each.asked.high, each.asked.method) == (low, high, method)
            and each.asked.signal in ("", signal)
            and not each.asked.experiment
        ]
        if any(each.cuts[efficiency].obstacle for each in here):
            reasons[f"no significance can be computed in {low:g}–{high:g} GeV"] = sum(each.inside for each in here)
            continue
        try:
            limit = injected_limit([_injection(each) for each in here], efficiency)
        except (InjectionError, CountingError) as error:
            reasons[str(error)] = sum(each.inside for each in here)
        else:
            found.append(SignalLimit(method, signal, low, high, limit))
    if not found:
        # Of the window that had most of the signal.
        return SignalLimit(method, signal, reason=max(reasons, key=lambda each: reasons[each]))
    return min(found, key=lambda each: each.limit.expected[2] if each.limit is not None else math.inf)


def _injection(search: WindowSearch) -> Injection:
    """As `cathode inject` keeps it."""
    cuts = {
        efficiency: CutFound(
            cut.observed, cut.expected, cut.error, cut.significance, cut.passing, cut.per_event, cut.obstacle
        )
        for efficiency, cut in search.cuts.items()
    }
    asked = search.asked
    window = float(search.events) if search.observed is None else search.observed
    found = (search.inside, window, search.spectrum, cuts, search.weight, search.validation)
    return Injection(asked.injected, asked.seed, *found)
