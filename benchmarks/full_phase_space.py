"""The search in the full phase space on dijets: how good its template is, and how much signal it needs.

    OMP_NUM_THREADS=1 python benchmarks/full_phase_space.py FOLDER
    OMP_NUM_THREADS=1 python benchmarks/full_phase_space.py FOLDER --injections 500 2000 6000 --json
    OMP_NUM_THREADS=1 python benchmarks/full_phase_space.py FOLDER --store fps --seeds 2

With a `--store` an interrupted benchmark goes on where it was, processes can share the seeds, and the last one to be
run, with all seeds and injections, prints the medians.

The folder holds `qcd_constituents.root` and `wprime_constituents.root`. Networks, region, folds and oversampling are
those of `--config`, with the budgets `--steps` of the constituents and `--epochs` of the search. Per seed, a random
half of the QCD events is the data; the other half is held out, and no search sees it.

* closure: a generator of constituents is trained on the sidebands of the data without the strips beside the window, and
  without signal, and reweighted as the configuration says. AUC in both strips together, of QCD of both halves against
  its template at the masses of these events, by trees on `dijet_substructure` and by the transformer, each trained on
  the other folds.
* constituents: the search of the configuration, a transformer on all constituents against the generated template.
* features: the search with mj_light, delta_mj and tau21 of both jets, computed from the same constituents, with the
  autoregressive spline flow as template and boosted trees.
* both idealised: the same classifier with held-out QCD of the window as template. There is less of it than of the
  generated ones, which are `oversampling` times the data.

An injection is a number of signal events in the window; what this signal has in the sidebands comes on top. So every
injection trains generators of its own: without that signal they would be too good, and with that of the largest
injection too bad for the others. A smaller injection is a part of a larger one. Nothing in a search is told the truth.

Significance improvement is measured on held-out QCD and on signal that was injected nowhere, the same events for all
searches of a seed. The idealised classifiers have seen other folds of the held-out QCD, never the events they score.
`max SIC` is the largest with more than 25 background events; `-` stands for a cut that fewer pass.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

FEATURES = ("mj_light", "delta_mj", "tau21_light", "tau21_heavy")
CONFIG = Path(__file__).parents[1] / "cathode" / "configs" / "full_phase_space.yaml"
CUT = 1e-2
#: Classifiers of the closure test.
JUDGES = ("trees", "transformer")
#: Signal events of the window that are injected nowhere: 2 % on the efficiency of a cut that half of them pass.
EVALUATED = 1000
#: What `--quick` sets, and how many events of each kind it reads.
QUICK = {"steps": 100, "epochs": 1, "seeds": [1], "injections": [300]}
QUICK_EVENTS = 8000
QUICK_SPLINE = {"kind": "autoregressive_spline", "training": {"steps": 200}}


def cpu() -> float:
    """CPU seconds of this process and its children until now."""
    return sum(os.times()[:4])


def load(folder: Path, leading: int, quick: bool):
    """QCD and signal, each as constituents and as features: (constituents, features), both (QCD, signal)."""
    from analysis import DIJET_MASS, read_events
    from analysis.io.constituents import Constituents
    from cathode.observables import DijetSubstructure

    def read(name: str):
        path = folder / f"{name}_constituents.root"
        return read_events(path, mass=DIJET_MASS, constituents=Constituents(leading=leading), truth="isSignal")

    constituents = [read("qcd"), read("wprime")]
    if quick:
        constituents = [events[:QUICK_EVENTS] for events in constituents]
    return constituents, [DijetSubstructure(FEATURES).of_events(events) for events in constituents]


def split(qcd, signal, region, injections: list[int], seed: int):
    """Rows of QCD in the data and held out; of signal by its number in the window, and of what is injected nowhere.

    What is held out of the signal does not depend on the injections.
    """
    rng = np.random.default_rng(seed)
    order, half = rng.permutation(len(qcd)), len(qcd) // 2
    signal_order = rng.permutation(len(signal))
    inside = np.cumsum(region.signal(signal.mass[signal_order]))
    ends = {n: int(np.searchsorted(inside, n)) + 1 for n in injections}
    injected = {n: np.sort(signal_order[:end]) for n, end in ends.items()}
    unused = signal_order[int(np.searchsorted(inside, inside[-1] - EVALUATED)) + 1 :]
    return np.sort(order[:half]), np.sort(order[half:]), injected, np.sort(unused)


def searches(arguments: argparse.Namespace, seed: int):
    """The search of the configuration, and the one with features in the same region and folds."""
    from cathode import BoostedTrees, load_config
    from cathode.observables import AsRead
    from generators import create

    settings: dict[str, Any] = {"classifier.epochs": arguments.epochs}
    settings["template.generator.constituents.training.steps"] = arguments.steps
    if arguments.quick:
        jets = create({"kind": "full_phase_space"}).jets
        settings["template.generator.jets"] = {**jets, "training": {**jets["training"], "steps": 200}}
        settings["classifier.pretraining.steps"] = arguments.steps
    spline = create(QUICK_SPLINE if arguments.quick else {"kind": "autoregressive_spline"})
    trees = BoostedTrees(members=5 if arguments.quick else 50)
    search = load_config(arguments.config, settings).search()
    method = search.method
    if arguments.quick:
        short = [dataclasses.replace(each, classifier=method.classifier) for each in method.reweightings]
        method = dataclasses.replace(method, reweighting=short)
    of_features = dataclasses.replace(method, generator=spline, classifier=trees, reweighting=None)
    # Cuts of the search itself are not read here; this one exists in small samples too.
    common = {"closure": False, "background_efficiencies": (0.1,), "workers": 1, "seed": seed}
    return (
        dataclasses.replace(search, method=method, **common),
        dataclasses.replace(search, method=of_features, observables=AsRead(), **common),
    )


def pretrained(search, sideband):
    """The classifier of a search after what it learns from sideband events outside of the validation regions."""
    from cathode.runtime.run_folder import RunFolder
    from cathode.runtime.seeds import Seeds
    from cathode.runtime.stages import Stages
    from cathode.validation.held_out import without_validation_regions

    regions = search.region.validation_regions(fraction=search.region_fraction)
    unlabelled = search.observables.observed(without_validation_regions(sideband, search.region, regions))
    return search.method.prepared(unlabelled, Stages(Seeds(search.seed), RunFolder(None))).classifier


def closure(search, sideband, held, trees, transformer) -> dict[str, Any]:
    """The template against QCD in the validation regions, by both classifiers, and CPU seconds of the generator."""
    from analysis import Events
    from analysis.folds import fold_of, random_folds
    from cathode.classifiers.closure import two_sample_auc
    from cathode.classifiers.cross_fitting import Sample, cross_fit
    from cathode.methods.protocol import Background
    from cathode.observables import AsRead, DijetSubstructure
    from cathode.runtime.run_folder import RunFolder
    from cathode.runtime.seeds import Seeds
    from cathode.runtime.stages import Stages
    from cathode.template.drawing import draw_at
    from cathode.validation.held_out import beside_window, without_validation_regions

    regions = search.region.validation_regions(fraction=search.region_fraction)
    start, seeds = cpu(), Seeds(search.seed)
    beside = without_validation_regions(sideband, search.region, regions)
    learned = search.method.learn(Background(beside, search.observables), beside_window(Stages(seeds, RunFolder(None))))
    data = Events.concatenate([sideband, held])
    data = data[np.any([interval(data.mass) for interval in regions], axis=0)]
    masses = np.resize(data.mass, round(search.method.oversampling * len(data)))
    template = draw_at(learned.sampler, masses, seed=seeds("closure template"))
    out: dict[str, Any] = {"generator_cpu_seconds": cpu() - start}
    judges = (DijetSubstructure(), trees), (AsRead(), transformer)
    for name, (observables, classifier) in zip(JUDGES, judges, strict=True):
        start = cpu()
        seen, generated = observables.of_events(data), observables.of_template(template)
        pair = (
            Sample(seen.x, seen.weights, fold_of(seen.ids, search.folds)),
            Sample(
                generated.x,
                generated.weights,
                random_folds(len(generated), search.folds, seed=seeds("closure folds")),
            ),
        )
        fit = cross_fit(classifier, *pair, seeds=seeds.many(f"closure {name}", search.folds))
        found = two_sample_auc(fit.data, fit.template, seen.weights)
        out[name] = {"auc": found.value, "auc_error": found.error, "cpu_seconds": cpu() - start}
    return out


def searched(search, data, test) -> tuple[np.ndarray, dict[str, float]]:
    """Scores of the test events by a search in the data, and its CPU seconds by stage."""
    from cathode.scoring import Scorer

    start = cpu()
    with tempfile.TemporaryDirectory() as output:
        result = search.run(data, output=output)
        used = cpu() - start
        scorer = Scorer.load(output)
    # A search knows the wall time of its stages: the CPU time is shared out like it.
    share = used / sum(result.seconds.values())
    return scorer(test).score, {stage: share * seconds for stage, seconds in result.seconds.items()}


def idealised(search, classifier, data, reference, test) -> tuple[np.ndarray, dict[str, float]]:
    """Scores of the test events by the classifier of a search with true background as template; each by fold."""
    from analysis.folds import fold_of
    from cathode.classifiers.cross_fitting import Sample, cross_fit
    from cathode.runtime.seeds import Seeds

    def sample(events) -> Sample:
        seen = search.observables.of_events(events)
        return Sample(seen.x, seen.weights, fold_of(seen.ids, search.folds))

    start = cpu()
    window = data[search.region.signal(data.mass)]
    seeds = Seeds(search.seed).many("idealised", search.folds)
    fit = cross_fit(classifier, sample(window), sample(reference), seeds=seeds)
    asked = sample(test)
    return fit.score(asked.x, asked.fold), {"classifier": cpu() - start}


def judged(truth: np.ndarray, scores: np.ndarray, seconds: dict[str, float]) -> dict[str, Any]:
    """Significance improvement of scores, the largest and at the fixed cut."""
    from analysis.metrics.sic_and_auc import sic

    curve = sic(scores, truth)
    return {"max": asdict(curve.max_sic), "at_cut": asdict(curve.sic_at(CUT)), "cpu_seconds": seconds}


def measure(arguments: argparse.Namespace, constituents, features, seed: int) -> dict[str, Any]:
    """Everything of one seed; what is in the store is not measured again."""
    search, of_features = searches(arguments, seed)
    region, qcd = search.region, constituents[0]
    own, other, injections, unused = split(*constituents, region, arguments.injections, seed)
    data, held = (e[region.sideband(e.mass)] for e in (qcd[own], qcd[other]))
    transformer, trees = functools.cache(lambda: pretrained(search, data)), of_features.classifier

    def of_closure() -> dict[str, Any]:
        return closure(search, data, held, trees, transformer())

    def of_injection(injected) -> dict[str, Any]:
        kinds = {"constituents": (search, constituents, transformer()), "features": (of_features, features, trees)}
        return injection(kinds, region, own, other, injected, unused)

    found: dict[str, Any] = {"seed": seed, "background": int(region.signal(qcd.mass[own]).sum())}
    if not arguments.no_closure:
        found["closure"] = kept(arguments, f"seed_{seed}_closure", of_closure)
    found["injections"] = {
        number: kept(arguments, f"seed_{seed}_{number}", functools.partial(of_injection, injected))
        for number, injected in injections.items()
    }
    return found


def injection(kinds, region, own, other, injected, unused) -> dict[str, Any]:
    """Significance improvements by all searches with these rows of signal in the data."""
    from analysis import Events

    sics: dict[str, Any] = {}
    for name, (how, (background, signal), classifier) in kinds.items():
        hidden = Events.concatenate([background[own], signal[injected]])
        reference, rest = (e[region.signal(e.mass)] for e in (background[other], signal[unused]))
        test = Events.concatenate([reference, rest])
        sics[name] = judged(test.truth, *searched(how, hidden, test))
        sics[f"{name}, idealised"] = judged(test.truth, *idealised(how, classifier, hidden, reference, test))
        outside = int(region.sideband(signal.mass[injected]).sum())
    return {"sideband_signal": outside, "evaluated": (len(reference), len(rest)), "sic": sics}


def kept(arguments: argparse.Namespace, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the store has under this name, or what `make` gives, which is then put there."""
    from analysis.atomic import write_text

    place = None if arguments.store is None else arguments.store / f"{name}.json"
    if place is not None and place.exists():
        stored: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return stored
    found = make()
    text = json.dumps(found, default=lambda number: number.item())
    if place is not None:
        write_text(place, text)
    print(f"{name}: {text}", file=sys.stderr, flush=True)
    return found


def claim(arguments: argparse.Namespace) -> None:
    """Refuse a store in which something else was measured."""
    from analysis.atomic import write_text

    if arguments.store is None:
        return
    deciding = {name: str(getattr(arguments, name)) for name in ("folder", "leading", "steps", "epochs", "quick")}
    text = json.dumps({**deciding, "config": arguments.config.read_text(encoding="utf-8")}, indent=2)
    place = arguments.store / "measured.json"
    if place.exists() and place.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{place}: other settings or another configuration were measured there; name another --store.")
    write_text(place, text)


def band(values: list[float], digits: int = 2) -> str:
    """Median with 16–84 % band."""
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Over seeds: closure AUC, and both significance improvements, None where too few background events pass."""

    def of(number: int, name: str, point: str) -> float | None:
        points = [run["injections"][number]["sic"][name][point] for run in runs]
        return float(np.median([p["value"] for p in points])) if all(p["above_floor"] for p in points) else None

    names = [name for name in runs[0].get("closure", {}) if name in JUDGES]
    out: dict[str, Any] = {"closure_auc": {n: float(np.median([r["closure"][n]["auc"] for r in runs])) for n in names}}
    for key, point in (("max_sic", "max"), (f"sic_at_{CUT:g}", "at_cut")):
        every = runs[0]["injections"].items()
        out[key] = {number: {name: of(number, name, point) for name in found["sic"]} for number, found in every}
    return out


def report(runs: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Print the tables."""
    print(", ".join(f"{key} {value}" for key, value in setting().items()))
    budgets = f"{arguments.steps} steps, {arguments.epochs} epochs, {arguments.leading} constituents per jet"
    background = np.median([run["background"] for run in runs])
    print(f"medians [16-84 %] of {len(runs)} seed(s); {budgets}; B = {background:.0f} in the window\n")
    closed = "closure" in runs[0]
    if closed:
        print(f"{'closure in strips held out':26}{'AUC':>22}{'error':>7}{'CPU s':>9}")
    for name in JUDGES if closed else ():
        found = [run["closure"][name] for run in runs]
        error, seconds = (np.median([f[key] for f in found]) for key in ("auc_error", "cpu_seconds"))
        print(f"{name:26}{band([f['auc'] for f in found], 3):>22}{error:7.3f}{seconds:9.0f}")
    if closed:
        seconds = np.median([run["closure"]["generator_cpu_seconds"] for run in runs])
        print(f"{'generator and template':55}{seconds:9.0f}")
    for number, first in runs[0]["injections"].items():
        evaluated = "evaluated on {} background and {} signal events".format(*first["evaluated"])
        strength = f"S/sqrt(B) = {number / background**0.5:.1f}, {first['sideband_signal']} more in the sidebands"
        print(f"\nS = {number} in the window, {strength}; {evaluated}")
        print(f"{'':26}{'max SIC':>22}{'error':>7}{f'SIC at {CUT:g}':>22}{'error':>7}{'CPU s':>9}  of which")
        for name in first["sic"]:
            print(f"{name:26}" + row([run["injections"][number]["sic"][name] for run in runs]))


def row(found: list[dict[str, Any]]) -> str:
    """What one search found, over seeds."""
    text = ""
    for points in ([f["max"] for f in found], [f["at_cut"] for f in found]):
        if all(p["above_floor"] for p in points):
            error = np.median([p["error"] for p in points])
            text += f"{band([p['value'] for p in points]):>22}{error:7.2f}"
        else:
            text += f"{'-':>22}{'-':>7}"
    seconds = [f["cpu_seconds"] for f in found]
    stages = [stage for stage in ("generator", "template", "classifier") if stage in seconds[0]]
    parts = ", ".join(f"{stage} {np.median([s[stage] for s in seconds]):.0f}" for stage in stages)
    return f"{text}{np.median([sum(s.values()) for s in seconds]):9.0f}  {parts}"


def setting() -> dict[str, Any]:
    """What decides numbers and times."""
    from importlib.metadata import version

    import torch

    names = ("cathode-hep", "torch", "scikit-learn", "numpy")
    machine = {"threads": torch.get_num_threads(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    return {"python": platform.python_version()} | {name: version(name) for name in names} | machine


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--leading", type=int, default=30, help="constituents of each jet")
    parser.add_argument("--injections", type=int, nargs="+", default=[500, 1000, 2000], help="signal in the window")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--no-closure", action="store_true", help="only the searches")
    parser.add_argument("--steps", type=int, default=5000, help="of the training of the generator of constituents")
    parser.add_argument("--epochs", type=int, default=6, help="of the transformer")
    parser.add_argument("--store", type=Path, help="keep every measurement here, and continue with what is there")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--quick", action="store_true", help="does every part work? Tiny sizes, one seed")
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(QUICK)

    constituents, features = load(arguments.folder, arguments.leading, arguments.quick)
    region = searches(arguments, seed=1)[0].region
    possible = int(region.signal(constituents[1].mass).sum()) - EVALUATED
    if not 0 < min(arguments.injections) <= max(arguments.injections) <= possible:
        raise SystemExit(f"--injections must be from 1 to {possible}: {EVALUATED} signal events are kept to evaluate.")
    claim(arguments)
    runs = [measure(arguments, constituents, features, seed) for seed in arguments.seeds]
    if arguments.json:
        found = {"setting": setting(), "arguments": vars(arguments), "medians": medians(runs), "runs": runs}
        print(json.dumps(found, default=str))
    else:
        report(runs, arguments)


if __name__ == "__main__":
    main()
