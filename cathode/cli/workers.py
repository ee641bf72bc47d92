"""Who does the work of a verb: the options of all verbs that share it out, declared once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cathode.cli.terminal import Terminal

if TYPE_CHECKING:
    from analysis.tasks import Workforce

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", "-w", min=1, help="Processes, each with one thread, or jobs; by default one per core of here."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler", help="Dask instead: tcp://HOST:PORT, `dask` for this machine, or the YAML of a batch system."
    ),
]


def workforce(
    workers: int | None, scheduler: str | None, terminal: Terminal, *, timeout: float | None = None
) -> Workforce:
    """What the options say, started when there is something to do; the terminal shows where it can be watched."""
    from analysis.tasks import Workforce

    return Workforce(
        workers, scheduler=scheduler, timeout=timeout, watched_at=lambda page: terminal.show(f"Dashboard: {page}")
    )
