"""`cathode inject` and `cathode limit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cathode.cli.options import AnalysisFile, Json, Output, Overrides, Plugins, Quiet, load_plugins
from cathode.cli.terminal import Terminal
from cathode.cli.workers import Scheduler, Workers, workforce
from cathode.runtime.documents import plain


def inject(
    analysis: AnalysisFile,
    signal: Annotated[list[str], typer.Option("--signal", help="Files of simulated signal, read as the data are.")],
    events: Annotated[list[int], typer.Option("--events", "-n", min=0, help="Signal events to inject. Repeatable.")],
    repeats: Annotated[int, typer.Option(min=1, help="Searches of each strength, with other seeds and events.")] = 1,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Inject into pseudo-experiments of this folder of `cathode calibrate`, not into the data."),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    output: Output = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put signal into the data before anything is trained, and see what the search keeps of it."""
    from cathode.config import load_config
    from cathode.injection.injecting import inject as injected

    load_plugins(plugins)
    config = load_config(analysis, overrides or ())
    folder = output or Path("runs") / f"{analysis.stem}-injections"
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        found = injected(
            config,
            signal,
            folder,
            numbers=events,
            repeats=repeats,
            calibration=calibration,
            workers=workforce(workers or config.threads, scheduler, terminal),
            progress=progress,
        )
    terminal.result({"folder": str(folder), "injections": [each.to_dict() for each in found]})
    if not (json or quiet):
        from cathode.cli.tables import injections

        terminal.show(injections(found), f"`cathode limit {folder}` says what they exclude.")


def limit(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `cathode inject` wrote.")],
    export: Annotated[
        Path | None, typer.Option(help="Write HistFactory workspaces, datacards and tables of HEPData into a folder.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The largest signal that is not excluded at 95 % CL, with the efficiency that the search has for it."""
    from cathode.injection.injecting import read_injections
    from cathode.injection.limit import injected_limit

    found = read_injections(folder)
    limits = [injected_limit(found, efficiency) for efficiency in found[0].cuts]
    if export is not None:
        from cathode.config import load_config
        from cathode.injection.experiments import ANALYSIS
        from cathode.injection.export import write_limits

        write_limits(limits, export, mass=load_config(folder / ANALYSIS).search().region.centre)
    terminal = Terminal(json, quiet)
    terminal.result({"limits": [plain(each) for each in limits]})
    if not (json or quiet):
        from cathode.cli.tables import injected_limits

        said = [
            "Events of the signal before the cut, as they were injected.",
            *(r for each in limits for r in each.remarks),
        ]
        terminal.show(injected_limits(limits), " ".join(said))
