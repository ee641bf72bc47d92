"""`Scan`: what all searches of a scan found, window by window, and what the most significant window is worth."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from analysis.inference.look_elsewhere import GlobalPValue, of_one_scan
from analysis.printing import html_table, number, p_value, sigma
from analysis.statistics.p_values import z_to_p
from cathode.result import worst
from cathode.runtime.documents import Document
from cathode.scans.measured import Asked, WindowCut, WindowSearch

#: Background-only experiments from which on they are counted.
FEWEST = 2
#: Columns of the table that are not those of a question, of a cut, or the efficiency of it.
_OF_SEARCH = ("events", "inside", "spectrum", "spectrum_error", "closure", "closure_error", "validation")


@dataclass(frozen=True)
class Window:
    """One window of a series: means over the searches of several seeds, of one cut.

    `spread` is the standard deviation of the significance over seeds, 0 of one, and `per_event` the weight that
    fluctuates like one event. What no search found is NaN. The mean
    of several significances of one spectrum scatters by at most 1: its p-value is rather too large than too small.
    """

    low: float
    high: float
    searches: int
    observed: float
    expected: float
    error: float
    significance: float
    spread: float
    validation: str
    obstacle: str
    per_event: float = 1.0

    @property
    def centre(self) -> float:
        """Middle of the window, GeV."""
        return 0.5 * (self.low + self.high)

    @property
    def p_value(self) -> float:
        """Local p-value of the mean significance."""
        return float(z_to_p(self.significance)) if math.isfinite(self.significance) else math.nan


@dataclass(frozen=True)
class Series:
    """All windows that one method searched in the same data, by rising mass, and what the largest excess is worth."""

    method: str
    signal: str
    injected: int
    experiment: int
    windows: tuple[Window, ...]
    global_p: GlobalPValue | None = None

    @property
    def peak(self) -> Window | None:
        """The most significant window, if any has a significance."""
        known = [each for each in self.windows if math.isfinite(each.significance)]
        return max(known, key=lambda each: each.significance, default=None)

    @property
    def complete(self) -> bool:
        """Whether every window was searched, with a significance or with a reason why there is none."""
        return all(each.searches for each in self.windows)

    @property
    def significances(self) -> np.ndarray:
        """Of all windows, (M,)."""
        return np.array([each.significance for each in self.windows])


@dataclass(frozen=True)
class Scan(Document):
    """All searches in the order of the plan, all windows that were looked at, and errors by text with their number.

    `spectra` is the number of independent spectra of which this is one: global p-values have the price of all.
    """

    schema_version: ClassVar[int] = 1
    derived: ClassVar[tuple[str, ...]] = ("summary",)

    windows: tuple[tuple[float, float], ...]
    searches: tuple[WindowSearch, ...]
    failures: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    spectra: int = 1

    @property
    def quick(self) -> bool:
        """Whether any search was a cheap trial."""
        return any(each.quick for each in self.searches)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names in the order of the plan."""
        return tuple(dict.fromkeys(each.asked.method for each in self.searches))

    def efficiency(self, method: str) -> float:
        """Background efficiency of the cut of a method that was listed first, which is the one that is quoted."""
        return next(next(iter(each.cuts)) for each in self.searches if each.asked.method == method)

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """One for every method and data with or without injected events; background-only experiments are in none."""
        return tuple(self._series(*key) for key in self._data() if not key[-1])

    @property
    def unfinished_experiments(self) -> int:
        """Background-only experiments of which some windows were not searched: they are not counted."""
        return sum(not self._series(*key).complete for key in self._data() if key[-1])

    @property
    def summary(self) -> list[dict[str, Any]]:
        """The most significant window of every series with its local and global p-values, as plain numbers."""
        return [_told(series) for series in self.series]

    def __repr__(self) -> str:
        return f"<Scan: {len(self.searches)} searches in {len(self.windows)} windows by {', '.join(self.methods)}>"

    def _repr_html_(self) -> str:
        """A table for notebooks: every window of every series."""
        header = ("", "window, GeV", "observed", "expected", "p", "local", "validation")
        rows = [
            (
                f"{series.method}, {series.injected:,} events of {series.signal}" if series.injected else series.method,
                f"{w.low:g}–{w.high:g}",
                number(w.observed),
                f"{number(w.expected)} ± {number(w.error)}",
                p_value(w.p_value),
                w.obstacle or sigma(w.significance, w.spread or None),
                w.validation,
            )
            for series in self.series
            for w in series.windows
        ]
        return html_table(repr(self)[1:-1], header, rows)

    def table(self) -> str:
        """Every cut of every search as CSV, numbers to the last bit."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        asked = [each.name for each in fields(Asked)]
        writer.writerow([*asked, *_OF_SEARCH, "background_efficiency", *(each.name for each in fields(WindowCut))])
        for search in self.searches:
            own = (
                search.events,
                search.inside,
                *map(float, (*search.spectrum, *search.closure)),
                search.validation,
            )
            for efficiency, cut in search.cuts.items():
                writer.writerow([*astuple(search.asked), *own, efficiency, *astuple(cut)])
        return text.getvalue()

    @cached_property
    def _by_question(self) -> dict[tuple[float, float, str, str, int, int], list[WindowSearch]]:
        """Searches that differ by their seed alone."""
        found: dict[tuple[float, float, str, str, int, int], list[WindowSearch]] = {}
        for each in self.searches:
            asked = each.asked
            key = (asked.low, asked.high, asked.method, asked.signal, asked.injected, asked.experiment)
            found.setdefault(key, []).append(each)
        return found

    def _data(self) -> list[tuple[str, str, int, int]]:
        """Method, signal, injected events and experiment of every series."""
        asked = (each.asked for each in self.searches)
        return list(dict.fromkeys((each.method, each.signal, each.injected, each.experiment) for each in asked))

    def _series(self, method: str, signal: str, injected: int, experiment: int) -> Series:
        windows = tuple(self._window(*edges, method, signal, injected, experiment) for edges in self.windows)
        found = Series(method, signal, injected, experiment, windows)
        if experiment or found.peak is None:
            return found
        worth = of_one_scan(found.significances, self._experiments.get(method), spectra=self.spectra)
        return replace(found, global_p=worth)

    @cached_property
    def _experiments(self) -> dict[str, np.ndarray]:
        """Significances of background-only experiments by method, (T, M), where there are enough of them.

        Those of which all windows were searched: the largest of few windows is smaller than that of all.
        """
        keys = [key for key in self._data() if key[-1]]
        whole = [series for key in keys if (series := self._series(*key)).complete]
        found = {name: [series.significances for series in whole if series.method == name] for name in self.methods}
        return {name: np.stack(scans) for name, scans in found.items() if len(scans) >= FEWEST}

    def _window(self, low: float, high: float, method: str, signal: str, injected: int, experiment: int) -> Window:
        searches = self._by_question.get((low, high, method, signal, injected, experiment), [])
        # The cut that was listed first; never the best one, which would be a choice after looking.
        cuts = [next(iter(each.cuts.values())) for each in searches]
        significances = [cut.significance for cut in cuts if math.isfinite(cut.significance) and not cut.obstacle]
        return Window(
            low,
            high,
            len(searches),
            _mean(cuts, lambda cut: cut.observed),
            _mean(cuts, lambda cut: cut.expected),
            _mean(cuts, lambda cut: cut.error),
            float(np.mean(significances)) if significances else math.nan,
            float(np.std(significances, ddof=1)) if len(significances) > 1 else 0.0,
            worst(each.validation for each in searches),
            next((cut.obstacle for cut in cuts if cut.obstacle), "" if cuts else "no search was done"),
            _mean(cuts, lambda cut: cut.per_event),
        )


def _mean(cuts: list[WindowCut], quantity: Callable[[WindowCut], float]) -> float:
    values = [value for cut in cuts if math.isfinite(value := quantity(cut))]
    return float(np.mean(values)) if values else math.nan


def _told(series: Series) -> dict[str, Any]:
    peak, worth = series.peak, series.global_p
    told: dict[str, Any] = {"method": series.method, "signal": series.signal, "injected": series.injected}
    if peak is None or worth is None:
        return {**told, "windows": len(series.windows), "peak": None}
    return {
        **told,
        "peak": [peak.low, peak.high],
        "local_significance": peak.significance,
        "validation": peak.validation,
        **dict(_of_global(worth)),
    }


def _of_global(worth: GlobalPValue) -> Iterator[tuple[str, Any]]:
    for each in fields(worth):
        yield each.name, getattr(worth, each.name)
    yield "global_p", worth.quoted
    yield "global_significance", worth.significance
