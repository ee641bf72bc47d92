"""`cathode doctor`."""

from __future__ import annotations

import typer

from cathode.cli.options import Json, Quiet
from cathode.cli.terminal import Terminal

MARKS = {"good": "[green]good[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}


def doctor(json: Json = False, quiet: Quiet = False) -> None:
    """Look at this installation and its machine; status 1 if something is broken."""
    from cathode.runtime.doctor import diagnose

    diagnosis = diagnose()
    terminal = Terminal(json=json, quiet=quiet)
    terminal.result(diagnosis.to_dict())
    if not (json or quiet):
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        table = Table("", "what", "found", box=box.SIMPLE_HEAD, pad_edge=False)
        for f in diagnosis.findings:
            remedy = f"\n[dim]{escape(f.remedy)}[/]" if f.remedy else ""
            table.add_row(MARKS[f.status], f.what, escape(f.found) + remedy)
        conclusion = "This installation is in order." if diagnosis.healthy else "[red]This installation is broken.[/]"
        terminal.show(table, conclusion)
    if not diagnosis.healthy:
        raise typer.Exit(1)
