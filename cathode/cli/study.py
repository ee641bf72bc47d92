"""`cathode study`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cathode.cli.options import Json, Output, Plugins, Quiet, load_plugins
from cathode.cli.terminal import Terminal, echo
from cathode.cli.workers import Scheduler, Workers, workforce


def study(
    file: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="What is varied, and around what.")],
    workers: Workers = None,
    scheduler: Scheduler = None,
    output: Output = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train every variant of a grid or of a random choice of hyperparameters, and compare them; resumable."""
    from cathode.commands import study_file

    load_plugins(plugins)
    terminal = Terminal(json, quiet)
    folder = output or Path("runs") / file.stem
    with terminal.progress() as progress:
        found = study_file(file, folder, workers=workforce(workers, scheduler, terminal), progress=progress)
    terminal.result(
        {
            "variants": len(found.rows),
            "failed": sum(bool(row.failure) for row in found.rows),
            "sorted_by": found.sorted_by,
            "rows": [
                {
                    "settings": row.settings,
                    **{name: None if value != value else value for name, value in row.mean.items()},
                    "trainings": row.trainings,
                    "failure": row.failure,
                }
                for row in found.rows
            ],
        }
    )
    if not (json or quiet):
        echo(found.markdown())
        echo(f"{folder / 'study.md'}, {folder / 'study.png'}")
