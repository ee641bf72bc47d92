"""Throughput from ROOT ntuples to features, beside bare uproot + awkward doing the same arithmetic.

    python benchmarks/reading.py FOLDER/qcd.root
    python benchmarks/reading.py 'ntuples/*.root' --json

Both sides read the same branches, require two jets, and compute the dijet mass, the light jet's mass, the difference of
masses and τ21 of both jets into NumPy arrays beside event numbers and truth. They take turns in one process, and the
median of CPU times counts. The bare side writes the formulas out in awkward; `vector` names the same with vector's
behaviours. Ours also checks units, duplicates, and NaN. Goal: at most 1.3 × the time of the bare side. `decompression`
only decompresses the baskets of the branches that ours reads, the least that anybody can do.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable
from importlib.metadata import version

import awkward as ak
import numpy as np
import psutil
import uproot
import vector

from analysis import DIJET_FEATURES, DIJET_MASS, read_events
from analysis.io.paths import expand

JET_FIELDS = ("pt", "eta", "phi", "mass", "tau1", "tau2")
NUMBERS = ("run", "luminosityBlock", "event")
MEMORY = "200 MB"
Columns = dict[str, np.ndarray]


def ours(paths: tuple[str, ...]) -> Columns:
    """The package."""
    events = read_events(
        paths, mass=DIJET_MASS, features=DIJET_FEATURES, selection="num(FatJet) >= 2", truth="isSignal", memory=MEMORY
    )
    return {"mass": events.mass, "x": events.x, "ids": events.ids, "truth": events.truth}


def bare(paths: tuple[str, ...]) -> Columns:
    """Plain uproot and awkward, formulas written out."""
    return _chunked(paths, _mass_by_formula)


def bare_with_vector(paths: tuple[str, ...]) -> Columns:
    """Plain uproot and awkward, kinematics by the behaviours of vector."""
    return _chunked(paths, _mass_by_vector)


def _chunked(paths: tuple[str, ...], dijet_mass: Callable[[ak.Array], np.ndarray]) -> Columns:
    parts: dict[str, list[np.ndarray]] = {"mass": [], "x": [], "ids": [], "truth": []}
    branches = [f"FatJet_{field}" for field in JET_FIELDS] + [*NUMBERS, "isSignal"]
    for events in uproot.iterate([{path: "Events"} for path in paths], branches, step_size="100 MB"):
        events = events[ak.num(events.FatJet_pt) >= 2]
        parts["mass"].append(dijet_mass(events))
        first, second = events.FatJet_mass[:, 0], events.FatJet_mass[:, 1]
        first_is_light = first <= second
        tau21 = [events.FatJet_tau2[:, i] / (events.FatJet_tau1[:, i] + 1e-5) for i in (0, 1)]
        light = ak.where(first_is_light, first, second)
        heavy = ak.where(first_is_light, second, first)
        tau_light = ak.where(first_is_light, tau21[0], tau21[1])
        tau_heavy = ak.where(first_is_light, tau21[1], tau21[0])
        x = [ak.to_numpy(c) for c in (light, heavy - light, tau_light, tau_heavy)]
        parts["x"].append(np.stack(x, axis=1).astype(np.float32))
        parts["ids"].append(np.stack([ak.to_numpy(events[n]).astype(np.uint64) for n in NUMBERS], axis=1))
        parts["truth"].append(ak.to_numpy(events.isSignal) == 1)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _mass_by_formula(events: ak.Array) -> np.ndarray:
    total = [0.0, 0.0, 0.0, 0.0]
    for i in (0, 1):
        pt, eta, phi, mass = (
            ak.values_astype(events[f"FatJet_{f}"][:, i], np.float64) for f in ("pt", "eta", "phi", "mass")
        )
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
        total = [t + c for t, c in zip(total, (px, py, pz, energy), strict=True)]
    return ak.to_numpy(np.sqrt(total[3] ** 2 - total[0] ** 2 - total[1] ** 2 - total[2] ** 2))


def _mass_by_vector(events: ak.Array) -> np.ndarray:
    jets = [
        vector.zip({f: ak.values_astype(events[f"FatJet_{f}"][:, i], np.float64) for f in ("pt", "eta", "phi", "mass")})
        for i in (0, 1)
    ]
    return ak.to_numpy((jets[0] + jets[1]).mass)


def decompressed(paths: tuple[str, ...]) -> int:
    """Bytes of the baskets that hold what both sides read."""
    total = 0
    for path in paths:
        with uproot.open(path) as file:
            for name in (*(f"FatJet_{field}" for field in JET_FIELDS), *NUMBERS, "isSignal"):
                branch = file["Events"][name]
                total += sum(len(branch.basket(number).data) for number in range(branch.num_baskets))
    return total


SIDES: dict[str, Callable[[tuple[str, ...]], Columns]] = {"ours": ours, "bare": bare, "vector": bare_with_vector}


def peak_memory(name: str, paths: tuple[str, ...]) -> float:
    """Growth of the resident memory over that of the imports, in MB, sampled every 2 ms in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_growth, (name, paths))


def _growth(name: str, paths: tuple[str, ...]) -> float:
    process = psutil.Process()
    before = highest = process.memory_info().rss
    done = threading.Event()

    def sample() -> None:
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, process.memory_info().rss)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        SIDES[name](paths)
    finally:
        done.set()
        sampler.join()
    return (highest - before) / 1e6


def measure(paths: tuple[str, ...], repetitions: int) -> dict[str, object]:
    """Alternate between the sides and compare medians; a first round warms caches and checks that results agree."""
    results = {name: side(paths) for name, side in SIDES.items()}
    for name in ("bare", "vector"):
        np.testing.assert_allclose(results["ours"]["mass"], results[name]["mass"], rtol=1e-6)
        np.testing.assert_allclose(results["ours"]["x"], results[name]["x"], rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(results["ours"]["ids"], results[name]["ids"])
    events = len(results["ours"]["mass"])
    del results
    work = {**SIDES, "decompression": decompressed}
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repetitions):
        for name, side in work.items():
            start = time.process_time()
            side(paths)
            seconds[name].append(time.process_time() - start)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    rounds = [a / b for a, b in zip(seconds["ours"], seconds["bare"], strict=True)]
    return {
        "events": events,
        "repetitions": repetitions,
        "seconds": median["ours"],
        "seconds_bare": median["bare"],
        "seconds_vector": median["vector"],
        "seconds_decompression": median["decompression"],
        "ratio": statistics.median(rounds),
        "events_per_second": events / median["ours"],
        "peak_memory_mb": peak_memory("ours", paths),
        "peak_memory_mb_bare": peak_memory("bare", paths),
        "memory_ceiling": MEMORY,
        "threads": {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "unset"), "decompression": 1},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "awkward", "uproot", "vector")},
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", help="ROOT files or patterns with a NanoAOD-like tree Events")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="three repetitions instead of nine")
    arguments = parser.parse_args()
    result = measure(expand(arguments.files), 3 if arguments.quick else 9)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{result['events']:,} events, median of {result['repetitions']}, threads {result['threads']}")
    print(f"versions {result['versions']}\n")
    print(f"{'side':<28}{'s':>8}{'10^6 events/s':>16}{'peak MB':>10}")
    for label, key, memory in (
        ("read_events", "seconds", "peak_memory_mb"),
        ("bare uproot + awkward", "seconds_bare", "peak_memory_mb_bare"),
        ("bare uproot + vector", "seconds_vector", None),
        ("decompression alone", "seconds_decompression", None),
    ):
        rate = result["events"] / result[key] / 1e6
        print(f"{label:<28}{result[key]:>8.3f}{rate:>16.2f}{'' if memory is None else f'{result[memory]:.0f}':>10}")
    print(f"\nratio to bare (median of rounds): {result['ratio']:.2f}, goal 1.3")


if __name__ == "__main__":
    main()
