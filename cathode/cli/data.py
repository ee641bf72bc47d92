"""`cathode data`: list, fetch, manifest, cluster, simulate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cathode.cli.options import Json, Output, Quiet
from cathode.cli.terminal import Terminal, echo

app = typer.Typer(no_args_is_help=True, help="List and fetch public data sets, cluster raw ones, or simulate dijets.")


@app.command("list")
def list_(json: Json = False) -> None:
    """Show the data sets that come with the package and those that can be fetched."""
    from analysis.datasets import describe, embedded
    from analysis.datasets.fetch import data_folder
    from analysis.datasets.registry import catalogue
    from analysis.datasets.shipped import NAMES

    terminal = Terminal(json=json)
    here = {file.name: (data_folder() / file.filename).is_file() for file in catalogue()}
    terminal.result(
        {
            "embedded": {name: {"path": str(embedded(name)), **describe(name)} for name in NAMES},
            "folder": str(data_folder()),
            "fetchable": [{**asdict(file), "fetched": here[file.name]} for file in catalogue()],
        }
    )
    if json:
        return
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("what")
    for name in NAMES:
        size = embedded(name).stat().st_size / 1e6
        table.add_row(f"embedded:{name}", f"{size:.0f} MB", "[green]yes[/]", escape(describe(name)["title"]))
    for file in catalogue():
        megabytes = "?" if file.megabytes is None else f"{file.megabytes:,.0f} MB"
        doi = f" [dim]doi:{escape(file.doi)}[/]" if file.doi else ""
        table.add_row(
            file.name, megabytes, "[green]yes[/]" if here[file.name] else "no", escape(file.description) + doi
        )
    terminal.show(table, f"[dim]`cathode data fetch NAME` keeps files in {escape(str(data_folder()))}.[/]")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name from `cathode data list`.")],
    folder: Annotated[Path | None, typer.Option("--folder", help="Where to keep it.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download a public data set, or continue a download; its checksum is verified in any case."""
    from analysis.datasets.fetch import fetch as fetch_by_name

    terminal = Terminal(json=json, quiet=quiet)
    with terminal.progress() as progress:
        path = fetch_by_name(name, folder=folder, offline=offline, progress=progress)
    terminal.result({"name": name, "path": str(path)})
    if not json:
        echo(path)


@app.command()
def manifest(
    files: Annotated[list[str], typer.Argument(metavar="FILES…", help="Files or globs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The list to write.")] = Path("manifest.sha256"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the SHA-256 of files; `data.checksums: manifest.sha256` lets every reading compare them."""
    from analysis.io.manifests import write_manifest

    terminal = Terminal(json=json, quiet=quiet)
    with terminal.progress() as progress:

        def hashed(done: int, total: int) -> None:
            if progress is not None:
                progress("hash", done, total)

        hashes = write_manifest(files, output, progress=hashed)
    terminal.result({"path": str(output), "files": hashes})
    if not json:
        echo(output)


@app.command()
def cluster(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="A raw file of the LHC Olympics, such as lhco-raw.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The ROOT file to write.")],
    constituents: Annotated[
        int,
        typer.Option("--constituents", min=0, help="Particles to keep of each jet, the hardest; 0 writes jets only."),
    ] = 279,
    trigger: Annotated[
        float | None, typer.Option(help="Keep events with a jet above so many GeV of pT; the public sample has 1200.")
    ] = None,
    chunk: Annotated[int, typer.Option(min=1, help="Events that are clustered at once.")] = 2_000,
    key: Annotated[str | None, typer.Option(help="Name of the data frame, if the file has several.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Cluster raw events into the two leading large jets (extra `simulation`); an interrupted call can be repeated."""
    from analysis.datasets import convert_lhco_raw

    terminal = Terminal(json=json, quiet=quiet)
    with terminal.progress() as progress:
        path = convert_lhco_raw(
            raw, output, constituents=constituents or None, trigger=trigger, chunk=chunk, key=key, progress=progress
        )
    terminal.result({"path": str(path), "constituents": constituents, "trigger": trigger})
    if not json:
        echo(path)


@app.command()
def simulate(
    sample: Annotated[str, typer.Argument(help="What to simulate: dijets.")] = "dijets",
    events: Annotated[int, typer.Option("--events", "-n", min=1, help="Selected events.")] = 10_000,
    signal: Annotated[str | None, typer.Option(help="wprime or zprime_tt; without it QCD dijets.")] = None,
    mass: Annotated[float, typer.Option(help="Of the resonance, GeV.")] = 3500.0,
    daughters: Annotated[tuple[float, float], typer.Option(help="Masses of its two daughters, GeV.")] = (500.0, 100.0),
    shower: Annotated[str, typer.Option(help="Parton shower: simple, which is Pythia's own, or vincia.")] = "simple",
    constituents: Annotated[bool, typer.Option("--constituents", help="Keep the particles of the jets.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the file does not depend on it.")] = 1,
    output: Output = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate dijets with Pythia 8 and a fast detector (extra `simulation`)."""
    from analysis.simulation.dijets import simulate_dijets

    if sample != "dijets":
        raise typer.BadParameter(f"{sample!r} can not be simulated; there is: dijets.", param_hint="SAMPLE")
    target = output or Path(f"{signal or 'qcd'}_{seed}.root")
    terminal = Terminal(json=json, quiet=quiet)
    with terminal.progress() as progress:

        def simulated(done: int, total: int) -> None:
            if progress is not None:
                progress("simulate", done, total, f"{done:,} events")

        path = simulate_dijets(
            events,
            signal=signal,
            seed=seed,
            output=target,
            resonance_mass=mass,
            daughter_masses=daughters,
            shower=shower,
            workers=workers,
            constituents=constituents,
            progress=simulated,
        )
    terminal.result({"path": str(path), "events": events, "signal": signal, "seed": seed})
    if not json:
        echo(path)
