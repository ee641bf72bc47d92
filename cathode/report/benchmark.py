"""The page of a benchmark: the table of its methods, and figures of how they follow the signal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.atomic import write_text
from cathode.benchmark.measured import Measured
from cathode.benchmark.result import DISCOVERY, Benchmark, Mean, mean_of
from cathode.report.page import FIGURES
from cathode.report.template import Picture, pictured, rendered

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "benchmark.html"

#: Columns of the table: title, what it says, key of the summary.
COLUMNS = (
    ("max SIC", "largest significance improvement, at the largest strength", "max_sic"),
    (
        "SIC at 10⁻³",
        "significance improvement at a background efficiency of 10⁻³, there as well",
        "sic_at_1e-3",
    ),
    ("Z", "signed significance of the first cut at the largest strength, with all errors", "significance"),
    ("bias", "observed over expected less one at 1 %, without a signal", "bias_1pct"),
    ("closure", "mean AUC of template against data in the validation regions", "closure_auc"),
    ("sculpting", "χ²/ndf of the mass spectrum after the first cut", "sculpting_chi2_ndf"),
    ("CPU s", "CPU seconds of a search, without what it found in the store", "seconds"),
    ("MB", "largest memory of the process", "peak_mb"),
)


def write_benchmark_report(benchmark: Benchmark, folder: Path | str) -> Path:
    """Write benchmark.html and `figures/benchmark_*.png`; returns the path of the page."""
    folder = Path(folder)
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    pictures = [
        pictured(folder / FIGURES, name, "figures", caption, figure) for name, caption, figure in figures(benchmark)
    ]
    write_text(folder / PAGE, page(benchmark, pictures))
    return folder / PAGE


def rows(benchmark: Benchmark) -> list[tuple[str, list[str]]]:
    """Name of a method and its cells, in the order of `COLUMNS`."""
    methods = benchmark.summary()["methods"]
    return [
        (name, [str(Mean(found[key][0], found[key][1], int(np.isfinite(found[key][0])))) for _, _, key in COLUMNS])
        for name, found in methods.items()
    ]


def figures(benchmark: Benchmark) -> Iterator[tuple[str, str, Figure]]:
    """Name, caption and figure."""
    from analysis.plots.methods import one_number_each

    first = benchmark.efficiencies[0]
    for signal in benchmark.signals:
        where = f", {signal}" if len(benchmark.signals) > 1 else ""
        yield (
            f"benchmark_sic_{signal}",
            f"Largest significance improvement against the strength of the signal{where}.",
            _curves(
                benchmark, signal, lambda each: each.max_sic, "Largest significance improvement", ((1.0, "random"),)
            ),
        )
        yield (
            f"benchmark_z_{signal}",
            f"Quoted significance of the cut at {first:g}, signed and with all errors{where}.",
            _curves(benchmark, signal, lambda each: each.cuts[first].significance, "Significance [σ]", _LEVELS),
        )
    for key, label, perfect in (
        ("bias_1pct", "Observed over expected less one, without a signal", 0.0),
        ("sculpting_chi2_ndf", "χ²/ndf of the mass spectrum after the cut", 1.0),
        ("seconds", "CPU seconds of a search", None),
    ):
        found = {name: tuple(row[key]) for name, row in benchmark.summary()["methods"].items()}
        known = {name: value for name, value in found.items() if np.isfinite(value[0])}
        if known:
            yield f"benchmark_{key}", f"{label}, by method.", one_number_each(known, label=label, reference=perfect)


_LEVELS = ((0.0, ""), (DISCOVERY, "5 σ"))


def _curves(
    benchmark: Benchmark,
    signal: str,
    quantity: Callable[[Measured], float],
    label: str,
    levels: tuple[tuple[float, str], ...],
) -> Figure:
    from analysis.plots.methods import Points, against_strength

    points = []
    for method in benchmark.methods:
        strengths, found = benchmark.curve(method, signal, quantity)
        values, errors = (np.array([getattr(each, part) for each in found]) for part in ("value", "error"))
        if np.isfinite(values).any():
            points.append(Points(method, np.array(strengths), values, errors))
    figure: Figure = against_strength(points, label=label, reference=levels)
    return figure


def page(benchmark: Benchmark, pictures: list[Picture]) -> str:
    """The page as text."""
    searches = len({(each.signal, each.strength, each.seed) for each in benchmark.measured})
    return rendered(
        "benchmark.html",
        b=benchmark,
        headline=f"{len(benchmark.methods)} methods in {searches} data sets each",
        columns=COLUMNS,
        rows=rows(benchmark),
        reach=reach(benchmark),
        validated=validated(benchmark),
        pictures=pictures,
    )


def reach(benchmark: Benchmark) -> list[tuple[str, list[str]]]:
    """Name of a method, and by signal the S/√B from which on its first cut has five standard deviations."""
    first = benchmark.efficiencies[0]
    found = []
    for method in benchmark.methods:
        values = [benchmark.reach(method, signal, first) for signal in benchmark.signals]
        found.append((method, ["not reached" if value is None else f"{value:.2f}" for value in values]))
    return found


def validated(benchmark: Benchmark) -> list[tuple[str, str]]:
    """Name of a method, and in how many of its searches validation passed."""
    found = []
    for method in benchmark.methods:
        searches = benchmark.of(method)
        passed = mean_of(searches, lambda each: float(each.validation == "passed")).value
        found.append((method, f"{round(passed * len(searches))} of {len(searches)}"))
    return found
