"""`cathode audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cathode.cli.options import AnalysisFile, Json, Output, Overrides, Plugins, Quiet, load_plugins
from cathode.cli.terminal import Terminal
from cathode.cli.workers import Scheduler, Workers, workforce


def audit(
    analysis: AnalysisFile,
    windows: Annotated[int, typer.Option("--windows", "-n", min=1, help="Windows at most.")] = 6,
    workers: Workers = None,
    scheduler: Scheduler = None,
    output: Output = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the same search in signal-free windows beside the chosen one: its claims there, and naive ones."""
    from cathode.commands import audit_analysis
    from cathode.config import load_config

    load_plugins(plugins)
    config = load_config(analysis, overrides or ())
    run = Path(config.output or Path("runs") / analysis.stem)
    folder = output or run.parent / f"{run.name}-audit"
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        by = workforce(workers or config.threads, scheduler, terminal)
        found = audit_analysis(config, folder, windows=windows, workers=by, progress=progress)
    terminal.result(found.to_json())
    if not (json or quiet):
        from cathode.cli.tables import audited, files

        figures = [("figure", path) for path in sorted(folder.glob("audit_*.png"))]
        terminal.show(*audited(found), files([("audit", folder / "audit.json"), *figures]))
