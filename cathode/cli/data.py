"""`cathode data`: list, fetch, manifest, cluster, simulate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cathode.cli.options import Json, Output, Quiet, Seed
from cathode.cli.terminal import Terminal, echo

app = typer.Typer(no_args_is_help=True, help="List and fetch public data sets, cluster raw ones, or simulate.")


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


simulation = typer.Typer(no_args_is_help=True, help="Simulate dijets, jets, showers, or pixels.")
app.add_typer(simulation, name="simulate")

Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes; the file does not depend on it.")]


@simulation.command()
def dijets(
    events: Annotated[int, typer.Option("--events", "-n", min=1, help="Selected events.")] = 10_000,
    signal: Annotated[str | None, typer.Option(help="wprime or zprime_tt; without it QCD dijets.")] = None,
    mass: Annotated[float, typer.Option(help="Of the resonance, GeV.")] = 3500.0,
    daughters: Annotated[tuple[float, float], typer.Option(help="Masses of its two daughters, GeV.")] = (500.0, 100.0),
    shower: Annotated[str, typer.Option(help="Parton shower: simple, which is Pythia's own, or vincia.")] = "simple",
    mhat_min: Annotated[
        float,
        typer.Option("--mhat-min", min=0, help="Lowest mass of the two partons of QCD, GeV; use jets a fifth above."),
    ] = 0.0,
    constituents: Annotated[bool, typer.Option("--constituents", help="Keep the particles of the jets.")] = False,
    seed: Seed = 1,
    workers: Workers = 1,
    output: Output = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate dijets with Pythia 8 and a fast detector (extra `simulation`)."""
    from analysis.simulation.dijets import simulate_dijets

    terminal = Terminal(json=json, quiet=quiet)
    with _counted(terminal, "events") as simulated:
        path = simulate_dijets(
            events,
            signal=signal,
            seed=seed,
            output=output or Path(f"{signal or 'qcd'}_{seed}.root"),
            resonance_mass=mass,
            daughter_masses=daughters,
            shower=shower,
            mhat_min=mhat_min,
            workers=workers,
            constituents=constituents,
            progress=simulated,
        )
    _written(terminal, path, json, events=events, signal=signal, seed=seed)


@simulation.command()
def jets(
    number: Annotated[int, typer.Option("--jets", "-n", min=1, help="Selected jets.")] = 10_000,
    kind: Annotated[str, typer.Option(help="top, or light: of light quarks and gluons.")] = "top",
    seed: Seed = 1,
    workers: Workers = 1,
    output: Output = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate jets in the layout of JetClass, with charge, type and impact parameters (extra `simulation`)."""
    from analysis.simulation.jetclass import simulate_jets

    terminal = Terminal(json=json, quiet=quiet)
    with _counted(terminal, "jets") as simulated:
        path = simulate_jets(
            number,
            kind=kind,
            seed=seed,
            output=output or Path(f"{kind}_jets_{seed}.root"),
            workers=workers,
            progress=simulated,
        )
    _written(terminal, path, json, jets=number, kind=kind, seed=seed)


@simulation.command()
def showers(
    geometry: Annotated[str, typer.Option(help="ds1-photons, ds2, ds3, calogan or ild.")] = "ds1-photons",
    number: Annotated[int, typer.Option("--showers", "-n", min=1, help="Showers.")] = 1_000,
    particle: Annotated[str, typer.Option(help="photon, electron, or scalar, which decays to two photons.")] = "photon",
    energies: Annotated[tuple[float, float], typer.Option(help="Lowest and highest energy, GeV.")] = (1.0, 20.0),
    uniform: Annotated[bool, typer.Option("--uniform", help="Energies are uniform; by default log-uniform.")] = False,
    angle: Annotated[float, typer.Option(help="Degrees between direction and front face.")] = 90.0,
    mass: Annotated[float, typer.Option(help="Of the scalar, GeV.")] = 0.0,
    distance: Annotated[float, typer.Option(help="From the front face to its decay, mm; negative is before.")] = 0.0,
    call_backs: Annotated[
        bool, typer.Option(help="Without, showers are empty and cpu_s is the time of Geant4 alone.")
    ] = True,
    seed: Seed = 1,
    workers: Workers = 1,
    output: Output = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate electromagnetic showers with Geant4 (extra `geant4`); an interrupted call can be repeated."""
    from analysis.simulation.showers import simulate_showers

    terminal = Terminal(json=json, quiet=quiet)
    with _counted(terminal, "showers") as simulated:
        path = simulate_showers(
            number,
            geometry=geometry,
            seed=seed,
            output=output or Path(f"{geometry}_{particle}_{seed}.h5"),
            particle=particle,
            energies=energies,
            uniform=uniform,
            angle=angle,
            mass=mass,
            distance=distance,
            workers=workers,
            call_backs=call_backs,
            progress=simulated,
        )
    _written(terminal, path, json, geometry=geometry, showers=number, particle=particle, seed=seed)


@simulation.command()
def pixels(
    detector: Annotated[
        str, typer.Option(help="pxd, 40 sensors of 250 × 768 pixels, or pxd-small, of 32 × 96.")
    ] = "pxd",
    events: Annotated[int, typer.Option("--events", "-n", min=1, help="Events.")] = 100,
    seed: Seed = 1,
    output: Output = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make synthetic events of a pixel detector like that of Belle II, by a model of straight tracks."""
    from analysis.simulation.pixels import simulate_pixels

    terminal = Terminal(json=json, quiet=quiet)
    with _counted(terminal, "events") as simulated:
        path = simulate_pixels(
            events, seed=seed, output=output or Path(f"{detector}_{seed}.h5"), detector=detector, progress=simulated
        )
    _written(terminal, path, json, detector=detector, events=events, seed=seed)


def _written(terminal: Terminal, path: Path, json: bool, **what: Any) -> None:
    """Say where a simulated file is, and of what."""
    terminal.result({"path": str(path), **what})
    if not json:
        echo(path)


@contextmanager
def _counted(terminal: Terminal, what: str) -> Iterator[Callable[[int, int], None]]:
    """What shows how many of all are simulated."""
    with terminal.progress() as progress:

        def simulated(done: int, total: int) -> None:
            if progress is not None:
                progress("simulate", done, total, f"{done:,} {what}")

        yield simulated
