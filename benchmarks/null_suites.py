"""What every method says where there is no signal: the same background-only pseudo-experiments for all of them.

    python benchmarks/null_suites.py --folder runs/null-suites --experiments 100
    python benchmarks/null_suites.py --folder runs/null-suites --experiments 100 --methods rad_ot cathode --json
    python benchmarks/null_suites.py --folder runs/null-suites --experiments 0 --figure null.png    # those there

The world is the template of the cheap configuration (cathode/configs/cheap.yaml), trained once on the embedded dijets:
every experiment draws as many events from it as there are data, with masses of the mass model in the window and of the
data beside it, and searches in them by the cheap configuration with another `method`, everything trained anew. So the
density is known, and methods that want true background or a simulation get other events of it: as many again twice, the
simulation with jet masses 3 % higher and ratios 2 % lower. The signal of `supervised` is that of the embedded dijets.
What a method gets wrong about real data, these experiments do not know, as those of `cathode calibrate`.

Every experiment is a task that stays done, one after another on one thread; the cheapest methods come first. Of every
method with a direct estimate, at the first cut: mean and width of the significances Z with their errors (0 and 1 of a
perfect search), the Kolmogorov-Smirnov p-value of the uniformity of p-values, the share of p-values below 0.05, all
with the systematic (`quoted`) and without (`exact`); for how many there was a significance and how many passed
validation, and CPU seconds per experiment.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.plots.style import FIT, REFERENCE, TEMPLATE, StyledFigure, styled
from analysis.tasks import Done, Task, TaskFolder, executor, resume, task

if TYPE_CHECKING:
    from analysis.events import Events
    from cathode.calibration.pseudo_data import PseudoData
    from cathode.config import AnalysisConfig

_TRAINING = {"steps": 500, "batch_size": 1024}
#: Of what is learned beside a density of the sidebands.
_SHORT = {"steps": 250, "batch_size": 1024}
_MAP = {"kind": "coupling_spline", "hidden": 32, "layers": 2, "blocks": 3, "bins": 8, "training": _SHORT}
_SIGNAL = {
    "kind": "autoregressive_spline",
    "bijection": "standardise",
    "hidden": 32,
    "layers": 2,
    "bins": 8,
    "training": _SHORT,
}
_WITHOUT_GENERATOR = {"template": {}}
_VELOCITY = {"hidden": 32, "layers": 2, "sampling_steps": 8, "training": _TRAINING}

#: What a method changes in the cheap configuration, in the order of what an experiment costs.
METHODS: dict[str, dict[str, Any]] = {
    "idealised": {"method": "idealised", **_WITHOUT_GENERATOR},
    "supervised": {"method": "supervised", **_WITHOUT_GENERATOR},
    "drapes": {"method": "drapes", "template.generator": {"kind": "diffusion", **_VELOCITY}},
    "rad_ot": {"method": {"kind": "rad_ot", "batch": 500}, "template": {"oversampling": 2}},
    "salad": {
        "method": {"kind": "salad", "ratio": {"kind": "mlp", "hidden": 32, "epochs": 10, "batch_size": 1024}},
        **_WITHOUT_GENERATOR,
    },
    "sigma": {"method": "sigma", "template.generator": {"kind": "flow_matching", **_VELOCITY}},
    "lacathode": {"method": "lacathode", "template.generator.training.best_states": 1},
    "cathode": {},
    "interplay": {"method": {"kind": "interplay", "members": ["cathode", {"kind": "rad_ot", "batch": 500}]}},
    "feta": {"method": {"kind": "feta", "map": _MAP}},
    "curtains": {"method": {"kind": "curtains", "map": _MAP}, "template.generator": _MAP},
    "r_anode": {"method": {"kind": "r_anode", "signal": _SIGNAL}, "classifier": {}},
    "anode": {"method": "anode", "classifier": {}},
    "transit": {"method": {"kind": "transit", "map": _MAP}, "template": {"oversampling": 2}},
}
#: Jet masses and ratios of the simulation over those of the data.
OFF = np.array([1.03, 1.03, 0.98, 0.98])
#: Experiments that a row needs.
FEWEST = 20


@task
def null_experiment(place: Path, *, folder: str, method: str, number: int, world: str) -> dict[str, Any]:
    """One search by one method where there is no signal; `world` is the fingerprint of what is in the folder."""
    from cathode.calibration.experiments import bounded, signed
    from cathode.runtime.seeds import Seeds

    del world
    start = time.process_time()
    config, seeds = configured(method), Seeds(number)
    drawn, search = world_of(Path(folder)), config.search()
    auxiliary = {name: sample(name, drawn, seeds, Path(folder)) for name in sorted(search.method.needs)}
    alone = dataclasses.replace(search, seed=seeds(f"search/{method}"), workers=1)
    result = alone.run(drawn.draw(seeds("data")), auxiliary=auxiliary)
    cut = result.primary
    computed = not (result.withheld or cut.obstacle)
    return {
        "significance": bounded(cut.significance) if computed else None,
        "exact": signed(cut.p_value_exact) if computed else None,
        "why": result.withheld or cut.obstacle,
        "validated": result.validated,
        "observed": cut.observed,
        "expected": cut.expected,
        "estimate": cut.estimate,
        "seconds": time.process_time() - start,
    }


def configured(method: str) -> AnalysisConfig:
    """The cheap configuration with a method."""
    from cathode.config import embedded_text, parse_config

    return parse_config(embedded_text("cheap"), name="cheap.yaml", overrides=METHODS[method])


def prepared(folder: Path) -> str:
    """The world, trained once, in a folder; its fingerprint."""
    from cathode.calibration.event_file import store_events
    from cathode.calibration.experiments import TEMPLATE, prepare
    from cathode.calibration.pseudo_data import selected
    from cathode.commands import train_template

    config = configured("cathode")
    place = folder / "world"
    region = config.search().region
    events = config.read_events()
    train_template(config, place / TEMPLATE)
    prepare(place, selected(events, region), region, source="template", pool=None)
    assert events.truth is not None
    store_events(folder / "signal.npz", events[events.truth])
    return config.search().fingerprint(events)


def world_of(folder: Path) -> PseudoData:
    """What experiments are drawn from."""
    from cathode.calibration.experiments import pseudo_data

    return pseudo_data(folder / "world", "template", 0.0)


def sample(name: str, world: PseudoData, seeds: Any, folder: Path) -> Events:
    """A sample that a method wants, of other events of the world."""
    from analysis.events import Events
    from cathode.calibration.event_file import stored_events

    parts = [world.draw(seeds(f"{name}/{part}")) for part in range(2)]
    x, mass, columns = np.concatenate([e.x for e in parts]), np.concatenate([e.mass for e in parts]), parts[0].columns
    if name == "simulation":
        return Events(x=(x * OFF).astype(x.dtype), mass=mass, columns=columns)
    if name == "labelled":
        signal = stored_events(folder / "signal.npz")
        truth = np.arange(len(x) + len(signal)) >= len(x)
        x, mass = np.concatenate([x, signal.x]), np.concatenate([mass, signal.mass])
        return Events(x=x, mass=mass, columns=columns, truth=truth)
    return Events(x=x, mass=mass, columns=columns)


def row(done: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the experiments of one method come to."""
    from cathode.calibration.null import NullDistribution

    found = [each for each in done if each["significance"] is not None]
    out: dict[str, Any] = {
        "experiments": len(done),
        "computed": len(found),
        "validated": sum(bool(each["validated"]) for each in done),
        "bias": _mean([each["observed"] / each["expected"] - 1 for each in found]),
        "seconds": _mean([each["seconds"] for each in done])[0],
    }
    for key, name in (("significance", "quoted"), ("exact", "exact")):
        values = np.array([each[key] for each in found])
        if len(values) < FEWEST:
            continue
        null = NullDistribution(tuple(values.tolist()))
        # One-sided: p below 0.05 is Z above 1.645.
        below = float((values > 1.6448536269514722).mean())
        out[name] = {
            "mean": list(null.mean),
            "width": list(null.width),
            "ks_p": null.ks_p_value,
            "below_0.05": [below, (max(below, 1 / len(values)) * (1 - below) / len(values)) ** 0.5],
        }
    return out


def _mean(values: Sequence[float]) -> list[float]:
    return [float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0]


def planned(folder: Path, method: str, experiments: int, world: str) -> TaskFolder:
    """The experiments of one method; more of them later keep those that are done."""
    place = str(folder.resolve())
    tasks = [
        Task.of(null_experiment, folder=place, method=method, number=number, world=world)
        for number in range(experiments)
    ]
    return TaskFolder.planned(folder / "methods" / method, tasks)


def table(rows: dict[str, dict[str, Any]]) -> str:
    """A line for each method and error."""
    titles = f"{'mean Z':>14} {'width':>13} {'KS p':>8} {'p < 0.05':>13} {'passed':>6} {'s':>6}"
    lines = [f"{'method':12} {'error':7} {'n':>4} {titles}"]
    for method, each in rows.items():
        for name in ("quoted", "exact"):
            if name not in each:
                continue
            one = each[name]
            mean, width, below = (f"{one[k][0]:.2f} ± {one[k][1]:.2f}" for k in ("mean", "width", "below_0.05"))
            numbers = f"{each['computed']:4} {mean:>14} {width:>13} {one['ks_p']:8.2g} {below:>13}"
            lines.append(f"{method:12} {name:7} {numbers} {each['validated']:6} {each['seconds']:6.1f}")
    return "\n".join(lines)


@styled
def draw(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """Mean and width of Z of every method beside those of a perfect search, with and without the systematic."""
    drawn = StyledFigure(figsize=(8.0, 0.32 * len(rows) + 1.2), layout="constrained")
    axes = drawn.subplots(1, 2, sharey=True)
    names = {"quoted": ("as the search gives it", TEMPLATE), "exact": ("exact, without the systematic", FIT)}
    for ax, key, label, perfect in zip(axes, ("mean", "width"), ("mean of Z", "width of Z"), (0, 1), strict=True):
        ax.axvline(perfect, color=REFERENCE, linewidth=1)
        for shift, (name, (text, colour)) in zip((-0.15, 0.15), names.items(), strict=True):
            points = [(place + shift, *row[name][key]) for place, row in enumerate(rows.values()) if name in row]
            place, value, error = np.reshape(points, (-1, 3)).T
            ax.errorbar(value, place, xerr=error, fmt="o", markersize=4, color=colour, label=text)
        ax.set_xlabel(label)
    axes[0].set_yticks(range(len(rows)), list(rows))
    axes[0].invert_yaxis()
    for ax in axes:
        ax.tick_params(axis="y", which="both", left=False, right=False)
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    drawn.savefig(path, dpi=120)


def measured(folder: Path, methods: Sequence[str], experiments: int) -> dict[str, dict[str, Any]]:
    """Rows of the methods, of which so many experiments are made; of what is there for 0."""
    rows = {}
    world = prepared(folder) if experiments else ""
    for method in methods:
        tasks = TaskFolder(folder / "methods" / method)
        if experiments:
            tasks = planned(folder, method, experiments, world)
            resume(tasks, executor(1))
            for _, failure in tasks.status().failures[:1]:
                print(f"{method}: {failure.message}", file=sys.stderr, flush=True)
        elif not tasks.path.is_dir():
            continue
        done: list[Done] = list(tasks.finished())
        if done:
            rows[method] = row([each.result for each in done])
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="what is done there stays done")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS), metavar="METHOD")
    parser.add_argument("--experiments", type=int, default=100, help="0 takes those that are in the folder")
    parser.add_argument("--figure", type=Path, help="draw means and widths here")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    rows = measured(arguments.folder, arguments.methods, arguments.experiments)
    if arguments.figure is not None:
        draw(rows, arguments.figure)
    print(json.dumps(rows) if arguments.json else table(rows))


if __name__ == "__main__":
    main()
