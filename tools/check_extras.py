"""Every extra of the package is installed from the wheel into an environment, and used there for one small job.

    python tools/check_extras.py build/release dist/cathode_hep-*.whl -- --extra-index-url https://…

`JOBS` has a job for every extra of `pyproject.toml`; what stands after `--` is given to pip, which keeps to
`constraints.txt`. A job that fails ends this with status 1, and the others are still tried.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from analysis.tasks import Task, TaskFolder, executor, run, task

ROOT = Path(__file__).resolve().parents[1]


@task
def squared(place: Path, *, number: int) -> dict[str, int]:
    """What a worker of Dask is asked."""
    del place
    return {"square": number**2}


def simulation() -> str:
    """Ten collisions of Pythia, and what FastJet makes of three particles."""
    from analysis.simulation.extras import fastjet
    from analysis.simulation.generation import collisions
    from analysis.simulation.processes import wprime

    library = fastjet()
    particles, events = next(collisions(wprime(3500.0, (500.0, 100.0)), seed=1))
    moved = [library.PseudoJet(99.0, 0.1, 0.0, 99.5), library.PseudoJet(4.0, 99.0, 0.0, 99.6)]
    jets = library.ClusterSequence(moved, library.JetDefinition(library.antikt_algorithm, 0.4)).inclusive_jets()
    assert len(jets) == 2
    return f"{events} collisions with {len(particles.pdg):,} particles"


def geant4() -> str:
    """The tables of lead, and one photon in a calorimeter of Geant4."""
    import numpy as np

    from analysis.simulation.electromagnetic_data import write_electromagnetic_data
    from analysis.simulation.geant4 import simulation_of
    from analysis.simulation.primaries import Primary
    from analysis.simulation.stacks import STACKS

    with tempfile.TemporaryDirectory() as folder:
        write_electromagnetic_data(Path(folder) / "data", [82])
    photon = Primary("gamma", 1000.0, np.array([0.0, 0.0, -1.0]), np.array([0.0, 0.0, 1.0]))
    deposits, _ = simulation_of(next(iter(STACKS))).shoot([photon])
    assert 0 < deposits[:, 3].sum() <= 1000.0
    return f"{deposits[:, 3].sum():.0f} of 1000 MeV deposited"


def flows() -> str:
    """A flow of zuko, and an adaptive solver of torchdiffeq that finds e."""
    import torch

    from generators import create
    from generators.continuous.solvers import solver

    create("zuko", flow="NSF")
    # dx/dt = x from 0 to 1.
    found = solver("dopri5", steps=1, tolerance=1e-6)(lambda x, _: x, torch.ones(1), start=0.0, end=1.0)
    assert abs(float(found[0]) - 2.718282) < 1e-4
    return f"dopri5 finds e = {float(found[0]):.5f}"


def onnx() -> str:
    """A small flow as ONNX, which is compared in onnxruntime as it is written."""
    import numpy as np

    from generators import create
    from generators.export.onnx import export_sampler

    rng = np.random.default_rng(1)
    generator = create("maf", training={"epochs": None, "steps": 2})
    generator.fit(rng.normal(size=(500, 2)), rng.normal(size=(500, 1)), seed=1)
    with tempfile.TemporaryDirectory() as folder:
        size = export_sampler(generator, Path(folder) / "sampler.onnx").stat().st_size
    return f"a sampler of {size:,} bytes"


def xrootd() -> str:
    """A file is read by the client of XRootD, and its protocol is known to fsspec."""
    import fsspec
    from XRootD import client

    assert fsspec.get_filesystem_class("root").__module__.startswith("fsspec_xrootd")
    with tempfile.NamedTemporaryFile(suffix=".root") as file:
        file.write(b"root, read from here")
        file.flush()
        with client.File() as remote:
            status, _ = remote.open(f"file://localhost{file.name}")
            assert status.ok, status.message
            _, content = remote.read()
    assert content == b"root, read from here"
    return "a local file is read"


def docs() -> str:
    """A page of Markdown with a theme, as a site without warnings."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "conf.py").write_text('extensions = ["myst_parser"]\nhtml_theme = "furo"\n', encoding="utf-8")
        (place / "index.md").write_text("# A page\n\nWith a line.\n", encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", folder, str(place / "site")]
        subprocess.run(command, check=True)
        text = (place / "site" / "index.html").read_text(encoding="utf-8")
    assert "With a line." in text
    return f"a page of {len(text):,} characters"


def dask() -> str:
    """A scheduler and a worker on this machine do a task; a batch system would be asked by its command."""
    import check_extras
    import dask_jobqueue.slurm

    with tempfile.TemporaryDirectory() as folder:
        tasks = TaskFolder.planned(Path(folder) / "tasks", [Task.of(check_extras.squared, number=7)])
        status = run(tasks, executor(1, scheduler="dask"))
        (done,) = tasks.collect()
    assert (status.done, done.result) == (1, {"square": 49})
    return f"7² = 49 by a worker; batch jobs by {dask_jobqueue.slurm.SLURMJob.submit_command}"


def dev() -> str:
    """A test is run, a line is linted and typed, and a p-value of pyhf is found."""
    import pyhf

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_one.py").write_text('"""One."""\n\n\ndef test_one() -> None:\n    assert 1\n', "utf-8")
        for command in (["pytest", "-q"], ["ruff", "check"], ["mypy", "--strict", "test_one.py"]):
            subprocess.run([sys.executable, "-m", *command], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    model = pyhf.simplemodels.uncorrelated_background([5.0], [50.0], [7.0])
    cls = pyhf.infer.hypotest(1.0, [50.0, *model.config.auxdata], model, test_stat="qtilde")
    return f"a test, a lint, types, and CLs = {float(cls):.2f}"


#: Extra -> what it is used for. The largest come last, so that each is used before the next one brings more.
JOBS: dict[str, Callable[[], str]] = {
    "flows": flows,
    "onnx": onnx,
    "xrootd": xrootd,
    "simulation": simulation,
    "geant4": geant4,
    "dask": dask,
    "docs": docs,
    "dev": dev,
}


def installed_and_used(extra: str, python: Path, wheel: Path, options: list[str]) -> bool:
    """Install one extra of the wheel, and let the environment do its job; whether both succeeded."""
    start = time.monotonic()
    install = ["install", "--quiet", "--disable-pip-version-check", "--prefer-binary", *options]
    constrained = ["-c", str(ROOT / "constraints.txt"), f"{wheel}[{extra}]"]
    use = [str(python), str(Path(__file__).resolve()), "--use", extra]
    commands = [[str(python), "-m", "pip", *install, *constrained], use]
    passed = all(subprocess.run(each, check=False, cwd=python.parent).returncode == 0 for each in commands)
    sys.stdout.write(f"extra {extra}: {'good' if passed else 'FAILED'}, {time.monotonic() - start:.0f} s\n")
    sys.stdout.flush()
    return passed


def main() -> int:
    """Do one job here, or install and use all extras in the environment that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, nargs="?", help="folder of a virtual environment")
    parser.add_argument("wheel", type=Path, nargs="?")
    parser.add_argument("--use", choices=[*JOBS], help="do the job of one extra in this environment")
    options = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    asked = parser.parse_args(sys.argv[1 : len(sys.argv) - len(options)] if options else None)
    if asked.use:
        sys.stdout.write(f"  {JOBS[asked.use]()}\n")
        return 0
    if asked.environment is None or asked.wheel is None:
        parser.error("name the folder of an environment and a wheel")
    python, wheel = asked.environment.absolute() / "bin" / "python", asked.wheel.absolute()
    passed = [installed_and_used(extra, python, wheel, options) for extra in JOBS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
