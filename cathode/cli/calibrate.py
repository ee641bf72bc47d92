"""`cathode calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cathode.cli.options import AnalysisFile, Json, Output, Overrides, Plugins, Quiet, load_plugins
from cathode.cli.terminal import Terminal

if TYPE_CHECKING:
    from cathode.calibration.result import Calibration


def calibrate(
    analysis: AnalysisFile,
    experiments: Annotated[int, typer.Option("--experiments", "-n", min=1, help="Pseudo-experiments.")] = 300,
    background: Annotated[
        str | None, typer.Option(help="Files of simulated background; by default features come from the template.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", "-w", min=1, help="Processes of one thread each.")] = None,
    output: Output = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Repeat the search in background-only pseudo-experiments, everything retrained, to correct its p-values."""
    from cathode.commands import calibrate_analysis
    from cathode.config import load_config

    load_plugins(plugins)
    config = load_config(analysis, overrides or ())
    folder = output or Path("runs") / f"{analysis.stem}-calibration"
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        found = calibrate_analysis(
            config, folder, experiments=experiments, background=background, workers=workers, progress=progress
        )
    terminal.result(summary(found))
    if not (json or quiet):
        from cathode.cli.tables import null_distributions

        terminal.show(null_distributions(found), f"Correct p-values by `calibration: {folder / 'calibration.json'}`.")


def summary(found: Calibration) -> dict[str, object]:
    """Mean, width and Kolmogorov-Smirnov probability of the null distributions, by cut, in JSON types."""
    cuts = {}
    for efficiency in found.experiments[0].significance:
        null = found.null(efficiency)
        mean, width = null.mean, null.width
        cuts[f"{efficiency:g}"] = {"mean": mean, "width": width, "ks_p": null.ks_p_value}
    return {"experiments": len(found.experiments), "failures": found.failures, "cuts": cuts}
