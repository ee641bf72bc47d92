"""`cathode evaluate`: generated events against reference ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cathode.cli.options import Json, Quiet, Seed
from cathode.cli.terminal import Terminal, echo

app = typer.Typer(no_args_is_help=True, help="Compare generated events with reference ones.")


@app.callback()
def group() -> None:
    """Compare generated events with reference ones."""


@app.command()
def showers(
    generated: Annotated[Path, typer.Argument(help="HDF5 file of generated showers.")],
    reference: Annotated[Path, typer.Argument(help="HDF5 file of reference showers, which no generator has seen.")],
    dataset: Annotated[
        str,
        typer.Option("--dataset", "-d", help="ds1-photons, ds1-pions, ds2, ds3, calogan, ild, or a binning in XML."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for page, numbers and figures.")] = Path(
        "showers"
    ),
    test: Annotated[
        list[str] | None,
        typer.Option("--test", help="Classifier test: high, low, low-normed or resnet; may be repeated."),
    ] = None,
    seed: Seed = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare showers by the conventions of the CaloChallenge; writes a page, its numbers and its figures."""
    from analysis.outputs import check_output_folder
    from analysis.showers import geometry, read_binning_xml
    from cathode.comparison.showers import evaluate_showers
    from cathode.report.showers import NUMBERS, write_shower_report

    check_output_folder(output, inputs=[generated, reference])
    known = read_binning_xml(dataset) if dataset.endswith(".xml") else geometry(dataset)
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        found = evaluate_showers(generated, reference, known, tests=test, seed=seed, progress=progress)
        page = write_shower_report(found, output)
    terminal.result({**found.to_dict(), "page": str(page), "numbers": str(output / NUMBERS)})
    if json:
        return
    from cathode.cli.tables import shower_evaluation

    terminal.show(*shower_evaluation(found))
    echo(page)
