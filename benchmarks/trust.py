"""Can the number that a search ends with be trusted? Searches without a signal in many windows, and with one.

    python benchmarks/trust.py FOLDER
    python benchmarks/trust.py FOLDER --quick --json --tasks trust

FOLDER holds `qcd.root`, `qcd_reference.root` and `wprime_3500_500_100.root`. Every search is a task in a process
with one thread; `--workers` says how many at a time, and with `--tasks` the same call continues an interrupted
benchmark.

* *bias*: a default search of `qcd.root` in every window and with every seed, without a signal. The relative difference
  of observed and expected events, after correction and before, with the error of both counts. Seeds share data: the
  error of a window is that of one of them. `control` is the same count with true background, half of
  `qcd_reference.root`, in the place of the template: what the method does that is not the template's fault.
* *signal*: a resonance at S/√B = 2.2 in 3.3–3.7 TeV, one data set and several seeds: the spread of Z, what the
  systematic costs, and what is kept of what the idealised detector finds. W′ with the features of a dijet by default;
  of other files and sets of features every pair is searched for:

      cathode data simulate dijets --signal zprime_tt -n 5000 --output zprime_tt.root
      python benchmarks/trust.py FOLDER --seeds 0 --signals zprime_tt.root --features dijet dijet_tau --signal-seeds 2

The window that touches the turn-on of the spectrum is shown and not in the mean; `withheld` says in which windows no
significance was quoted. `--seeds 0` or `--signal-seeds 0` leaves one part out, whose keys are then null.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from analysis.tasks import Task, TaskFolder, resume, task
from analysis.tasks.local import LocalProcesses

WINDOWS = (
    (2700.0, 2900.0),
    (3050.0, 3350.0),
    (3450.0, 3850.0),
    (3750.0, 4250.0),
    (4250.0, 4850.0),
    (4600.0, 5200.0),
)
TURN_ON = WINDOWS[0]
SIGNAL_WINDOW = (3300.0, 3700.0)
SIDEBAND_LOW = 2300.0
SIGNIFICANCE = 2.2
CUTS = (1e-2, 1e-3)
BACKGROUNDS = "qcd.root", "qcd_reference.root"
WPRIME = "wprime_3500_500_100.root"


def read(path: Path, features: str = "dijet") -> Any:
    """Events of one file with a set of features."""
    from analysis import DIJET_MASS, read_events
    from analysis.features.dijets import FEATURE_SETS

    return read_events(path, mass=DIJET_MASS, features=FEATURE_SETS[features], truth="isSignal")


def search_of(window: tuple[float, float], seed: int, quick: bool) -> Any:
    """The search as it comes; quick, with fewer members and a shorter training."""
    from cathode import BoostedTrees, Region, Search
    from generators import create

    region = Region(*window, sideband_low=SIDEBAND_LOW)
    if not quick:
        return Search.of(region=region, seed=seed, workers=1)
    generator = create({"kind": "autoregressive_spline", "training": {"steps": 600, "batch_size": 2048}})
    classifier = BoostedTrees(members=8)
    return Search.of(
        region=region,
        generator=generator,
        classifier=classifier,
        closure_members=4,
        closure_generators=2,
        folds=3,
        seed=seed,
        workers=1,
    )


@task
def bias(place: Path, *, folder: str, window: tuple[float, float], seed: int, quick: bool) -> dict[str, Any]:
    """One search without a signal, and the same with true background as template."""
    events, reference = (read(Path(folder) / name) for name in BACKGROUNDS)
    search = search_of(tuple(window), seed, quick)  # type: ignore[arg-type]
    start = time.process_time()
    result = search.run(events)
    seconds = time.process_time() - start
    return {
        "seconds": seconds,
        "cuts": {f"{cut.background_efficiency:g}": _compared(cut) for cut in result.cuts},
        "control": _control(search, events, reference),
        "warnings": list(result.warnings),
        "withheld": bool(result.withheld),
        "validated": result.validated,
    }


@task
def signal(place: Path, *, folder: str, resonance: str, features: str, seed: int, quick: bool) -> dict[str, Any]:
    """One search of the data set with a signal, evaluated beside the idealised detector."""
    paths = [Path(folder) / name for name in BACKGROUNDS]
    background, reference, events = (read(path, features) for path in (*paths, Path(resonance)))
    search = search_of(SIGNAL_WINDOW, seed, quick)
    start = time.process_time()
    result = search.run(_with_signal(background, events, search.region), reference=reference)
    truth = result.truth
    assert truth is not None
    assert truth.idealised is not None
    return {
        "seconds": time.process_time() - start,
        "cuts": {f"{cut.background_efficiency:g}": _compared(cut) for cut in result.cuts},
        "validated": result.validated,
        "max_sic": truth.max_sic,
        "idealised_max_sic": truth.idealised.max_sic,
    }


def _compared(cut: Any) -> dict[str, float | None]:
    from analysis.statistics.p_values import log_p_to_z

    quoted = np.isfinite(cut.p_value)
    with np.errstate(divide="ignore"):
        exact = float(log_p_to_z(np.log(cut.p_value_exact))) if quoted else 0.0
    counting = np.hypot(np.sqrt(cut.expected), cut.statistical) / cut.expected
    return {
        "bias": cut.observed / cut.expected - 1,
        "error": float(counting),
        "uncorrected": cut.observed / (cut.expected / (1 + cut.shift)) - 1,
        "shift": cut.shift,
        "systematic": cut.systematic / cut.expected,
        "resolution": cut.resolution,
        "z": cut.significance if quoted else None,
        "z_exact": max(0.0, exact) if quoted else None,
    }


def _control(search: Any, events: Any, reference: Any) -> dict[str, tuple[float, float]]:
    """Relative difference and error by cut, true background in the place of the template."""
    from analysis.folds import fold_of
    from cathode.classifiers.cross_fitting import Sample, cross_fit
    from cathode.cut_and_count import count, make_cut
    from cathode.methods.protocol import Reference

    data, true = (each[search.region.signal(each.mass)] for each in (events, reference))
    samples = [Sample(each.x, each.weights, fold_of(each.ids, search.folds)) for each in (data, true)]
    fit = cross_fit(search.method.classifier, *samples, seeds=tuple(range(search.folds)))
    template = Reference(true.x, true.mass, fit.template, samples[1].fold, true.weights)
    found = {}
    for efficiency in CUTS:
        counts = count(make_cut(efficiency, template, search.folds), fit.data, data.weights, samples[0].fold, template)
        error = np.hypot(1 / np.sqrt(counts.expected), 1 / np.sqrt(counts.effective))
        found[f"{efficiency:g}"] = (counts.observed / counts.expected - 1, float(error))
    return found


def _with_signal(background: Any, resonance: Any, region: Any) -> Any:
    """The one data set with signal: its events are chosen once, whatever the seed of the search."""
    from dataclasses import replace

    from analysis import Events

    inside = int(region.signal(background.mass).sum())
    number = round(SIGNIFICANCE * inside**0.5 / region.signal(resonance.mass).mean())
    chosen = resonance[np.sort(np.random.default_rng(1).permutation(len(resonance))[:number])]
    ids = chosen.ids.copy()
    ids[:, 0] += np.uint64(1_000_000)
    return Events.concatenate([background, replace(chosen, ids=ids)])


def planned(arguments: argparse.Namespace, place: Path) -> TaskFolder:
    """A task for every search."""
    common = {"folder": str(arguments.folder.resolve()), "quick": arguments.quick}
    searches = [
        Task.of(bias, window=list(window), seed=seed, **common)
        for window in WINDOWS
        for seed in range(1, arguments.seeds + 1)
    ]
    files = arguments.signals or [arguments.folder / WPRIME]
    with_signal = [
        Task.of(signal, resonance=str(path.resolve()), features=features, seed=seed, **common)
        for path in files
        for features in arguments.features
        for seed in range(1, arguments.signal_seeds + 1)
    ]
    return TaskFolder.planned(place, [*searches, *with_signal])


def summary_of(folder: TaskFolder) -> dict[str, Any]:
    """The keys that goals are set for, and every search."""
    done = folder.collect()
    searches = [(each.task.arguments, each.result) for each in done]
    free = [(a, r) for a, r in searches if "window" in a]
    with_signal = [(a, r) for a, r in searches if "window" not in a]
    summary: dict[str, Any] = {}
    for name, key in (("bias_1pct", "0.01"), ("bias_0p1pct", "0.001")):
        summary[name] = {}
        for window in WINDOWS:
            mine = [r["cuts"][key] for a, r in free if tuple(a["window"]) == window]
            if mine:
                values = [np.mean([each[part] for each in mine]) for part in ("bias", "error")]
                summary[name][f"{window[0]:g}-{window[1]:g}"] = [float(v) for v in values]
    away = [v for w, v in summary["bias_1pct"].items() if w != f"{TURN_ON[0]:g}-{TURN_ON[1]:g}"]
    summary["bias_1pct_mean"] = _mean_and_error(away)
    control = [[r["control"]["0.01"] for a, r in free if tuple(a["window"]) == window] for window in WINDOWS]
    summary["control_1pct_mean"] = _mean_and_error([np.mean(mine, axis=0) for mine in control if mine])
    summary["withheld"] = sorted({f"{a['window'][0]:g}-{a['window'][1]:g}" for a, r in free if r["withheld"]})
    names = list(dict.fromkeys(_signal_name(a) for a, _ in with_signal))
    summary["signals"] = {name: _of_signal([r for a, r in with_signal if _signal_name(a) == name]) for name in names}
    summary |= summary["signals"][names[0]] if names else _of_signal([])
    summary["seconds_476k"] = float(np.median([r["seconds"] for _, r in searches]))
    summary["searches"] = [{**a, **r} for a, r in searches]
    return summary


def _signal_name(arguments: dict[str, Any]) -> str:
    return f"{Path(arguments['resonance']).stem} {arguments['features']}"


def _mean_and_error(values: list[Any]) -> list[float] | None:
    """Mean of independent values with errors."""
    if not values:
        return None
    value, error = np.array(values).T
    return [float(value.mean()), float(np.sqrt(np.square(error).sum()) / len(error))]


def _of_signal(found: list[Any]) -> dict[str, Any]:
    """Spread and cost of what is found of the signal, by cut."""
    if not found:
        return dict.fromkeys(("z_spread_seeds", "z_over_z_without_systematic", "power_vs_idealised"))
    cuts = {key: [r["cuts"][key] for r in found if r["cuts"][key]["z"] is not None] for key in ("0.01", "0.001")}
    cuts = {key: mine for key, mine in cuts.items() if mine}
    return {
        "z": {key: [c["z"] for c in mine] for key, mine in cuts.items()},
        "z_spread_seeds": {key: float(np.ptp([c["z"] for c in mine])) for key, mine in cuts.items()},
        "z_over_z_without_systematic": {
            key: float(np.mean([c["z"] / max(c["z_exact"], 1e-9) for c in mine])) for key, mine in cuts.items()
        },
        "power_vs_idealised": float(np.mean([r["max_sic"] / r["idealised_max_sic"] for r in found])),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="a quarter of the training, 8 members, 3 folds")
    parser.add_argument("--seeds", type=int, default=2, help="searches without a signal in every window")
    parser.add_argument("--signal-seeds", type=int, default=6, help="searches of the data set with signal")
    parser.add_argument("--signals", type=Path, nargs="+", help="files with a resonance; else that of FOLDER")
    parser.add_argument("--features", nargs="+", default=["dijet"], help="of the searches for a signal")
    parser.add_argument("--tasks", type=Path, help="keep the tasks here; the same call continues them")
    parser.add_argument("--workers", type=int, default=1, help="searches at a time, each on one thread")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = planned(arguments, arguments.tasks or Path(temporary) / "tasks")
        resume(folder, LocalProcesses(arguments.workers))
        summary = summary_of(folder)
    summary["load_average"] = os.getloadavg()[0]
    if arguments.json:
        print(json.dumps(summary))
        return
    for name in ("bias_1pct", "bias_0p1pct"):
        for window, (value, error) in summary[name].items():
            print(f"{name:12} {window:>10} GeV {100 * value:+6.1f} ± {100 * error:4.1f} %")
    for name, value in summary.items():
        if name not in ("bias_1pct", "bias_0p1pct", "searches", "signals"):
            print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
