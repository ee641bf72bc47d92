"""The LHC Olympics benchmark: S/√B = 2.2 hidden in 3.3–3.7 TeV, found by CATHODE and by what bounds it.

    python benchmarks/lhco.py FOLDER
    python benchmarks/lhco.py folder/with/lhc-olympics/files --injections 5 --json

The folder holds either `qcd.root`, `qcd_reference.root` and `wprime_3500_500_100.root`, or the public R&D files
`events_anomalydetection_v2.features.h5` and `events_anomalydetection_qcd_extra_inneronly_features.h5`.

Every injection (other signal events, other seeds) is a task in a process with one thread; `--workers` says how many at
a time, and with `--tasks` the same call continues an interrupted benchmark:

* `cathode`: this package as it comes;
* `paper`: the recipe of the CATHODE paper (2109.00546) run through the same code: logit, 15-block MAF, ten states,
  mass KDE of the sidebands, 3 × 64 perceptron; `--paper-epochs` and `--paper-injections` bound its cost;
* `idealised`: the default classifier with true background in the place of the template, trained and tested on disjoint
  folds of the independent background. It is evaluated beside `cathode`, in the same process.

Quality is measured on independent events: background that no method has seen (the idealised detector has seen its
other folds) and the signal that was not injected. Closure is the AUC of boosted trees between template and independent
background in the signal region, on held-out halves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.tasks import Task, TaskFolder, resume, task
from analysis.tasks.local import LocalProcesses

WINDOW = (3300.0, 3700.0)
SIGNIFICANCE = 2.2
METHODS = ("cathode", "paper")


@dataclass(frozen=True)
class Measurement:
    """What one method gave for one injection."""

    method: str
    seed: int
    injected_in_window: int
    background_in_window: int
    closure_auc: float
    closure_auc_error: float
    max_sic: float
    max_sic_error: float
    max_sic_at: float
    sic_at_1e_3: float
    idealised_max_sic: float
    idealised_sic_at_1e_3: float
    significance_1e_2: float
    significance_1e_3: float
    seconds: float
    seconds_by_stage: dict[str, float]
    peak_memory_mb: float


def load(folder: Path):
    """Background, independent background, signal."""
    from analysis import DIJET_FEATURES, DIJET_MASS, Events, read_events

    lhco = folder / "events_anomalydetection_v2.features.h5"
    if lhco.exists():
        from analysis.datasets.lhco import read_lhco_features

        events = read_lhco_features(lhco)
        extra = read_lhco_features(folder / "events_anomalydetection_qcd_extra_inneronly_features.h5")
        return events[~events.truth], extra, events[events.truth]

    def read(name: str) -> Events:
        return read_events(folder / name, mass=DIJET_MASS, features=DIJET_FEATURES, truth="isSignal")

    return read("qcd.root"), read("qcd_reference.root"), read("wprime_3500_500_100.root")


def inject(background, signal, region, seed: int, quick: bool):
    """Background with S/√B = 2.2 of signal in the window, the numbers there, and the signal that is left over."""
    from analysis import Events

    rng = np.random.default_rng(seed)
    if quick:
        background = background[np.sort(rng.permutation(len(background))[: len(background) // 4])]
    inside = int(region.signal(background.mass).sum())
    wanted = SIGNIFICANCE * inside**0.5
    number = round(wanted / region.signal(signal.mass).mean())
    order = rng.permutation(len(signal))
    data = Events.concatenate([background, _renumbered(signal[np.sort(order[:number])])])
    return data, inside, int(region.signal(signal.mass[order[:number]]).sum()), signal[np.sort(order[number:])]


def _renumbered(signal):
    """Signal with a run number of its own: identifiers must stay unique, and nothing but the folds depends on them."""
    from dataclasses import replace

    ids = signal.ids.copy()
    ids[:, 0] += np.uint64(1_000_000)
    return replace(signal, ids=ids)


def search_of(method: str, region, seed: int, paper_epochs: int, quick: bool):
    """The search that a method stands for."""
    from cathode import BoostedTrees, KdeMass, Mlp, Search
    from generators import create

    if method == "cathode":
        return Search.of(region=region, classifier=BoostedTrees(members=10 if quick else 50), seed=seed)
    paper = create({"kind": "maf", "training": {"epochs": 1 if quick else paper_epochs}})
    return Search.of(
        region=region,
        generator=paper,
        mass_model=KdeMass(),
        classifier=Mlp(epochs=2) if quick else Mlp(),
        closure=False,
        seed=seed,
    )


@task
def injection(place: Path, *, folder: str, method: str, seed: int, paper_epochs: int, quick: bool) -> dict[str, Any]:
    """One method on one injection: a task that does not depend on any other."""
    return asdict(measure(Path(folder), method, seed, paper_epochs, quick))


def measure(folder: Path, method: str, seed: int, paper_epochs: int, quick: bool) -> Measurement:
    """Run one method on one injection and evaluate it on independent events."""
    from analysis.folds import fold_of
    from analysis.metrics.sic_and_auc import sic
    from cathode import Region
    from cathode.classifiers.cross_fitting import Sample, cross_fit, held_out_scores
    from cathode.diagnostics import Diagnostics
    from cathode.scoring import Scorer

    region = Region(*WINDOW)
    background, reference, signal = load(folder)
    data, inside, injected, rest = inject(background, signal, region, seed, quick)
    search = search_of(method, region, seed, paper_epochs, quick)
    with tempfile.TemporaryDirectory() as output:
        start = time.perf_counter()
        result = search.run(data, output=output)
        seconds = time.perf_counter() - start
        peak = _peak_memory()
        scorer = Scorer.load(output)
        template = Diagnostics.load(Path(output) / "diagnostics.npz").template_x

    reference, rest = reference[region.signal(reference.mass)], rest[region.signal(rest.mass)]
    test_x = np.concatenate([reference.x, rest.x])
    truth = np.arange(len(test_x)) >= len(reference)
    folds = np.concatenate([fold_of(e.ids, search.folds) for e in (reference, rest)])
    curve = sic(held_out_scores(scorer.scoring.classifiers, test_x, folds), truth)

    window = data[region.signal(data.mass)]
    ideal = cross_fit(
        search.method.classifier,
        Sample(window.x, window.weights, fold_of(window.ids, search.folds)),
        Sample(reference.x, reference.weights, folds[: len(reference)]),
        seeds=tuple(range(1000 * seed, 1000 * seed + search.folds)),
    )
    ideal_curve = sic(ideal.score(test_x, folds), truth)
    closure = closure_auc(template, reference.x, seed)
    return Measurement(
        method=method,
        seed=seed,
        injected_in_window=injected,
        background_in_window=inside,
        closure_auc=closure[0],
        closure_auc_error=closure[1],
        max_sic=curve.max_sic.value,
        max_sic_error=curve.max_sic.error,
        max_sic_at=curve.max_sic.background_efficiency,
        sic_at_1e_3=curve.sic_at(1e-3).value,
        idealised_max_sic=ideal_curve.max_sic.value,
        idealised_sic_at_1e_3=ideal_curve.sic_at(1e-3).value,
        significance_1e_2=result.cuts[0].significance,
        significance_1e_3=result.cuts[1].significance,
        seconds=seconds,
        seconds_by_stage=result.seconds,
        peak_memory_mb=peak,
    )


def closure_auc(template: np.ndarray, background: np.ndarray, seed: int) -> tuple[float, float]:
    """AUC of plain boosted trees between template and true background: trained on one half, tested on the other."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    from analysis.metrics.sic_and_auc import auc

    rng = np.random.default_rng(seed)
    n = min(len(template), len(background))
    x = np.concatenate([rng.permutation(template)[:n], rng.permutation(background)[:n]])
    y = np.arange(2 * n) >= n
    scores = np.empty(2 * n)
    # Both halves are tested, each by the trees of the other: all events count towards the error.
    half = rng.permutation(2 * n) % 2 == 0
    for test in (half, ~half):
        trees = HistGradientBoostingClassifier(max_iter=100, early_stopping=True, random_state=seed)
        scores[test] = trees.fit(x[~test], y[~test]).predict_proba(x[test])[:, 1]
    parts = [auc(scores[test], y[test]) for test in (half, ~half)]
    return float(np.mean([p.value for p in parts])), float(np.hypot(*(p.error for p in parts)) / 2)


def _peak_memory() -> float:
    """The largest so far of this process and of what it started, MB."""
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + children) / 1024


def planned(arguments: argparse.Namespace, counts: dict[str, int], place: Path) -> TaskFolder:
    """All injections of all methods as a folder of tasks."""
    return TaskFolder.planned(
        place,
        [
            Task.of(
                injection,
                folder=str(arguments.folder.resolve()),
                method=method,
                seed=seed,
                paper_epochs=arguments.paper_epochs,
                quick=arguments.quick,
            )
            for method, number in counts.items()
            for seed in range(1, number + 1)
        ],
    )


def found_in(folder: TaskFolder) -> dict[str, list[Measurement]]:
    """The measurements by method."""
    found: dict[str, list[Measurement]] = {method: [] for method in METHODS}
    for done in folder.collect():
        found[done.task.arguments["method"]].append(Measurement(**done.result))
    return found


def band(values: list[float]) -> str:
    """Median with 16–84 % band."""
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]" if middle < 1 else f"{middle:.1f} [{low:.1f}, {high:.1f}]"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--injections", type=int, default=5)
    parser.add_argument("--paper-injections", type=int, default=1)
    parser.add_argument("--paper-epochs", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--quick", action="store_true", help="a quarter of the background, one injection, small models")
    parser.add_argument("--tasks", type=Path, help="keep the tasks here; the same call continues them")
    parser.add_argument("--workers", type=int, default=1, help="injections at a time, each on one thread")
    arguments = parser.parse_args()
    counts = {"cathode": arguments.injections, "paper": arguments.paper_injections}
    if arguments.quick:
        counts = dict.fromkeys(METHODS, 1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = planned(arguments, counts, arguments.tasks or Path(temporary) / "tasks")
        # A process even for one at a time: peak memory is that of one injection.
        resume(folder, LocalProcesses(arguments.workers))
        found = found_in(folder)
    report(found, arguments)


def report(found: dict[str, list[Measurement]], arguments: argparse.Namespace) -> None:
    """Print the table or the JSON object."""
    ours = found["cathode"]
    summary = {
        "closure_auc": float(np.median([m.closure_auc for m in ours])),
        "closure_auc_error": float(np.median([m.closure_auc_error for m in ours])),
        "sic_ratio_to_idealised": float(np.median([m.max_sic / m.idealised_max_sic for m in ours])),
        "max_sic": float(np.median([m.max_sic for m in ours])),
        "sic_at_1e-3": float(np.median([m.sic_at_1e_3 for m in ours])),
        "seconds": float(np.median([m.seconds for m in ours])),
        "peak_memory_mb": float(np.max([m.peak_memory_mb for m in ours])),
        "injections": len(ours),
        "paper_epochs": arguments.paper_epochs,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "versions": versions(),
        "runs": {method: [asdict(m) for m in runs] for method, runs in found.items()},
    }
    if arguments.json:
        print(json.dumps(summary))
        return
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        + ", ".join(f"{k} {v}" for k, v in versions().items())
    )
    print(f"S = {ours[0].injected_in_window}, B = {ours[0].background_in_window} in {WINDOW[0]:g}–{WINDOW[1]:g} GeV")
    rows = [
        ("closure AUC", lambda m: m.closure_auc),
        ("max SIC", lambda m: m.max_sic),
        ("  idealised", lambda m: m.idealised_max_sic),
        ("  ratio", lambda m: m.max_sic / m.idealised_max_sic),
        ("SIC at 1e-3", lambda m: m.sic_at_1e_3),
        ("  idealised", lambda m: m.idealised_sic_at_1e_3),
        ("Z at 1e-2", lambda m: m.significance_1e_2),
        ("Z at 1e-3", lambda m: m.significance_1e_3),
        ("seconds", lambda m: m.seconds),
        ("peak MB", lambda m: m.peak_memory_mb),
    ]
    names = {"cathode": f"cathode ({len(ours)} injections)"}
    names["paper"] = f"paper recipe ({len(found['paper'])}, {arguments.paper_epochs} epochs)"
    shown = [method for method in METHODS if found[method]]
    print(f"{'':16}" + "".join(f"{names[method]:>34}" for method in shown))
    for label, value in rows:
        print(f"{label:16}" + "".join(f"{band([value(m) for m in found[method]]):>34}" for method in shown))


def versions() -> dict[str, str]:
    """What decides the numbers."""
    from importlib.metadata import version

    names = ("cathode-hep", "torch", "nflows", "scikit-learn", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


if __name__ == "__main__":
    main()
