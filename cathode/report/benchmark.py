"""The page of a benchmark: the table of its methods, and figures of how they follow the signal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.atomic import write_text
from analysis.metrics.sic_and_auc import FLOOR
from analysis.plots.methods import Points, against_cut, against_strength, one_number_each
from cathode.benchmark.measured import Measured
from cathode.benchmark.result import DISCOVERY, Benchmark, Mean, mean_of
from cathode.report.page import FIGURES
from cathode.report.template import Picture, pictured, rendered

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "benchmark.html"
#: Methods in one figure of curves.
_CURVES = 8
_LEVELS = ((0.0, ""), (DISCOVERY, "5 σ"))

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
    """Name, caption and figure; curves of at most so many methods as can be told apart."""
    for signal in benchmark.signals:
        for number, methods in enumerate(_together(benchmark.methods)):
            part = f"_{number}" if number else ""
            for name, caption, figure in _of_signal(benchmark, signal, methods):
                yield f"{name}_{signal}{part}", caption, figure
    for number, methods in enumerate(_together(benchmark.methods)):
        yield from _sculpted(benchmark, methods, f"_{number}" if number else "")
    yield from _of_methods(benchmark)


def _together(methods: Sequence[str]) -> list[Sequence[str]]:
    return [methods[start : start + _CURVES] for start in range(0, len(methods), _CURVES)]


def _of_signal(benchmark: Benchmark, signal: str, methods: Sequence[str]) -> Iterator[tuple[str, str, Figure]]:
    """Curves of these methods for one signal."""
    first = benchmark.efficiencies[0]
    where = f", {signal}" if len(benchmark.signals) > 1 else ""
    for name, caption, quantity, label, levels in (
        (
            "benchmark_sic",
            f"Largest significance improvement against the strength of the signal{where}.",
            lambda each: each.max_sic,
            "Largest significance improvement",
            ((1.0, "random"),),
        ),
        (
            "benchmark_sic_at_1e-3",
            f"Significance improvement at a background efficiency of 10⁻³{where}.",
            lambda each: each.sic.get(1e-3, math.nan),
            "Significance improvement at 10⁻³",
            ((1.0, "no cut"),),
        ),
        (
            "benchmark_z",
            f"Quoted significance of the cut at {first:g}, signed and with all errors{where}.",
            lambda each: each.cuts[first].significance,
            "Significance [σ]",
            _LEVELS,
        ),
    ):
        points = _by_strength(benchmark, signal, methods, quantity)
        if points:
            yield name, caption, against_strength(points, label=label, reference=levels)
    points = _by_cut(benchmark, methods, _improvement, signal=signal, strength=max(benchmark.strengths))
    if points:
        yield (
            "benchmark_cuts",
            f"Significance improvement against the cut at the largest strength{where}: mean over seeds and its error. "
            f"Beyond the dashed line fewer than {FLOOR:g} background events are left.",
            against_cut(
                points,
                label="Significance improvement",
                reference=((1.0, "no cut"),),
                floor=FLOOR / max(each.events for each in benchmark.measured),
            ),
        )


def _sculpted(benchmark: Benchmark, methods: Sequence[str], part: str) -> Iterator[tuple[str, str, Figure]]:
    strength = 0.0 if 0.0 in benchmark.strengths else None
    points = _by_cut(benchmark, methods, lambda each, cut: each.cuts[cut].sculpting, strength=strength)
    if points:
        yield (
            f"benchmark_sculpting{part}",
            "χ²/ndf of the mass spectrum beside the window after a cut, against the one before it.",
            against_cut(points, label="χ²/ndf of the spectrum after the cut", reference=((1.0, "no sculpting"),)),
        )


def _of_methods(benchmark: Benchmark) -> Iterator[tuple[str, str, Figure]]:
    """One number of every method."""
    for key, label, perfect in (
        ("bias_1pct", "Observed over expected less one, without a signal", 0.0),
        ("closure_auc", "AUC of template against data in the validation regions", 0.5),
        ("sculpting_chi2_ndf", "χ²/ndf of the mass spectrum after the cut", 1.0),
        ("seconds", "CPU seconds of a search", None),
        ("peak_mb", "Largest memory of the process [MB]", None),
    ):
        found = {name: tuple(row[key]) for name, row in benchmark.summary()["methods"].items()}
        known = {name: value for name, value in found.items() if np.isfinite(value[0])}
        if known:
            yield f"benchmark_{key}", f"{label}, by method.", one_number_each(known, label=label, reference=perfect)


def _by_strength(
    benchmark: Benchmark, signal: str, methods: Sequence[str], quantity: Callable[[Measured], float]
) -> list[Points]:
    points = []
    for method in methods:
        strengths, found = benchmark.curve(method, signal, quantity)
        values, errors = (np.array([getattr(each, part) for each in found]) for part in ("value", "error"))
        if np.isfinite(values).any():
            points.append(Points(method, np.array(strengths), values, errors))
    return points


def _by_cut(
    benchmark: Benchmark,
    methods: Sequence[str],
    quantity: Callable[[Measured, float], float],
    *,
    signal: str | None = None,
    strength: float | None = None,
) -> list[Points]:
    """Means over searches at every cut; nothing of a method where a single cut is known, which makes no curve."""
    cuts, points = sorted(benchmark.efficiencies), []
    for method in methods:
        searches = benchmark.of(method, signal=signal, strength=strength)
        found = [mean_of(searches, partial(_at, quantity, cut)) for cut in cuts]
        known = [(cut, each.value, each.error) for cut, each in zip(cuts, found, strict=True) if each.number]
        if len(known) > 1:
            points.append(Points(method, *np.array(known).T))
    return points


def _at(quantity: Callable[[Measured, float], float], cut: float, each: Measured) -> float:
    return quantity(each, cut) if cut in each.cuts else math.nan


def _improvement(each: Measured, cut: float) -> float:
    return each.sic.get(cut, math.nan)


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
