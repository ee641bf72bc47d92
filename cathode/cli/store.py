"""`cathode store`: list, prune."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cathode.cli.options import Json
from cathode.cli.terminal import Terminal

if TYPE_CHECKING:
    from cathode.runtime.store import Entry

app = typer.Typer(no_args_is_help=True, help="See and clear what runs have trained and share.")

Folder = Annotated[Path, typer.Argument(metavar="STORE", help="The store; runs in `runs/` have theirs there.")]
DEFAULT = Path("runs/.cathode-store")


@app.command("list")
def list_(store: Folder = DEFAULT, json: Json = False) -> None:
    """Show all products, what was used last first."""
    from cathode.runtime.store import Store

    _show(Store.at(store).entries(), Terminal(json), "in the store")


@app.command()
def prune(
    store: Folder = DEFAULT,
    days: Annotated[float | None, typer.Option(min=0, help="Remove what was not used for so long.")] = None,
    megabytes: Annotated[
        float | None, typer.Option("--size", min=0, help="Remove what was used longest ago, down to so many MB.")
    ] = None,
    unreferenced: Annotated[
        bool, typer.Option("--unreferenced", help="Remove what is in no run folder of the same disk.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    json: Json = False,
) -> None:
    """Remove products; run folders keep what they have."""
    from cathode.runtime.store import Store

    if days is None and megabytes is None and not unreferenced:
        raise typer.BadParameter("say what to remove: --days, --size or --unreferenced.")
    size = None if megabytes is None else round(1e6 * megabytes)
    removed = Store.at(store).prune(days=days, size=size, unreferenced=unreferenced, dry=dry)
    _show(removed, Terminal(json), "would be removed" if dry else "removed")


def _show(entries: list[Entry], terminal: Terminal, what: str) -> None:
    terminal.result([asdict(entry) for entry in entries])
    if terminal.json:
        return
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    total = sum(entry.bytes for entry in entries)
    table = Table("key", "stage", "kind", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("size", "runs", "unused"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in entries:
        age = (time.time() - entry.used) / 86_400
        table.add_row(
            entry.key[:12],
            escape(entry.stage),
            escape(entry.kind),
            f"{entry.bytes / 1e6:.1f} MB",
            str(entry.runs),
            f"{age:.1f} days",
        )
    terminal.show(*([table] if entries else []), f"{len(entries)} products, {total / 1e6:.1f} MB, {what}.")
