"""`cathode config`: check, schema, example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cathode.cli.options import AnalysisFile, Json, Overrides, Plugins, Quiet, load_plugins
from cathode.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cathode.config.trial import Tried

app = typer.Typer(no_args_is_help=True, help="Check, describe or begin an analysis file.")


@app.command()
def check(
    analysis: AnalysisFile,
    overrides: Overrides = None,
    plugins: Plugins = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Print the file with every default written out.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check an analysis file, and its expressions on the first entries of its data: status 0, or 1 and what to mend."""
    from rich.markup import escape

    from cathode.config import load_config
    from cathode.config.trial import try_data

    load_plugins(plugins)
    config = load_config(analysis, overrides or ())
    tried = try_data(config, analysis, overrides or ())
    terminal = Terminal(json=json, quiet=quiet)
    terminal.result(config.resolved())
    if resolved and not json:
        typer.echo(config.to_yaml(), nl=False)
    else:
        terminal.show(escape(f"{analysis} is in order. {tried.sentence}"), *_units(tried))


def _units(tried: Tried) -> list[RenderableType]:
    """What every branch is taken for, so that a wrong unit is seen before anything is made of it."""
    if not tried.units:
        return []
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("branch", "unit in the file", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("median of the leading, in GeV or as it is", justify="right")
    for name, (unit, median) in tried.units.items():
        table.add_row(escape(name), unit, f"{median:.6g}")
    return [table]


@app.command()
def schema(plugins: Plugins = None) -> None:
    """Print the JSON schema of analysis files, for editors."""
    from cathode.config import schema as json_schema

    load_plugins(plugins)
    Terminal(json=True).result(json_schema())


@app.command()
def example(
    name: Annotated[
        str,
        typer.Argument(
            help="example, with every setting; demo; cheap, a whole search in seconds; nanoaod, physlite, flat, lhco, "
            "full-phase-space, showers; benchmark, of several methods; or scan, of many windows."
        ),
    ] = "example",
) -> None:
    """Print a commented analysis file to start from."""
    from cathode.config import embedded_text

    typer.echo(embedded_text(name), nl=False)
