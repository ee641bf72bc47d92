"""What the command line shows: results on standard output, progress on standard error, or nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from typing_extensions import override

from analysis.printing import visible, visible_json
from cathode.runtime.progress import Progress, silent
from cathode.runtime.watching import bars

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult


#: Seconds between two plain lines of one stage, where nobody watches a bar.
PLAIN_INTERVAL = 30.0


def echo(text: object, *, err: bool = False) -> None:
    """Print one line as it is, but for characters that would command the terminal."""
    typer.echo(visible(str(text)), err=err)


class _Visible:
    """What is rendered, without characters that would command the terminal; colours stay."""

    def __init__(self, renderable: RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


@dataclass(frozen=True)
class Terminal:
    """One verb's way of speaking: `json` prints only the result, `quiet` prints nothing but errors."""

    json: bool = False
    quiet: bool = False

    def show(self, *renderables: RenderableType) -> None:
        """Print for a person, unless nobody wants to read."""
        if self.json or self.quiet:
            return
        from rich.console import Console

        # Files and pipes have no width; tables should not wrap at 80 there.
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        for renderable in renderables:
            console.print(_Visible(renderable))

    def result(self, document: Any) -> None:
        """Print the result for a program, if it was asked for; `document` is JSON text or what JSON can hold."""
        if not self.json:
            return
        text = document if isinstance(document, str) else json.dumps(document, indent=2, ensure_ascii=False)
        typer.echo(visible_json(text))

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Bars on a terminal, plain lines in a batch log, nothing when silent."""
        if self.json or self.quiet:
            yield silent
        elif sys.stderr.isatty():
            with bars() as progress:
                yield progress
        else:
            yield PlainLines()


class PlainLines(Progress):
    """One line when a stage begins, when it ends, and now and then between."""

    def __init__(self) -> None:
        self._stages: dict[str, tuple[float, float]] = {}
        self._ended: set[str] = set()

    @override
    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        now = time.monotonic()
        begun, last = self._stages.get(stage, (now, -PLAIN_INTERVAL))
        ended = 0 < total <= done
        if stage in self._ended or not (ended or now - last >= PLAIN_INTERVAL or stage not in self._stages):
            return
        self._stages[stage] = (begun, now)
        if ended:
            self._ended.add(stage)
        where = f"{100 * done / total:.0f} %" if total else f"{done:,.0f}"
        parts = [f"{stage}: {where}", note, f"{now - begun:.0f} s" if done else ""]
        echo(", ".join(part for part in parts if part), err=True)
