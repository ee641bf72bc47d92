"""`cathode prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cathode.cli.options import AnalysisFile, Json, Overrides, Plugins, Quiet, load_plugins
from cathode.cli.terminal import Terminal, echo
from cathode.cli.workers import Scheduler, Workers, workforce

if TYPE_CHECKING:
    from analysis.preparation.preparing import Prepared

FILES_LOST = 3


def prepare(
    analysis: AnalysisFile,
    store: Annotated[Path, typer.Argument(metavar="STORE", help="The folder to write into.")],
    sample: Annotated[
        str | None, typer.Option(help="Prepare this sample of data.auxiliary instead of data.files.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    retries: Annotated[
        int,
        typer.Option(min=0, help="Further attempts at what can not be read, or after the death of a worker."),
    ] = 2,
    timeout: Annotated[float | None, typer.Option(help="Seconds that a file may take; it is lost then.")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only list the tasks, for `cathode tasks array`; call again to collect.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave with status 3 if any file is lost, even if the analysis allows it.")
    ] = False,
    overrides: Overrides = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Select the events of all files once, in parallel, into a store that is read instead; status 3 if any is lost.

    What `data.on_error` and `data.max_failed_fraction` of the analysis allow to be lost is reported and no error. The
    same command continues what was interrupted, and tries again what was lost.
    """
    from analysis.errors import TooManyFailuresError
    from cathode.commands import plan_preparation, prepare_analysis
    from cathode.config import load_config

    load_plugins(plugins)
    config = load_config(analysis, overrides or ())
    terminal = Terminal(json, quiet)
    if plan:
        echo(str(plan_preparation(config, store, sample=sample).path))
        return
    with terminal.progress() as progress:
        by = workforce(workers or config.threads, scheduler, terminal, timeout=timeout)
        found = prepare_analysis(config, store, sample=sample, workers=by, retries=retries, progress=progress)
    terminal.result({"store": str(store), **found.summary()})
    _show(found, analysis, sample, terminal)
    try:
        found.require(config.data.reading(config.data.files))
    except TooManyFailuresError as error:
        echo(f"cathode: {error}", err=True)
        raise typer.Exit(FILES_LOST) from error
    if found.lost and not json:
        echo(f"cathode: {_lost(found)}, as the analysis allows.", err=True)
    if found.lost and strict:
        raise typer.Exit(FILES_LOST)


def _lost(found: Prepared) -> str:
    return (
        f"{len(found.lost)} of {len(found.store.files)} files, an estimated {100 * found.lost_fraction:.3g} % of the "
        "luminosity, are lost"
    )


def _show(found: Prepared, analysis: Path, sample: str | None, terminal: Terminal) -> None:
    """What was read and what was not, for a person."""
    if terminal.json or terminal.quiet:
        return
    from cathode.cli.tables import prepared

    key = "data.files" if sample is None else f"data.auxiliary.{sample}"
    terminal.show(*prepared(found))
    if not found.lost:
        terminal.show(f"cathode run {analysis} --set {key}={found.store.path} reads it instead of the files.")
