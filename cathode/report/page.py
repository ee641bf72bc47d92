"""From a run folder to one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.atomic import atomic_path, write_text
from analysis.outputs import check_output_folder, refuse_links_out
from analysis.printing import number, p_value, sigma
from cathode.diagnostics import Diagnostics
from cathode.errors import ConfigError
from cathode.report import words
from cathode.report.candidates import Candidate, top_candidates
from cathode.report.template import Picture, pictured, rendered
from cathode.result import SearchResult, TruthEvaluation
from cathode.runs.citations import papers
from cathode.runtime.lock import alone_in
from cathode.validation import claims

if TYPE_CHECKING:
    from cathode.report.figures import Plate
    from cathode.runtime.progress import Progress

FIGURES = "figures"
FORMATS = ("png", "pdf", "svg")


def write_report(folder: Path | str, *, formats: Sequence[str] = ("png",), progress: Progress | None = None) -> Path:
    """Draw `figures/` of a run folder in all `formats` and write `report.html`; returns the path of the page.

    The page shows the "png"; "pdf" and "svg" are for publications, and take longer than all the rest.

    Raises
    ------
    ResultError
        If `result.json` is missing or unreadable.
    RunFolderError
        If `diagnostics.npz` is unreadable; where it is missing, the page has tables and no figures of events. Or if
        another process writes into the folder.
    OutputError
        If the folder can not be written, or has links that lead out of it.
    ConfigError
        If a figure can not be written in one of the formats.
    """
    unknown = sorted({*formats} - {*FORMATS})
    if unknown:
        raise ConfigError(f"Figures can not be written as {unknown[0]!r}; there are {', '.join(FORMATS)}.")
    folder = Path(folder)
    if not (folder / "result.json").exists():
        SearchResult.read(folder / "result.json")
    check_output_folder(folder)
    refuse_links_out(folder)
    with alone_in(folder):
        return _write_page(folder, [name for name in formats if name != "png"], progress)


def _write_page(folder: Path, beside: Sequence[str], progress: Progress | None) -> Path:
    result, drawn = _plates(folder)
    pictures = []
    for done, plate in enumerate(drawn):
        if progress is not None:
            progress("report", done, len(drawn) + 1, plate.name)
        pictures.append(_draw(plate, folder / FIGURES))
        for name in beside:
            _write_vectors(plate, folder / FIGURES, name)
    page = folder / "report.html"
    write_text(page, render(result, pictures, top_candidates(folder, result)))
    if progress is not None:
        progress("report", 1, 1)
    return page


def _plates(folder: Path) -> tuple[SearchResult, list[Plate]]:
    from cathode.report.figures import plates

    result = SearchResult.read(folder / "result.json")
    stored = folder / "diagnostics.npz"
    diagnostics = Diagnostics.load(stored) if stored.exists() else Diagnostics()
    return result, list(plates(result, diagnostics))


def _draw(plate: Plate, folder: Path) -> Picture:
    """Write one figure as PNG, which also comes back for the page."""
    return pictured(folder, plate.name, plate.section, plate.caption, plate.figure, alt=plate.alt, wide=plate.wide)


def _write_vectors(plate: Plate, folder: Path, name: str) -> None:
    """Write one figure as PDF or SVG; without a date the same figure is the same file."""
    undated = {"pdf": "CreationDate", "svg": "Date"}[name]
    with atomic_path(folder / f"{plate.name}.{name}") as temporary:
        plate.figure.savefig(temporary, format=name, metadata={undated: None})


def render(result: SearchResult, pictures: Sequence[Picture] = (), candidates: Sequence[Candidate] = ()) -> str:
    """The page as text."""
    return rendered(
        "report.html",
        result=result,
        plates=pictures,
        candidates=candidates,
        papers=papers(result),
        headline=claims.headline(result),
        validation=claims.validation(result),
        configuration=claims.configuration(result),
        derivations=[(cut, words.derivation(result, cut)) for cut in result.cuts],
        scope=claims.scope(result),
        truth_rows=list(_truth_rows(result.truth)),
        sections=list(_sections(result, {picture.section for picture in pictures})),
        config=_config_text(result),
        made=result.configured[:10],
        number=number,
        p_value=p_value,
        sigma=sigma,
    )


def _sections(result: SearchResult, drawn: set[str]) -> Iterable[tuple[str, str]]:
    yield "spectrum", "Mass spectrum"
    yield "template", "Template against data"
    if "selected" in drawn:
        yield "selected", "What the cut keeps"
    yield "validation", "Validation"
    if result.calibrated:
        yield "calibration", "Calibration"
    if result.truth is not None:
        yield "truth", "Against the truth"
    yield "derivation", "How the p-value was computed"
    if result.trainings:
        yield "training", "Training"
    yield "provenance", "Provenance"


def _truth_rows(truth: TruthEvaluation | None) -> Iterable[tuple[str, list[str]]]:
    if truth is None:
        return
    columns = [truth] if truth.idealised is None else [truth, truth.idealised]
    yield "AUC, signal against background", [f"{t.auc:.4f} ± {t.auc_error:.4f}" for t in columns]
    yield "largest significance improvement", [f"{t.max_sic:.2f} ± {t.max_sic_error:.2f}" for t in columns]
    yield "at background efficiency", [f"{t.efficiency_at_max:.2g}" for t in columns]
    for efficiency in truth.sic:
        shown = [t.sic.get(efficiency) for t in columns]
        yield (
            f"significance improvement at {efficiency:g}",
            [f"{pair[0]:.2f} ± {pair[1]:.2f}" if pair is not None else "–" for pair in shown],
        )


def _config_text(result: SearchResult) -> str:
    if result.config is None:
        return ""
    import yaml

    return yaml.safe_dump(result.config, sort_keys=False, allow_unicode=True, width=100)
