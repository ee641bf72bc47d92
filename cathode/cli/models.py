"""`cathode train`, `sample` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cathode.cli.options import (
    AnalysisFile,
    Json,
    Output,
    Overrides,
    Plugins,
    Quiet,
    Seed,
    SharedStore,
    load_plugins,
    with_store,
)
from cathode.cli.terminal import Terminal, echo


def train(
    analysis: AnalysisFile,
    output: Output = None,
    overrides: Overrides = None,
    store: SharedStore = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit mass model and generator to the sidebands; nothing looks at the signal region."""
    from cathode.commands import train_template
    from cathode.config import load_config
    from cathode.runtime.run_folder import TEMPLATE

    load_plugins(plugins)
    config = load_config(analysis, with_store(overrides, store))
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        folder = train_template(config, output or Path("runs") / f"{analysis.stem}_template", progress=progress)
    terminal.result({"folder": str(folder), "template": str(folder / TEMPLATE)})
    if not json:
        echo(folder)


def sample(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `cathode train` or `cathode run` wrote.")],
    events: Annotated[int, typer.Option("--events", "-n", min=1, help="Background events to draw.")] = 10_000,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .root, .parquet or .h5.")] = Path(
        "template.root"
    ),
    seed: Seed = 1,
    plugins: Plugins = None,
    json: Json = False,
) -> None:
    """Draw background events in the signal region from a saved template."""
    from cathode.commands import write_sample

    load_plugins(plugins)
    columns = write_sample(folder, events, output, seed=seed)
    Terminal(json).result({"path": str(output), "events": events, "columns": list(columns), "seed": seed})
    if not json:
        echo(output)


def export(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="What `cathode train` or `cathode run` wrote, or a saved generator."),
    ],
    onnx: Annotated[Path, typer.Option("--onnx", metavar="OUT", help="Folder for sampler.onnx and log_prob.onnx.")],
    plugins: Plugins = None,
    json: Json = False,
) -> None:
    """Write a trained generator for other programs: ONNX files that need neither Python nor torch."""
    from cathode.template.export import export_onnx

    load_plugins(plugins)
    exported = export_onnx(folder, onnx)
    files = {name: str(path) for name, path in exported.files.items()}
    Terminal(json).result({"files": files, "refused": exported.refused})
    if not json:
        for path in files.values():
            echo(path)
        for reason in exported.refused.values():
            echo(reason, err=True)
