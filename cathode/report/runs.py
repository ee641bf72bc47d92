"""The page of several runs: tables beside each other, spectra after the cut, and what differs in their settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.atomic import write_text
from analysis.outputs import check_output_file
from analysis.printing import number
from cathode.diagnostics import Diagnostics
from cathode.products import DIAGNOSTICS
from cathode.report.template import Picture, drawn, rendered
from cathode.runs.comparing import RunComparison, cut_at
from cathode.runtime.run_folder import RESULT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cathode.runtime.progress import Progress


def write_run_comparison(comparison: RunComparison, page: Path | str, *, progress: Progress | None = None) -> Path:
    """Write one HTML page of several runs that needs nothing but itself; returns its path.

    Raises
    ------
    OutputError
        If the page can not be written there, or would take the place of a part of a run.
    RunFolderError
        If the arrays of a run are damaged; where there are none, there is no spectrum of it.
    """
    page = Path(page)
    check_output_file(page, inputs=[run.folder / RESULT for run in comparison.runs])
    pictures = []
    for index, name in enumerate(comparison.names):
        if progress is not None:
            progress("comparison", index, len(comparison.names) + 1, name)
        pictures += list(_spectrum(comparison, index))
    pictures += [drawn(name, "ratio", caption, figure) for name, caption, figure in figures(comparison)]
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, render(comparison, pictures))
    if progress is not None:
        progress("comparison", 1, 1)
    return page


def figures(comparison: RunComparison) -> Iterator[tuple[str, str, Figure]]:
    """Name, caption and figure of observed over expected, run by run, for every cut."""
    from analysis.plots.methods import one_number_each

    for number_of, (efficiency, _) in enumerate(comparison.cuts()):
        found = {}
        for name, result in zip(comparison.names, comparison.results, strict=True):
            cut = cut_at(result, efficiency)
            if cut is not None and np.isfinite(cut.expected) and cut.expected > 0:
                error = np.hypot(np.sqrt(max(cut.observed, 1.0)), cut.uncertainty * cut.observed / cut.expected)
                found[name] = (cut.observed / cut.expected, float(error / cut.expected))
        if found:
            yield (
                f"ratio_{number_of}",
                f"Observed over expected events after the cut at background efficiency {efficiency:g}; bars are the "
                "error of the count and all errors of the expectation.",
                one_number_each(found, label="Observed / expected", reference=1.0),
            )


def _spectrum(comparison: RunComparison, index: int) -> Iterator[Picture]:
    from cathode.report.figures import spectrum

    run, name = comparison.runs[index], comparison.names[index]
    stored = run.folder / DIAGNOSTICS
    plate = spectrum(run.result, Diagnostics.load(stored)) if stored.exists() else None
    if plate is not None:
        cuts = ", ".join(
            f"{number(cut.observed)} observed and {number(cut.expected)} expected at {cut.background_efficiency:g}"
            for cut in run.result.cuts
        )
        yield drawn(f"spectrum_{index}", "spectrum", f"{name}: {cuts}.", plate.figure, alt=f"{name}. {plate.alt}")


def render(comparison: RunComparison, pictures: list[Picture]) -> str:
    """The page as text."""
    return rendered(
        "runs.html",
        comparison=comparison,
        headline=f"{len(comparison.runs)} runs beside each other",
        spectra=[each for each in pictures if each.section == "spectrum"],
        ratios=[each for each in pictures if each.section == "ratio"],
    )
