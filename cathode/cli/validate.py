"""`cathode validate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cathode.cli.options import (
    AnalysisFile,
    Json,
    Output,
    Overrides,
    Plugins,
    Quick,
    Quiet,
    SharedStore,
    Strict,
    load_plugins,
    with_quick,
    with_store,
)
from cathode.cli.searches import VALIDATION_FAILED
from cathode.cli.terminal import Terminal
from cathode.cli.workers import Scheduler, Workers, workforce
from cathode.errors import ConfigError

if TYPE_CHECKING:
    from cathode.config import AnalysisConfig

#: What a full validation does unless it is told otherwise.
_EXPERIMENTS, _REPEATS, _EDGES = 40, 5, 6


def validate(
    analysis: AnalysisFile,
    full: Annotated[
        bool, typer.Option("--full", help="Also test null, injected signal, sculpting and edges in pseudo-experiments.")
    ] = False,
    experiments: Annotated[
        int | None, typer.Option(min=1, help="With --full: background-only experiments, 40 unless told.")
    ] = None,
    signal: Annotated[
        list[str] | None, typer.Option("--signal", help="With --full: files of simulated signal, read as the data are.")
    ] = None,
    events: Annotated[
        list[int] | None,
        typer.Option("--events", "-n", min=1, help="With --full: signal events to inject. Repeatable."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="With --full: experiments of each strength, 5 unless told.")
    ] = None,
    edges: Annotated[
        int | None, typer.Option(min=1, help="With --full: experiments with moved edges, 6 unless told.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    output: Output = None,
    overrides: Overrides = None,
    store: SharedStore = None,
    plugins: Plugins = None,
    quick: Quick = False,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Test the template in validation regions of the sidebands, before anyone looks into the signal region."""
    from cathode.config import load_config

    load_plugins(plugins)
    config = load_config(analysis, with_store(with_quick(overrides, quick), store))
    terminal = Terminal(json, quiet)
    if full:
        if bool(signal) != bool(events):
            raise ConfigError("--signal names files, --events how many of their events to inject: give both or none.")
        run = Path(config.output or Path("runs") / analysis.stem)
        passed = _fully(
            config,
            output or run.parent / f"{run.name}-validation",
            terminal,
            experiments=experiments or _EXPERIMENTS,
            signal=tuple(signal or ()),
            numbers=tuple(events or ()),
            repeats=repeats or _REPEATS,
            edges=edges or _EDGES,
            workers=workforce(workers or config.threads, scheduler, terminal),
        )
    else:
        given = {"experiments": experiments, "signal": signal, "events": events, "repeats": repeats, "edges": edges}
        _refuse_all({**given, "workers": workers, "scheduler": scheduler})
        passed = _beside(config, output, terminal)
    if strict and not passed:
        raise typer.Exit(VALIDATION_FAILED)


def _refuse_all(options: Mapping[str, object]) -> None:
    """Refuse options that mean nothing without --full."""
    for name, value in options.items():
        if value:
            raise ConfigError(f"--{name} belongs to `cathode validate --full`. Add --full, or leave it out.")


def _beside(config: AnalysisConfig, output: Path | None, terminal: Terminal) -> bool:
    """The validation regions alone."""
    from cathode.commands import validate_analysis

    with terminal.progress() as progress:
        test = validate_analysis(config, output, progress=progress)
    systematics = {f"{efficiency:g}": value for efficiency, value in test.systematics.items()}
    terminal.result(
        {
            "passed": test.passed,
            "quick": config.quick,
            "closures": [asdict(c) for c in test.closures],
            "region_shifts": [asdict(s) for s in test.shifts],
            "feature_tests": [asdict(t) for t in test.features],
            "systematics": systematics,
        }
    )
    if not (terminal.json or terminal.quiet):
        from cathode.cli.tables import checks

        relative = ", ".join(f"{100 * value:.2g} % at {name}" for name, value in systematics.items())
        terminal.show(
            checks(test.closures, shifts=test.shifts, features=test.features),
            f"Systematic error of the background, by background efficiency: {relative}.",
            *(["A quick trial: trained too little to say how well the template closes."] if config.quick else []),
        )
    return test.passed


def _fully(config: AnalysisConfig, folder: Path, terminal: Terminal, **asked: Any) -> bool:
    """All tests that need no look into the window."""
    from cathode.commands import validate_analysis_fully

    with terminal.progress() as progress:
        found = validate_analysis_fully(config, folder, progress=progress, **asked)
    terminal.result(found.to_json())
    if not (terminal.json or terminal.quiet):
        from cathode.cli.tables import files, full_checks

        terminal.show(
            full_checks(found), files([("report", folder / "validation.html"), ("result", folder / "validation.json")])
        )
    return found.passed
