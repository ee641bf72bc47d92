"""`cathode demo`, `run`, `compare`, `compare-runs`, `score` and `report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cathode.cli.options import (
    AnalysisFile,
    Json,
    NoReport,
    Output,
    Overrides,
    Plugins,
    Quick,
    Quiet,
    RunFolder,
    SharedStore,
    Strict,
    load_plugins,
    place,
    with_quick,
    with_store,
)
from cathode.cli.terminal import Terminal, echo

if TYPE_CHECKING:
    from cathode.config import AnalysisConfig

VALIDATION_FAILED = 3
Pdf = Annotated[bool, typer.Option("--pdf", help="Write every figure as PDF too.")]


def demo(
    output: Output = None,
    overrides: Overrides = None,
    quick: Quick = False,
    no_report: NoReport = False,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a complete search on the dijet ntuples that come with the package."""
    from cathode.config import embedded_text, parse_config

    config = parse_config(embedded_text("demo"), name="demo.yaml", overrides=with_quick(overrides, quick))
    folder = output or place(Path(config.output or "demo"), quick)
    _search(config, folder, report=not no_report, strict=strict, terminal=Terminal(json, quiet))


def run(
    analysis: AnalysisFile,
    output: Output = None,
    overrides: Overrides = None,
    store: SharedStore = None,
    plugins: Plugins = None,
    quick: Quick = False,
    no_report: NoReport = False,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the search that an analysis file describes; an interrupted run continues where it stopped."""
    from cathode.config import load_config

    load_plugins(plugins)
    config = load_config(analysis, with_store(with_quick(overrides, quick), store))
    folder = output or place(Path(config.output or Path("runs") / analysis.stem), quick)
    _search(config, folder, report=not no_report, strict=strict, terminal=Terminal(json, quiet))


def _search(config: AnalysisConfig, folder: Path, *, report: bool, strict: bool, terminal: Terminal) -> None:
    from cathode.commands import run_analysis

    with terminal.progress() as progress:
        result = run_analysis(config, folder, report=report, progress=progress)
    terminal.result(result.to_json())
    if not (terminal.json or terminal.quiet):
        from cathode.cli.tables import conclusion, files

        written = [(what, folder / name) for what, name in FILES if (folder / name).exists()]
        terminal.show(*conclusion(result), files(written))
    if strict and not result.validated:
        raise typer.Exit(VALIDATION_FAILED)


FILES = (
    ("report", "report.html"),
    ("result", "result.json"),
    ("scores", "scores.root"),
    ("figures", "figures"),
    ("template", "template"),
    ("settings", "config.yaml"),
)


def compare(
    analysis: AnalysisFile,
    generators: Annotated[
        list[str] | None,
        typer.Option(
            "--generator",
            "-g",
            metavar="KIND",
            help="A candidate in the place of those in the file: a kind, or `'{kind: …, …}'`. Repeatable.",
        ),
    ] = None,
    output: Output = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare generators in validation regions: nothing looks at the signal region, and no labels are needed."""
    from cathode.commands import compare_analysis
    from cathode.config import load_config

    load_plugins(plugins)
    named = [f"comparison.generators=[{', '.join(generators)}]"] if generators else []
    config = load_config(analysis, [*(overrides or ()), *named])
    folder = output or Path("runs") / f"{analysis.stem}_comparison"
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        comparison = compare_analysis(config, folder, progress=progress)
    terminal.result(comparison.to_json())
    if not (json or quiet):
        from cathode.cli.tables import candidates

        terminal.show(*candidates(comparison))
    if not json:
        echo(folder)


def compare_runs(
    run_folders: Annotated[list[Path], typer.Argument(metavar="RUN RUN…", help="Folders of finished runs.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PAGE.html", help="The page to write.")] = Path(
        "comparison.html"
    ),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put finished runs beside each other on one page: numbers, spectra after the cut, settings that differ."""
    from cathode.report.runs import write_run_comparison
    from cathode.runs.comparing import compare_runs as compared

    comparison = compared(run_folders)
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        page = write_run_comparison(comparison, output, progress=progress)
    terminal.result(comparison.to_dict())
    if not (json or quiet):
        from cathode.cli.tables import runs_beside

        terminal.show(*runs_beside(comparison))
    if not json:
        echo(page)


def score(
    run_folder: RunFolder,
    files: Annotated[list[str], typer.Argument(metavar="FILES…", help="Ntuples, globs or URLs.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The friend tree to write; scores.root if nothing is said.")
    ] = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score other ntuples by a finished search, into a ROOT friend tree."""
    from cathode.commands import score_files

    load_plugins(plugins)
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        scored = score_files(run_folder, files, output, overrides=overrides or (), progress=progress)
    passes = {f"{efficiency:g}": count for efficiency, count in scored.passes.items()}
    terminal.result(
        {"path": str(scored.path), "events": scored.events, "passes": passes, "warnings": [*scored.warnings]}
    )
    if not (json or quiet):
        counts = ", ".join(f"{count:,} at {efficiency}" for efficiency, count in passes.items())
        terminal.show(f"{scored.events:,} events scored; passing by background efficiency: {counts}.")
        terminal.show(*(f"Warning: {warning}" for warning in scored.warnings))
    if not json:
        echo(scored.path)


def report(run_folder: RunFolder, pdf: Pdf = False, json: Json = False, quiet: Quiet = False) -> None:
    """Draw the figures and write the page of a run again."""
    from cathode.report import write_report

    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        page = write_report(run_folder, formats=("png", "pdf") if pdf else ("png",), progress=progress)
    terminal.result({"report": str(page)})
    if not json:
        echo(page)
