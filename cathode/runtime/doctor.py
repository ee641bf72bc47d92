"""What this installation can do: versions, hardware, extras, and two small jobs that must succeed."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Any, Literal

PACKAGES = (
    "cathode-hep",
    "numpy",
    "scipy",
    "torch",
    "lightning-fabric",
    "nflows",
    "scikit-learn",
    "uproot",
    "awkward",
    "iminuit",
    "matplotlib",
)
EXTRAS = {
    "simulation": ("pythia8mc", "fastjet"),
    "onnx": ("onnx", "onnxruntime"),
    "xrootd": ("fsspec_xrootd", "XRootD"),
    "flows": ("zuko", "torchdiffeq"),
    "geant4": ("geant4_pybind", "xraylib", "xpecgen"),
    "dask": ("distributed", "dask_jobqueue"),
}
REINSTALL = "Install the tested versions: pip install -c constraints.txt cathode-hep"
GIGABYTE = 1e9
LITTLE_MEMORY = 2 * GIGABYTE
LITTLE_DISK = 1 * GIGABYTE

Status = Literal["good", "note", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do where `status` is not "good"."""

    what: str
    found: str
    status: Status = "good"
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was looked at."""

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is broken; notes are allowed."""
        return all(f.status != "bad" for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {"healthy": self.healthy, "findings": [asdict(f) for f in self.findings]}


def diagnose(folder: Path | None = None) -> Diagnosis:
    """Look at the installation; `folder` is where runs would be written (default: the working directory)."""
    jobs: list[tuple[str, Callable[[], Finding]]] = [
        ("Python", _python),
        *((name, partial(_package, name)) for name in PACKAGES),
        ("threads", _threads),
        ("BLAS and OpenMP", _blas),
        ("device", _device),
        ("memory", _memory),
        ("disk", partial(_disk, folder or Path.cwd())),
        *((f"extra '{name}'", partial(_extra, name, modules)) for name, modules in EXTRAS.items()),
        ("ROOT round trip", partial(_trial, "ROOT round trip", _root_round_trip)),
        ("small flow trains", partial(_trial, "small flow trains", _small_flow)),
    ]
    return Diagnosis(tuple(_looked(what, job) for what, job in jobs))


def _looked(what: str, job: Callable[[], Finding]) -> Finding:
    """Whatever goes wrong is a finding, because a doctor must not fall ill."""
    try:
        return job()
    except Exception as error:
        return Finding(what, f"{type(error).__name__}: {error}", "bad", REINSTALL)


def _python() -> Finding:
    return Finding(
        "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    )


def _package(name: str) -> Finding:
    try:
        return Finding(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", "bad", REINSTALL)


def _threads() -> Finding:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "not set")
    found = f"{cores} cores, torch uses {torch.get_num_threads()}, OMP_NUM_THREADS {asked}"
    if torch.get_num_threads() > cores:
        return Finding(
            "threads", found, "note", "More threads than cores slow small networks down; set OMP_NUM_THREADS."
        )
    return Finding("threads", found)


def _blas() -> Finding:
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    pools = [f"{p['internal_api']} {p.get('version') or ''} ({p['num_threads']})" for p in threadpool_info()]
    return Finding("BLAS and OpenMP", ", ".join(dict.fromkeys(pools)) or "none found")


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("device", ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())))
    if torch.backends.mps.is_available():
        return Finding("device", "Apple GPU")
    return Finding("device", "CPU only, which is enough for feature vectors")


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / GIGABYTE:.1f} of {memory.total / GIGABYTE:.1f} GB free"
    if memory.available < LITTLE_MEMORY:
        return Finding("memory", found, "note", "Lower data.memory, or close other programs.")
    return Finding("memory", found)


def _disk(folder: Path) -> Finding:
    import psutil

    free = psutil.disk_usage(str(folder)).free
    found = f"{free / GIGABYTE:.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Finding("disk", f"{folder} can not be written", "note", "Give --output a folder that can.")
    if free < LITTLE_DISK:
        return Finding("disk", found, "note", "Runs and downloads may not fit; give --output another disk.")
    return Finding("disk", found)


def _extra(name: str, modules: tuple[str, ...]) -> Finding:
    missing = [m for m in modules if util.find_spec(m) is None]
    if missing:
        return Finding(
            f"extra '{name}'", f"not installed ({', '.join(missing)})", "note", f"pip install 'cathode-hep[{name}]'"
        )
    return Finding(f"extra '{name}'", "installed")


def _trial(what: str, job: Callable[[], str]) -> Finding:
    """Do a small job, and say how long it took."""
    start = time.perf_counter()
    found = job()
    return Finding(what, f"{found}, {time.perf_counter() - start:.1f} s")


def _root_round_trip() -> str:
    import numpy as np
    import uproot

    values = np.arange(1000, dtype=np.float64) / 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.root"
        with uproot.recreate(path) as file:
            file.mktree("Events", {"x": "float64"}).extend({"x": values})
        with uproot.open(path) as file:
            back = file["Events"]["x"].array(library="np")
    if not np.array_equal(back, values):
        raise ValueError("what was read differs from what was written")
    return "1000 entries come back unchanged"


def _small_flow() -> str:
    import numpy as np

    from generators.registry import create

    rng = np.random.default_rng(0)
    x, context = rng.normal(size=(1000, 2)), rng.uniform(size=(1000, 1))
    flow = create({"kind": "flow_matching", "hidden": 16, "layers": 1, "training": {"steps": 20, "batch_size": 256}})
    drawn = flow.fit(x, context, seed=1).sample(context[:100], seed=2)
    if drawn.shape != (100, 2) or not np.isfinite(drawn).all():
        raise ValueError(f"samples of shape {drawn.shape}, {int((~np.isfinite(drawn)).sum())} of them not finite")
    return "20 steps and 100 finite samples"
