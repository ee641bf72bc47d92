"""All methods on the same data: `cathode benchmark` in several parts, and one table and one page of what they found.

    OMP_NUM_THREADS=1 python benchmarks/methods.py DIJETS --output runs/methods
    OMP_NUM_THREADS=1 python benchmarks/methods.py DIJETS --output runs/methods --parts main scan --json

DIJETS holds `qcd.root`, `qcd_reference.root` and `wprime_3500_500_100.root`. Signals of other kinds and a background by
another parton shower are simulated into `--samples`, unless they are there (extra `simulation`; about 40 CPU minutes,
nearly all of them for the shower). Every part is a plan in `--output`, which `cathode benchmark` takes as well:

* `main`: methods at S/√B = 2.2 and without a signal;
* `others`: those that match events, want a simulation, or combine several, alike;
* `robustness`: with features that follow the mass (`+shifted`) and with features that say nothing (`+noise10`, and
  `+noise`, which is fifty), by trees and perceptrons, at S/√B = 2.2;
* `scan`: six methods at lower strengths;
* `signals`: the same six and other signals in the same window: Z′ → tt̄, and W′ → XY of other masses;
* `mass`: a lighter W′ in its own window;
* `vincia`: data of another parton shower.

Signal events are injected inside of the window alone, so that all strengths share what is learned in the sidebands. An
interrupted call is continued by the same one. Printed are the tables of all parts, `--json` has them under `parts`, and
those of the same data and signal together as `cathode benchmark --json` has them, and the page is of these: all but the
last three.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from analysis.atomic import write_text
from cathode.benchmark.benchmarking import benchmark
from cathode.benchmark.measured import Measured
from cathode.benchmark.plan import BenchmarkPlan
from cathode.benchmark.result import Benchmark, mean_of
from cathode.report.benchmark import PAGE, write_benchmark_report

Overrides = dict[str, dict[str, Any]]

#: S/√B of the benchmark of the literature.
STRENGTH = 2.2
SEEDS = [1, 2, 3]
TRAINING = {"steps": 3000, "batch_size": 1024}
#: One block: its noise is one conditional quantile of every feature.
SPLINE = {"kind": "autoregressive_spline", "blocks": 1}
#: Samples that are simulated: name -> arguments of `simulate_dijets`.
SAMPLES: dict[str, dict[str, Any]] = {
    "wprime_3500_300_300": {"events": 2_000, "seed": 11, "signal": "wprime", "daughter_masses": (300.0, 300.0)},
    "zprime_tt_3500": {"events": 2_000, "seed": 12, "signal": "zprime_tt"},
    "wprime_3000_500_100": {"events": 2_000, "seed": 13, "signal": "wprime", "resonance_mass": 3000.0},
    "wprime_3500_400_80": {"events": 2_000, "seed": 14, "signal": "wprime", "daughter_masses": (400.0, 80.0)},
    "vincia": {"events": 24_000, "seed": 2, "shower": "vincia"},
}


@dataclass(frozen=True)
class Files:
    """Where the dijets are, and what is simulated beside them."""

    dijets: Path
    samples: Path

    @property
    def reference(self) -> str:
        """Background that is not among the data."""
        return str(self.dijets / "qcd_reference.root")

    @property
    def wprime(self) -> str:
        """W′ of 3.5 TeV → X of 500 GeV, Y of 100 GeV."""
        return str(self.dijets / "wprime_3500_500_100.root")

    def simulated(self, name: str) -> str:
        """One of `SAMPLES`."""
        return str(self.samples / f"{name}.root")


def analysis(files: Files) -> dict[str, Any]:
    """What all methods share."""
    return {
        "data": {
            "files": str(files.dijets / "qcd.root"),
            "selection": "nFatJet >= 2",
            "mass": "mjj(FatJet)",
            "features": "dijet",
            "truth": "isSignal",
        },
        "region": {"signal": [3300, 3700], "sidebands": [2500, 5300]},
        "template": {"generator": {**SPLINE, "hidden": 128}, "oversampling": 3},
        "classifier": {"kind": "boosted_trees", "members": 10, "max_iter": 100},
        "folds": 3,
        "background_efficiencies": [0.01, 0.1, 0.03, 0.003, 0.001, 0.0005],
        "validation": {"members": 5, "generators": 1},
        "threads": 1,
    }


def six(files: Files) -> Overrides:
    """Methods that are looked at more closely."""
    spline = {**SPLINE, "bijection": "standardise", "training": {**TRAINING, "steps": 600}}
    return {
        "idealised": {"method": "idealised", "template": {}, "data.auxiliary": {"background": files.reference}},
        "cathode": {},
        "lacathode": {"method": "lacathode"},
        "cwola": {"method": "cwola", "template": {}},
        "r_anode": {"method": {"kind": "r_anode", "signal": spline}, "classifier": {}},
        "curtains": {"method": {"kind": "curtains", "map": _map(1200)}},
    }


def _map(steps: int) -> dict[str, Any]:
    return {"kind": "coupling_spline", "training": {**TRAINING, "steps": steps}}


def main_methods(files: Files) -> Overrides:
    """Methods with a density or none."""
    grid = {f"signal_{x}_{y}": files.simulated(f"wprime_3500_{x}_{y}") for x, y in ((300, 300), (400, 80))}
    velocity = {"training": TRAINING}
    labelled = {"data.auxiliary": {"labelled": [files.reference, files.wprime]}}
    return {
        "supervised": {"method": "supervised", "template": {}, **labelled},
        **six(files),
        "transit": {"method": {"kind": "transit", "map": _map(600)}, "template": {"oversampling": 3}},
        "drapes": {"method": "drapes", "template.generator": {"kind": "diffusion", **velocity}},
        "sigma": {"method": "sigma", "template.generator": {"kind": "flow_matching", **velocity}},
        "anode": {"method": "anode", "classifier": {}},
        "paws": {"method": {"kind": "paws", "points": 9}, "template": {}, "classifier": {}, "data.auxiliary": grid},
    }


def robustness(files: Files) -> Overrides:
    """Some of the methods with other features."""
    noise = {"kind": "noise", "features": 50}
    perceptron = {"kind": "mlp", "epochs": 30, "batch_size": 512, "learning_rate": 2e-3}
    closer = six(files)
    return {
        "cathode+noise10": {"observables": {**noise, "features": 10}},
        "cathode+noise": {"observables": noise},
        "cathode+mlp": {"classifier": perceptron},
        "cathode+mlp+noise": {"classifier": perceptron, "observables": noise},
        **{
            f"{name}+shifted": {**closer[name], "data.features": "dijet_shifted"}
            for name in ("idealised", "cathode", "lacathode", "cwola")
        },
    }


def other_methods(files: Files) -> Overrides:
    """Those that match events, want a simulation, or combine several."""
    simulation = {"data.auxiliary": {"simulation": files.simulated("vincia")}}
    matching = {"kind": "rad_ot", "batch": 500}
    return {
        "rad_ot": {"method": matching, "template": {"oversampling": 3}},
        "interplay": {"method": {"kind": "interplay", "members": ["cathode", matching]}},
        # There are too few simulated events for tighter cuts in the validation regions.
        "salad": {"method": "salad", "template": {}, "background_efficiencies": [0.01, 0.1], **simulation},
        "feta": {"method": {"kind": "feta", "map": _map(1200)}, **simulation},
        "sa_cwola": {"method": "sa_cwola", "template": {}, **simulation},
    }


def plan(files: Files, methods: Overrides, signals: dict[str, str], strengths: list[float]) -> dict[str, Any]:
    """A plan that reads signals by name -> file."""
    return {
        "analysis": "analysis.yaml",
        "methods": methods,
        "signals": {name: {"data.files": file} for name, file in signals.items()},
        "strengths": strengths,
        "seeds": SEEDS,
        "signal_in_sidebands": False,
    }


def _mass(files: Files) -> dict[str, Any]:
    few = {name: six(files)[name] for name in ("idealised", "cathode", "cwola", "r_anode")}
    made = plan(files, few, {"wprime": files.simulated("wprime_3000_500_100")}, [0, STRENGTH])
    return {**made, "set": {"region.signal": [2800, 3200], "region.sidebands": [2400, 4600]}}


def _vincia(files: Files) -> dict[str, Any]:
    few = {name: six(files)[name] for name in ("cathode", "lacathode", "cwola", "r_anode")}
    made = plan(files, few, {"wprime": files.wprime}, [0, STRENGTH])
    return {**made, "set": {"data.files": files.simulated("vincia")}}


PARTS: dict[str, Callable[[Files], dict[str, Any]]] = {
    "main": lambda files: plan(files, main_methods(files), {"wprime": files.wprime}, [0, STRENGTH]),
    "others": lambda files: plan(files, other_methods(files), {"wprime": files.wprime}, [0, STRENGTH]),
    "robustness": lambda files: plan(files, robustness(files), {"wprime": files.wprime}, [STRENGTH]),
    "scan": lambda files: plan(files, six(files), {"wprime": files.wprime}, [0.5, 1.0, 1.5]),
    "signals": lambda files: plan(
        files,
        six(files),
        {
            "zprime_tt": files.simulated("zprime_tt_3500"),
            "wprime_300_300": files.simulated("wprime_3500_300_300"),
            "wprime_400_80": files.simulated("wprime_3500_400_80"),
        },
        [STRENGTH],
    ),
    "mass": _mass,
    "vincia": _vincia,
}


#: Parts of the same data, signal and window.
OF_ONE_WINDOW = ("main", "others", "robustness", "scan")


def simulated(files: Files, workers: int) -> None:
    """Simulate what is not there."""
    from analysis.simulation.dijets import simulate_dijets

    files.samples.mkdir(parents=True, exist_ok=True)
    for name, arguments in SAMPLES.items():
        place = Path(files.simulated(name))
        if not place.exists():
            print(f"simulating {arguments['events']:,} events: {place}", file=sys.stderr, flush=True)
            simulate_dijets(output=place, workers=workers, **arguments)


def made(files: Files, part: str, output: Path, workers: int) -> Benchmark:
    """One part, by the plan that is written beside it."""
    plans = output / "plans"
    plans.mkdir(parents=True, exist_ok=True)
    write_text(plans / "analysis.yaml", yaml.safe_dump(analysis(files), sort_keys=False))
    write_text(plans / f"{part}.yaml", yaml.safe_dump(PARTS[part](files), sort_keys=False, allow_unicode=True))
    return benchmark(BenchmarkPlan.read(plans / f"{part}.yaml"), output / part, workers=workers)


def together(found: dict[str, Benchmark]) -> Benchmark:
    """The parts of one window, one data set and one signal as one benchmark."""
    parts = [found[name] for name in OF_ONE_WINDOW if name in found]
    failures = sum((Counter(each.failures) for each in parts), Counter[str]())
    measured = tuple(each for part in parts for each in part.measured)
    return Benchmark(measured, dict(failures), parts[0].versions, max(each.load_average for each in parts))


def table(benchmark: Benchmark) -> str:
    """Means over seeds by method, signal and strength, as Markdown."""
    lines = ["| method | signal | S/√B | max SIC | SIC at 10⁻³ | Z at 1 % | passed | CPU s |", "|---|" + "---|" * 7]
    for method in benchmark.methods:
        for signal in benchmark.signals:
            for strength in benchmark.strengths:
                of = benchmark.of(method, signal=signal, strength=strength)
                if of:
                    lines.append(_line(of, benchmark.efficiencies[0]))
    return "\n".join(lines)


def _line(of: list[Measured], cut: float) -> str:
    """Searches by one method for one signal of one strength."""
    passed = sum(each.validation == "passed" for each in of)
    cells = [
        mean_of(of, lambda each: each.max_sic),
        mean_of(of, lambda each: each.sic.get(1e-3, math.nan)),
        mean_of(of, lambda each: each.cuts[cut].significance),
    ]
    known = [of[0].method, of[0].signal, f"{of[0].strength:g}", *map(str, cells), f"{passed} of {len(of)}"]
    return f"| {' | '.join(known)} | {mean_of(of, lambda each: each.seconds).value:.0f} |"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dijets", type=Path, help="folder of the dijets")
    parser.add_argument("--output", type=Path, required=True, help="folder that keeps what was measured")
    parser.add_argument("--samples", type=Path, help="folder of simulated samples; by default OUTPUT/samples")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--workers", type=int, default=1, help="searches at a time, each on one thread")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    files = Files(options.dijets.resolve(), (options.samples or options.output / "samples").resolve())
    simulated(files, options.workers)
    start, found = time.process_time(), {}
    for part in options.parts:
        found[part] = made(files, part, options.output, options.workers)
        if not options.json:
            print(f"{part}\n{table(found[part])}\n", flush=True)
    of_window = together(found) if found.keys() & set(OF_ONE_WINDOW) else None
    if of_window is not None:
        write_benchmark_report(of_window, options.output)
    summary = {} if of_window is None else of_window.summary()
    summary["parts"] = {name: each.summary() for name, each in found.items()}
    summary["cpu_s"] = time.process_time() - start
    if options.json:
        print(json.dumps(summary))
        return
    print(f"page: {options.output / PAGE}; {summary['cpu_s']:.0f} CPU s of this process")


if __name__ == "__main__":
    main()
