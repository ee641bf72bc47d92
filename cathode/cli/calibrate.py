"""`cathode calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cathode.cli.options import AnalysisFile, Json, Output, Overrides, Plugins, Quiet, load_plugins
from cathode.cli.terminal import Terminal
from cathode.cli.workers import Scheduler, Workers, workforce

if TYPE_CHECKING:
    from cathode.calibration.result import Calibration


def calibrate(
    analysis: AnalysisFile,
    experiments: Annotated[int, typer.Option("--experiments", "-n", min=1, help="Pseudo-experiments.")] = 300,
    source: Annotated[
        Literal["template", "sidebands"],
        typer.Option(help="Where features come from: the template, or beside the window a bootstrap of the sidebands."),
    ] = "template",
    background: Annotated[
        str | None, typer.Option(help="Files of simulated background, from which all features come instead.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    output: Output = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Repeat the search in background-only pseudo-experiments, everything retrained, to correct its p-values."""
    from cathode.calibration.calibrate import beside
    from cathode.commands import calibrate_analysis
    from cathode.config import load_config

    load_plugins(plugins)
    config = load_config(analysis, overrides or ())
    folder = output or beside(Path(config.output or Path("runs") / analysis.stem))
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        found = calibrate_analysis(
            config,
            folder,
            experiments=experiments,
            source=source,
            background=background,
            workers=workforce(workers or config.threads, scheduler, terminal),
            progress=progress,
        )
    terminal.result(summary(found))
    if not (json or quiet):
        from cathode.cli.tables import null_distributions

        applied = "`cathode run` applies it" if output is None else "`calibration:` of the analysis file applies it"
        terminal.show(null_distributions(found), f"{applied}: {folder / 'calibration.json'}")


def summary(found: Calibration) -> dict[str, object]:
    """Mean, width and Kolmogorov-Smirnov probability of the null distributions, by cut, in JSON types."""
    cuts = {}
    for efficiency in found.experiments[0].significance:
        null = found.null(efficiency)
        mean, width = null.mean, null.width
        cuts[f"{efficiency:g}"] = {"mean": mean, "width": width, "ks_p": null.ks_p_value}
    return {"experiments": len(found.experiments), "failures": found.failures, "cuts": cuts}
