"""Who watches: bars on a terminal, a table in a notebook, nothing where nobody looks."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from analysis.printing import html_table, visible
from cathode.runtime.progress import Progress, silent

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds between two drawings of a table in a notebook.
_INTERVAL = 0.3


def watched(function: Callable[P, R]) -> Callable[P, R]:
    """Show the progress of a call that was given no `progress`, if somebody watches; `silent` says that nobody may."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with shown(kwargs.get("progress")) as progress:  # type: ignore[arg-type]
            kwargs["progress"] = progress
            return function(*args, **kwargs)

    return call


@contextmanager
def shown(progress: Progress | None) -> Iterator[Progress]:
    """The progress that was given; without one a display for whoever watches."""
    if progress is not None:
        yield progress
    elif in_notebook():
        with table() as display:
            yield display
    elif sys.stderr.isatty():
        with bars() as display:
            yield display
    else:
        yield silent


def in_notebook() -> bool:
    """Whether this is a kernel of Jupyter."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def bars() -> Iterator[Progress]:
    """One bar for each stage, on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bars(*columns, console=Console(stderr=True)) as drawn:

        def progress(stage: str, done: float, total: float, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = drawn.add_task(stage, total=total or None, note="")
            drawn.update(tasks[stage], completed=done, total=total or None, note=visible(note))

        yield progress


@contextmanager
def table() -> Iterator[Progress]:
    """One row for each stage, below the cell of a notebook."""
    # Whoever is in a notebook has it; nobody else needs it.
    display: Any = import_module(f"{sys.modules['IPython'].__name__}.display")
    stages: dict[str, tuple[str, str]] = {}
    begun: dict[str, float] = {}
    drawn = [0.0]

    def html() -> Any:
        rows = [(stage, where, note) for stage, (where, note) in stages.items()]
        return display.HTML(html_table("", ("stage", "done", ""), rows))

    handle = display.display(display.HTML(""), display_id=True)

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        now = time.monotonic()
        seconds = now - begun.setdefault(stage, now)
        where = f"{100 * done / total:.0f} %" if total else f"{done:,.0f}"
        stages[stage] = (where, ", ".join(part for part in (note, f"{seconds:.0f} s") if part))
        if now - drawn[0] > _INTERVAL:
            drawn[0] = now
            handle.update(html())

    try:
        yield progress
    finally:
        handle.update(html())
