"""The page of a scan: p-values and limits against mass, and a page of every window behind them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.atomic import write_text
from analysis.printing import number, p_value, sigma
from analysis.tasks import Executor, Status, Task, TaskFolder, resume, task
from cathode.report.page import FIGURES, write_report
from cathode.report.template import Picture, pictured, rendered
from cathode.runtime.progress import Progress, each_of
from cathode.scans.limits import SignalLimit, signal_limits, window_limits
from cathode.scans.result import Scan, Series, Window
from cathode.scans.scanning import runs_of
from cathode.scans.searching import RUN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "scan.html"
#: Folder of the tasks that draw pages of windows.
PAGES = "pages"
#: Method, signal, injected events and edges of a window.
Key = tuple[str, str, int, float, float]


@dataclass(frozen=True)
class Row:
    """A window in the words of the page, with the address of its own one, if there is."""

    window: str
    cells: tuple[str, ...]
    validation: str
    link: str


def write_window_pages(folder: Path | str, by: Executor, *, progress: Progress | None = None) -> Status:
    """Draw the pages of all runs of a scan that have none; what fails is in the status, and the others are drawn."""
    place = Path(folder)
    runs = [path / RUN for _, path in runs_of(place) if (path / RUN).is_dir()]
    todo = [Task.of(window_page, run=str(run.resolve())) for run in runs if not (run / "report.html").exists()]
    # What was drawn once may have been removed since.
    shutil.rmtree(place / PAGES, ignore_errors=True)
    tasks = TaskFolder.planned(place / PAGES, todo)
    return resume(tasks, by, finished=each_of(progress, "pages", len(todo)))


@task
def window_page(place: Path, *, run: str) -> dict[str, str]:
    """Draw the page of a run."""
    del place
    return {"page": str(write_report(Path(run)))}


def write_scan_report(scan: Scan, folder: Path | str) -> Path:
    """Write scan.html and `figures/scan_*.png`; returns the path of the page."""
    folder = Path(folder)
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    pictures = [
        pictured(folder / FIGURES, name, "figures", caption, figure, wide=True)
        for name, caption, figure in figures(scan)
    ]
    links = dict(_links(folder))
    write_text(folder / PAGE, page(scan, pictures, links))
    return folder / PAGE


def figures(scan: Scan) -> Iterator[tuple[str, str, Figure]]:
    """Name, caption and figure."""
    from analysis.plots.scan import Scanned, limits_by_mass, p_values_by_mass

    drawn: dict[tuple[str, int], list[Series]] = {}
    for series in scan.series:
        drawn.setdefault((series.signal, series.injected), []).append(series)
    for (signal, injected), group in drawn.items():
        where = f" with {injected:,} events of {signal} injected" if injected else ""
        yield (
            f"scan_p_{signal}_{injected}" if injected else "scan_p",
            f"Local p-value of every window{where}, of the cut that was listed first. Hollow points are of windows "
            "whose validation does not support a claim.",
            p_values_by_mass(
                [
                    Scanned(
                        each.method,
                        np.array([(w.low, w.high) for w in each.windows]),
                        np.array([w.p_value for w in each.windows]),
                        np.array([w.validation == "passed" for w in each.windows]),
                    )
                    for each in group
                ]
            ),
        )
    for method in scan.methods:
        limits = list(window_limits(scan, method))
        if limits:
            yield (
                f"scan_limit_{method}",
                f"{method}: upper limit at 95 % CL on events that pass the cut at {scan.efficiency(method):g}, window "
                "by window. A signal is excluded if more of it passes.",
                limits_by_mass(
                    np.array([0.5 * (each.low + each.high) for each in limits]),
                    np.array([each.observed for each in limits]),
                    np.array([each.expected for each in limits]),
                    label="Limit on events that pass",
                ),
            )
    yield from _of_signals(scan)


def _of_signals(scan: Scan) -> Iterator[tuple[str, str, Figure]]:
    """Limits on the signals, where there are several masses to draw them against."""
    from analysis.plots.scan import limits_by_mass

    every = signal_limits(scan)
    for method in scan.methods:
        found = [each for each in every if each.method == method and each.limit is not None]
        if len(found) > 1:
            yield (
                f"scan_signals_{method}",
                f"{method}: upper limit at 95 % CL on events of each signal before the cut, in the middle of the "
                "window that expects the strictest one.",
                limits_by_mass(
                    np.array([0.5 * (each.low + each.high) for each in found]),
                    np.array([each.limit.observed for each in found if each.limit is not None]),
                    np.array([each.limit.expected for each in found if each.limit is not None]),
                    label="Limit on signal events",
                ),
            )


def page(scan: Scan, pictures: list[Picture], links: dict[Key, str]) -> str:
    """The page as text; links lead to pages of windows."""
    return rendered(
        "scan.html",
        scan=scan,
        headline=headline(scan),
        worth=[(named(each), f"{scan.efficiency(each.method):g}", *worth(each)) for each in scan.series],
        series=[(named(each), [_row(each, window, links) for window in each.windows]) for each in scan.series],
        limits=[_limit(each) for each in signal_limits(scan)],
        pictures=pictures,
    )


def headline(scan: Scan) -> str:
    """The conclusion of the data in one sentence, of the method that was listed first."""
    said = f"Quick trial, no result: {_headline(scan)}" if scan.quick else _headline(scan)
    left_out = scan.unfinished_experiments
    return f"{said} {left_out} background-only experiments lack windows and are not counted." if left_out else said


def _headline(scan: Scan) -> str:
    first = next((each for each in scan.series if not each.injected), None)
    if first is None or first.peak is None or first.global_p is None:
        return "No window has a significance."
    peak, p = first.peak, first.global_p
    where = f"{peak.low:g}–{peak.high:g} GeV"
    if peak.validation != "passed":
        return (
            f"Largest local significance in {where} ({sigma(peak.significance)}); nothing is claimed, because its "
            "validation did not pass."
        )
    return (
        f"Largest local significance in {where}, {sigma(peak.significance)}: global p {_bound(p.by_toys is None)}"
        f"{p_value(p.quoted)} of {p.windows} windows{f' in each of {p.spectra} spectra' if p.spectra > 1 else ''}."
    )


def worth(series: Series) -> tuple[str, ...]:
    """Peak, its local significance and validation, and its global p-value by windows, crossings and experiments."""
    peak, p = series.peak, series.global_p
    if peak is None or p is None:
        return ("–",) * 6
    crossings = "–" if p.by_crossings is None else f"{p_value(p.by_crossings)} ± {p.crossings_error:.1g}"
    toys = "–"
    if p.by_toys is not None:
        toys = f"{p_value(p.by_toys)} ± {p.toys_error:.1g} (resolution {p.resolution:.2g})"
    return (
        f"{peak.low:g}–{peak.high:g}",
        sigma(peak.significance),
        peak.validation,
        "–" if p.by_windows is None else f"≤ {p_value(p.by_windows)} ({p.windows} windows)",
        crossings,
        toys,
    )


def _bound(is_bound: bool) -> str:
    return "at most " if is_bound else ""


def named(series: Series) -> str:
    """What a series is called: its method, and what is injected."""
    return f"{series.method}, {series.injected:,} events of {series.signal}" if series.injected else series.method


def _row(series: Series, window: Window, links: dict[Key, str]) -> Row:
    shown = "–" if math.isnan(window.significance) else sigma(window.significance, window.spread or None)
    cells = (
        str(window.searches),
        number(window.observed) if window.searches else "–",
        f"{number(window.expected)} ± {number(window.error)}" if math.isfinite(window.expected) else "–",
        "–" if math.isnan(window.p_value) else p_value(window.p_value),
        shown if window.validation == "passed" or math.isnan(window.significance) else f"({shown})",
    )
    validation = window.validation if not window.obstacle else window.obstacle
    link = links.get((series.method, series.signal, series.injected, window.low, window.high), "")
    return Row(f"{window.low:g}–{window.high:g}", cells, validation, link)


def _limit(each: SignalLimit) -> tuple[str, ...]:
    if each.limit is None:
        return each.method, each.signal, "–", "–", "–", each.reason
    _, low, median, high, _ = each.limit.expected
    return (
        each.method,
        each.signal,
        f"{each.low:g}–{each.high:g}",
        number(each.limit.observed),
        f"{number(median)} ({number(low)}–{number(high)})",
        "",
    )


def _links(folder: Path) -> Iterator[tuple[Key, str]]:
    for asked, place in runs_of(folder):
        drawn = place / RUN / "report.html"
        if drawn.is_file():
            key = (asked.method, asked.signal, asked.injected, asked.low, asked.high)
            yield key, drawn.relative_to(folder).as_posix()
