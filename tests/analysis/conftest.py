"""Small dijet ntuples in every layout and format, made on the spot."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import awkward as ak
import numpy as np
import pytest

from analysis.io import chunks

Columns = dict[str, Any]
FIELDS = ("pt", "eta", "phi", "mass", "tau1", "tau2")


def nanoaod(n: int, seed: int = 0, *, first_event: int = 1, fewest: int = 0) -> Columns:
    """NanoAOD-like columns: `fewest` to 4 large jets per event in descending pT, GeV."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(fewest, 5, n)
    total = int(counts.sum())
    pt = ak.unflatten((500 + rng.exponential(300, total)).astype(np.float32), counts)

    def uniform(low: float, high: float) -> ak.Array:
        return ak.unflatten(rng.uniform(low, high, total).astype(np.float32), counts)

    return {
        "run": np.full(n, 7, dtype=np.uint32),
        "luminosityBlock": (np.arange(n) // 50).astype(np.uint32),
        "event": np.arange(first_event, first_event + n, dtype=np.uint64),
        "genWeight": rng.normal(0.5, 1.0, n).astype(np.float32),
        "isSignal": (rng.random(n) < 0.1).astype(np.int8),
        "HLT_jet": rng.random(n) < 0.8,
        "FatJet_pt": ak.sort(pt, ascending=False),
        "FatJet_eta": uniform(-2.5, 2.5),
        "FatJet_phi": uniform(-3.14, 3.14),
        "FatJet_mass": uniform(20, 400),
        "FatJet_tau1": uniform(0.1, 0.5),
        "FatJet_tau2": uniform(0.01, 0.2),
    }


def physlite(columns: Columns, separator: str = ".") -> Columns:
    """The same events as PHYSLITE has them: MeV, auxiliary stores, no label."""
    store = f"AnalysisLargeRJetsAuxDyn{separator}"
    names = {"mass": "m", "tau1": "Tau1_wta", "tau2": "Tau2_wta"}
    out: Columns = {
        f"EventInfoAuxDyn{separator}runNumber": columns["run"],
        f"EventInfoAuxDyn{separator}lumiBlock": columns["luminosityBlock"],
        f"EventInfoAuxDyn{separator}eventNumber": columns["event"],
    }
    for field in FIELDS:
        values = columns[f"FatJet_{field}"]
        # Powers of two scale exactly, so that MeV / 1000 can be compared bit for bit below only where it is exact.
        scaled = ak.values_astype(ak.values_astype(values, np.float64) * 1000, np.float32)
        out[store + names.get(field, field)] = scaled if field in ("pt", "mass") else values
    return out


def flat(columns: Columns) -> Columns:
    """The events with two jets, one branch per number."""
    keep = ak.to_numpy(ak.num(columns["FatJet_pt"]) >= 2)
    out = {name: columns[name][keep] for name in ("run", "luminosityBlock", "event", "isSignal")}
    for field in FIELDS:
        for i in (0, 1):
            out[f"jet{i + 1}_{field}"] = ak.to_numpy(columns[f"FatJet_{field}"][keep][:, i])
    return out


def write(path: Path, columns: Columns, *, tree: str = "Events", step: int | None = None) -> Path:
    """Write by suffix: .root is a TTree, .rntuple.root an RNTuple; `step` entries per basket, cluster or row group."""
    if path.suffix == ".h5":
        from analysis.io.hdf5 import write_columns

        write_columns(path, columns, tree=tree)
        return path
    if path.suffix == ".parquet":
        ak.to_parquet(ak.Array(columns), path, row_group_size=step or 10**6)
        return path
    import uproot

    n = len(next(iter(columns.values())))
    parts = [slice(i, i + (step or n)) for i in range(0, n, step or n)] if n else [slice(0, 0)]
    with uproot.recreate(path) as file:
        if path.name.endswith(".rntuple.root"):
            writer = file.mkrntuple(tree, ak.Array({name: values[parts[0]] for name, values in columns.items()}))
            rest = parts[1:]
        else:
            types = {k: v.dtype if isinstance(v, np.ndarray) else v.type.content for k, v in columns.items()}
            writer, rest = file.mktree(tree, types), parts if n else []
        for part in rest:
            values = {name: values[part] for name, values in columns.items()}
            writer.extend(ak.Array(values) if path.name.endswith(".rntuple.root") else values)
    return path


@pytest.fixture(scope="session")
def make_nanoaod() -> Callable[..., Columns]:
    return nanoaod


@pytest.fixture(scope="session")
def make_physlite() -> Callable[..., Columns]:
    return physlite


@pytest.fixture(scope="session")
def make_flat() -> Callable[..., Columns]:
    return flat


@pytest.fixture(scope="session")
def write_ntuple() -> Callable[..., Path]:
    return write


SMALLEST = chunks.SMALLEST


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterator[None]:
    """Small files are read in many chunks, under ceilings that are refused elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "SMALLEST", 1)
        yield


@pytest.fixture
def real_ceilings(small_chunks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ceilings that users may set."""
    monkeypatch.setattr(chunks, "SMALLEST", SMALLEST)


WORK = '''
"""Work of tests."""

import os

from analysis.tasks import task


@task
def double(place, *, number, note=""):
    (place / "note.txt").write_text(note)
    return {"double": 2 * number}


@task
def fail(place, *, number=0):
    (place / "half").write_text("half")
    raise ValueError("no such  number\\n" + str(number))


@task
def whole_process(place):
    return os.getpid()


@task
def die(place):
    os._exit(1)


@task
def memory(place, *, number):
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def unmarked(place):
    return 1
'''


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module with the work double, fail, whole_process, die, memory and unmarked."""
    folder = tmp_path / "importable"
    folder.mkdir()
    (folder / "work_of_tests.py").write_text(WORK)
    monkeypatch.syspath_prepend(folder)
    yield import_module("work_of_tests")
    sys.modules.pop("work_of_tests", None)
