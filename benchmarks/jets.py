"""Every generator of jets by one protocol: distances over floors, tests by classifiers, equal statistics, cost.

    OMP_NUM_THREADS=1 python benchmarks/jets.py ../shared/data/jetnet_like --seconds 300
    OMP_NUM_THREADS=1 python benchmarks/jets.py ../shared/data/jetnet_like --systems epic_gan mdma --json
    OMP_NUM_THREADS=1 python benchmarks/jets.py JETNET --kind g --train 50000 --preset published --figures plots
    OMP_NUM_THREADS=1 python benchmarks/jets.py --speed                        # published sizes, nothing is trained
    OMP_NUM_THREADS=1 python benchmarks/jets.py FOLDER --systems fpcd --distil 1 2 3 --json

The folder holds files in the layout of JetNet, `t.hdf5` and so on. Every system learns from the same jets, without a
context: N is drawn from a model of its own. It trains for as many steps as fit into `--seconds` of CPU time, which is
measured in a short training before. What it draws is compared with jets that nothing has learned from:

* W1M, W1P, W1EFP, FPD, KPD, coverage and MMD by the protocol of MPGAN, each beside truth against truth of as many jets;
* AUC of trees on substructure and of a transformer on constituents, beside the same tests of truth whose pT and mass
  are 3 % larger: a test that does not see that says nothing;
* equivalent sample size: how many true jets are as far from the truth, in distributions of the mass, N, the hardest
  constituent and the sum of all;
* CPU time of a jet in batches of 1, 100 and `--drawn`, floating-point operations of a jet, and time of the training;
* with `--distil`, FPD in so many steps of what is distilled from a system by consistency and by halving, over that of
  the system itself, which is trained for half of the time; a number of steps that is no power of two is not halved to;
* A, the statistical amplification by mass, N and hardest constituent in 27 cells, with the error of counting, from
  drawing anew from both samples; it is that of one training, and trainings scatter beyond it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from analysis.datasets import embedded
from analysis.datasets.jetnet import read_jetnet_file
from analysis.features.constituents import relative_mass
from analysis.metrics.amplification import QuantileCells, amplification
from analysis.metrics.equivalent_size import equivalent_size
from analysis.metrics.jets import JetMetrics, evaluate_jets
from analysis.metrics.protocols import protocol_of
from analysis.metrics.sampling import Sampling, valid_clouds
from cathode.classifiers import BoostedTrees, Transformer
from cathode.classifiers.two_sample import classifier_test
from generators import create

Clouds = NDArray[np.float32]

#: Name in the table -> specification. Those with presets get that of the command.
ADVERSARIAL: dict[str, dict[str, Any]] = {
    "mpgan": {"kind": "mpgan"},
    "mp_lfc": {"kind": "mpgan", "latent": 128},
    "epic_gan": {"kind": "epic_gan"},
    "mdma": {"kind": "mdma"},
    "deep_tree_gan": {"kind": "deep_tree_gan"},
    "deep_tree_gan2": {"kind": "deep_tree_gan2"},
    "tnf": {"kind": "tnf"},
    "tf": {"kind": "tnf", "blocks": 0},
}
OTHERS: dict[str, dict[str, Any]] = {
    "epic_fm": {"kind": "epic_fm", "training": {"batch_size": 128, "ema_decay": 0.99}},
    "mdma_fm": {"kind": "mdma_fm", "training": {"batch_size": 128, "ema_decay": 0.99}},
    "autoregressive_cloud": {"kind": "autoregressive_cloud", "training": {"ema_decay": 0.99}},
    "jet_flow": {"kind": "jet_flow"},
    "fpcd": {"kind": "fpcd", "sampler": "midpoint", "sampling_steps": 16},
    "pc_jedi": {"kind": "pc_jedi", "schedule": "edm", "training": {"batch_size": 128, "ema_decay": 0.99}},
}
#: Those that can be distilled.
TEACHERS = ("epic_fm", "mdma_fm", "fpcd", "pc_jedi")
#: Published sizes whose speed is compared, the one to beat first.
PUBLISHED: dict[str, dict[str, Any]] = {
    "epic_fm": {"kind": "epic_fm"},
    "epic_gan": {"kind": "epic_gan", "preset": "published"},
    "mdma": {"kind": "mdma", "preset": "published"},
    "tnf": {"kind": "tnf", "preset": "published"},
    "jet_flow": {"kind": "jet_flow", "preset": "published"},
    "fpcd, 16 steps": {"kind": "fpcd", "preset": "published", "sampling_steps": 16},
    "fpcd, 1 step": {"kind": "fpcd", "preset": "published", "sampling_steps": 1},
    "mpgan": {"kind": "mpgan", "preset": "published"},
}
METRICS = ("w1m", "w1p", "w1efp", "fpd", "kpd", "coverage", "mmd")
#: Steps of the shortest training that measures how long one takes.
TRIAL = 15


def jets_of(folder: str | None, kind: str, train: int) -> tuple[Clouds, Clouds]:
    """Clouds to learn from, and all others of the file."""
    path = embedded("top_jets") if folder is None else os.path.join(folder, f"{kind}.hdf5")
    jets = read_jetnet_file(path, kind)
    order = np.random.default_rng(3).permutation(len(jets))
    train = min(train, len(jets) // 2)
    return jets.clouds[order[:train], :, :3], jets.clouds[order[train:], :, :3]


def no_context(n: int) -> NDArray[np.float64]:
    """No condition: N is up to the generator."""
    return np.zeros((n, 0))


def trained(what: dict[str, Any], clouds: Clouds, seconds: float, seed: int) -> tuple[Any, dict[str, Any]]:
    """A generator after so many CPU seconds of training, and what the training was like."""
    training = what.get("training", {})

    def specification(steps: int) -> dict[str, Any]:
        return {**what, "training": {**training, "epochs": None, "steps": steps}}

    c = no_context(len(clouds))

    def spent_on(steps: int) -> float:
        start = time.process_time()
        create(specification(steps)).fit(clouds[:1_000], c[:1_000], seed=seed)
        return time.process_time() - start

    # What a process does once, imports and compilations, is not the price of a step: so the first training is not
    # counted, and the trial grows until its own time can be told from that of a start.
    spent_on(2)
    trial, overhead = TRIAL, spent_on(2)
    while (longer := spent_on(2 + trial) - overhead) < min(0.5, seconds):
        trial *= 4
    # An evaluation of what is held out comes with every pass, as in the trial.
    steps = max(100, int(seconds * trial / longer))
    start = time.process_time()
    fitted = create(specification(steps)).fit(clouds, c, seed=seed)
    spent = time.process_time() - start
    epochs = len(fitted.train_losses_)
    return fitted, {
        "steps": steps,
        "training_s": spent,
        "kept_epoch": fitted.best_epochs_[0],
        "epochs": epochs,
        # The best state is one of the last: a longer training would go on.
        "still_improving": fitted.best_epochs_[0] > 0.9 * epochs,
        "parameters": sum(parameter.numel() for parameter in fitted.networks_[0].parameters()),
    }


def cost(fitted: Any, batches: tuple[int, ...]) -> dict[str, Any]:
    """CPU microseconds of a jet by the size of the batch, and its floating-point operations in matrix products."""
    out: dict[str, Any] = {}
    for n in batches:
        best = math.inf
        for turn in range(3 if n < 1000 else 1):
            start = time.process_time()
            fitted.sample(no_context(n), seed=turn)
            best = min(best, time.process_time() - start)
        out[f"us_at_{n}"] = 1e6 * best / n
    with FlopCounterMode(display=False) as counter:
        fitted.sample(no_context(16), seed=1)
    return {**out, "gflop": counter.get_total_flops() / 16 / 1e9}


def distances(drawn: Clouds, truth: Clouds) -> tuple[dict[str, Any], JetMetrics]:
    """By the protocol of MPGAN, with batches that take seconds; a floor extrapolated to nothing counts as its error."""
    protocol = replace(protocol_of("mpgan"), matching=Sampling(100, 1), kernel=Sampling(500, 4))
    found = evaluate_jets(drawn, truth, protocol=protocol, seed=3)
    out: dict[str, Any] = {"jets": found.n_jets, "invalid_share": found.n_invalid.total / found.n_generated}
    for name in METRICS:
        value, floor = getattr(found.value, name), getattr(found.floor, name)
        least = max(floor.value, floor.error, 1e-12)
        out[name] = {"value": value.value, "error": value.error, "floor": floor.value, "floor_error": floor.error}
        out[name]["over_floor"] = value.value / least
    return out, found


def classifiers(drawn: Clouds, truth: Clouds, jets: int, seed: int) -> dict[str, Any]:
    """AUC of both sorts of classifiers, held out."""
    found = classifier_test(
        drawn[:jets],
        truth[:jets],
        trees=BoostedTrees(members=4, jobs=1),
        transformer=Transformer(width=24, blocks=1, epochs=8, batch_size=64),
        folds=2,
        seed=seed,
    )
    return {
        name: {"auc": each.value, "error": each.error}
        for name, each in (("trees", found.substructure), ("transformer", found.constituents))
    }


def larger(clouds: Clouds) -> Clouds:
    """The same jets with 3 % more pT, which is 3 % more mass: what tests have to see."""
    return clouds * np.array([1, 1, 1.03], np.float32)


def worth(drawn: Clouds, truth: Clouds) -> dict[str, Any]:
    """How many true jets are as far from the truth, in mass, N and the shares of pT of one constituent and of all."""
    samples = []
    for clouds in (drawn, *np.array_split(truth, 2)):
        x = valid_clouds(clouds)[0]
        pt = x[..., 2]
        samples.append(np.stack([relative_mass(x), (pt > 0).sum(axis=1), pt.max(axis=1), pt.sum(axis=1)], axis=1))
    found = equivalent_size(*samples, seed=5)
    return {"size": found.events, "at_least": found.at_least, "at_most": found.at_most}


def judged(
    name: str, what: dict[str, Any], train: Clouds, truth: Clouds, options: Any
) -> tuple[dict[str, Any], Clouds]:
    """All numbers of one system, and what it drew."""
    fitted, row = trained(what, train, options.seconds, options.seed)
    drawn = fitted.sample(no_context(options.drawn), seed=2)
    found, _ = distances(drawn, truth)
    row = {"kind": what["kind"], "preset": what.get("preset", "default"), **row, **found}
    row |= {
        "classifiers": classifiers(drawn, truth, options.tested, seed=4),
        "equivalent": worth(drawn, truth),
    }
    return row | cost(fitted, (1, 100, options.drawn)), drawn


def amplified(drawn: Clouds, truth: Clouds, learned: int) -> list[float]:
    """A in 27 cells of mass, N and hardest constituent, of a single training, and its error of counting."""
    rng = np.random.default_rng(6)
    samples = []
    for clouds in (drawn, truth):
        x = valid_clouds(clouds)[0]
        pt = x[..., 2]
        # Less than one is added to N, so that its quantiles have equal content.
        n = (pt > 0).sum(axis=1) + rng.random(len(pt))
        samples.append(np.stack([relative_mass(x), n, pt.max(axis=1)], axis=1))

    def once(sample: NDArray[Any], reference: NDArray[Any], chance: int) -> float:
        # What is drawn anew from a sample scatters as often again as the sample itself.
        shares = QuantileCells.of(reference, (3, 3, 3)).shares(sample)
        sizes = {"drawn": len(sample) // chance, "reference": len(reference) // chance}
        return amplification(shares[None], learned, **sizes).factor

    again = [once(*(each[rng.integers(0, len(each), len(each))] for each in samples), 2) for _ in range(40)]
    low, high = np.quantile(again, [0.16, 0.84], method="nearest")
    # What chance alone can not tell from the truth is worth any number of events.
    return [once(*samples, 1), float((high - low) / 2) if np.isfinite(high) else math.inf]


def fpd_of(fitted: Any, drawn: int, truth: Clouds) -> float:
    """FPD of what a generator draws."""
    found, _ = distances(fitted.sample(no_context(drawn), seed=2), truth)
    return float(found["fpd"]["value"])


def distilled(what: dict[str, Any], train: Clouds, truth: Clouds, options: Any) -> dict[str, Any]:
    """FPD of students of a system by their steps, over that of the system after the same training."""
    training = {**what.get("training", {}), "epochs": None}
    teacher, own = trained(what, train, options.seconds / 2, options.seed)
    least = fpd_of(teacher, options.drawn, truth)
    taught = {**what, "training": {**training, "steps": own["steps"]}}
    student = {"epochs": None, "batch_size": 128, "ema_decay": 0.99, "steps": max(20, own["steps"] // 3)}
    out: dict[str, Any] = {"teacher_fpd": least, "teacher_steps": own["steps"], "student_steps": student["steps"]}
    c = no_context(len(train))
    kinds = {
        "consistency": {"kind": "cloud_consistency", "training": {**student, "learning_rate": 1e-3}},
        "halving": {"kind": "cloud_progressive", "first_steps": 8, "training": {**student, "learning_rate": 5e-4}},
    }
    for name, kind in kinds.items():
        for steps in options.distil:
            if name == "halving" and steps not in (1, 2, 4, 8):
                continue
            made = create({**kind, "teacher": taught, "sampling_steps": steps}).fit(train, c, seed=options.seed)
            found = fpd_of(made, options.drawn, truth)
            out[f"{name}, {steps}"] = {"fpd": found, "over_teacher": found / max(least, 1e-12)}
    return out


def speed(jets: int = 1_000, turns: int = 4) -> dict[str, Any]:
    """CPU microseconds of a jet of 30 constituents in one batch at published sizes, untrained, two columns of context.

    All systems take turns, so that a machine that is busy for a while slows all of them alike; the best turn counts.
    """
    rng = np.random.default_rng(8)
    context = np.stack([rng.random(jets), np.full(jets, 30.0)], axis=1)
    x = rng.normal(size=(64, 30, 3)) * 0.1
    x[..., 2] = np.exp(x[..., 2] - 3)
    made = {}
    for name, what in PUBLISHED.items():
        training = {"epochs": None, "steps": 1, "batch_size": 8}
        specification = {**what, "multiplicity": 1, "training": {**what.get("training", {}), **training}}
        made[name] = create(specification).fit(x, context[:64], seed=1)
    best = dict.fromkeys(made, math.inf)
    for turn in range(turns):
        for name, fitted in made.items():
            start = time.process_time()
            fitted.sample(context, seed=turn)
            best[name] = min(best[name], 1e6 * (time.process_time() - start) / jets)
    first = best[next(iter(best))]
    return {name: {"us_a_jet": each, "faster_than_epic_fm": first / each} for name, each in best.items()}


def figures(folder: Path, drawn: dict[str, Clouds], truth: Clouds, rows: dict[str, Any]) -> None:
    """Mass, pT and multiplicity with ratios, and distance against time and parameters."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    observed = {
        "m / pT of the jet": relative_mass,
        "pT of constituents over that of the jet": lambda x: x[..., 2][x[..., 2] > 0],
        "constituents": lambda x: (x[..., 2] > 0).sum(axis=1),
    }
    figure, axes = plt.subplots(2, 3, figsize=(13, 5), height_ratios=(3, 1), sharex="col")
    for (label, of), (top, bottom) in zip(observed.items(), axes.T, strict=True):
        true = of(truth)
        low, high = np.quantile(true, [0.001, 0.999])
        # A number that nearly all jets share is shown beside the next ones.
        edges = np.linspace(low, max(high, low + 1), 31)
        density = np.histogram(true, edges, density=True)[0]
        top.stairs(density, edges, color="black", label="truth")
        for name, clouds in drawn.items():
            own = np.histogram(of(valid_clouds(clouds)[0]), edges, density=True)[0]
            top.stairs(own, edges, label=name)
            bottom.stairs(np.divide(own, density, out=np.ones_like(own), where=density > 0), edges)
        bottom.set(xlabel=label, ylim=(0, 2), ylabel="ratio")
    axes[0, 0].legend(fontsize=7)
    figure.savefig(folder / "jets.svg", bbox_inches="tight")
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
    for axis, key in zip(axes, (f"us_at_{max(len(x) for x in drawn.values())}", "parameters"), strict=True):
        for name, row in rows.items():
            axis.scatter(row[key], row["w1m"]["over_floor"])
            axis.annotate(name, (row[key], row["w1m"]["over_floor"]), fontsize=7)
        axis.set(xscale="log", yscale="log", xlabel="parameters" if key == "parameters" else "CPU µs a jet")
    axes[0].set_ylabel("W1M over floor")
    figure.savefig(folder / "cost.svg", bbox_inches="tight")


def line(name: str, row: dict[str, Any]) -> str:
    """A row of the table in Markdown."""
    cells = [name, row["preset"], f"{row['parameters']:,}", f"{row['steps']:,}", f"{row['training_s']:.0f}"]
    cells.append("yes" if row["still_improving"] else "no")
    for key, unit in (("w1m", 1e3), ("w1p", 1e3), ("w1efp", 1e5), ("fpd", 1e3), ("kpd", 1e6)):
        each = row[key]
        cells.append(f"{unit * each['value']:.3g} ± {unit * each['error']:.1g} ({each['over_floor']:.1f})")
    cells += [f"{row['coverage']['value']:.2f}", f"{100 * row['mmd']['value']:.2f}"]
    cells += [f"{row['classifiers'][test]['auc']:.3f}" for test in ("trees", "transformer")]
    cells += [f"{row['equivalent']['size']:,.0f}", f"{100 * row['invalid_share']:.2g}"]
    cells += [
        "/".join(f"{value:,.0f}" for key, value in row.items() if key.startswith("us_at_")),
        f"{row['gflop']:.2g}",
    ]
    return "| " + " | ".join(cells) + " |"


HEADER = [
    "system",
    "preset",
    "parameters",
    "steps",
    "CPU s",
    "still improving",
    "W1M 10⁻³ (over floor)",
    "W1P 10⁻³",
    "W1EFP 10⁻⁵",
    "FPD 10⁻³",
    "KPD 10⁻⁶",
    "coverage",
    "MMD 10⁻²",
    "AUC of trees",
    "AUC of transformer",
    "equivalent jets",
    "invalid %",
    "µs a jet",
    "GFLOP",
]


def main() -> None:
    """Measure and print."""
    names = {**ADVERSARIAL, **OTHERS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=None, help="of files in the layout of JetNet")
    parser.add_argument("--kind", default="t", help="kind of jets")
    parser.add_argument("--train", type=int, default=10_000, help="jets to learn from")
    parser.add_argument("--systems", nargs="+", default=list(names), choices=names)
    parser.add_argument(
        "--preset", default="small", choices=("small", "published"), help="of systems that have presets"
    )
    parser.add_argument("--seconds", type=float, default=300, help="CPU time of each training")
    parser.add_argument("--drawn", type=int, default=10_000, help="jets to draw")
    parser.add_argument("--tested", type=int, default=2_000, help="jets of each kind for classifiers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="does it work?")
    parser.add_argument("--speed", action="store_true", help="only the speed at published sizes")
    parser.add_argument("--distil", type=int, nargs="+", default=[], help="numbers of steps of distilled systems")
    parser.add_argument("--figures", type=Path, default=None, help="folder for plots")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        options.seconds, options.drawn, options.tested, options.train = 0.1, 300, 200, 500
    if options.speed:
        found = speed()
        print(json.dumps({"conditions": conditions(), "speed": found}) if options.json else table_of(found))
        return
    train, truth = jets_of(options.folder, options.kind, options.train)
    result: dict[str, Any] = {"conditions": conditions(), "learned_from": len(train), "compared_with": len(truth)}

    def say(text: str) -> None:
        if not options.json:
            print(text, flush=True)

    half = len(truth) // 2
    result["power"] = classifiers(larger(truth[:half]), truth[half:], options.tested, seed=4)
    result["truth"] = classifiers(truth[:half], truth[half:], options.tested, seed=4)
    say(", ".join(f"{key} {value}" for key, value in result["conditions"].items()))
    say(f"{len(train)} jets to learn from, {len(truth)} to compare with; pT 3 % larger: {result['power']}")
    say(f"truth against truth: {result['truth']}")
    say("| " + " | ".join(HEADER) + " |\n|" + "---|" * len(HEADER))
    rows, drawn, students = {}, {}, {}
    for name in options.systems:
        what = {**names[name], **({"preset": options.preset} if name in ADVERSARIAL else {})}
        rows[name], drawn[name] = judged(name, what, train, truth, options)
        say(line(name, rows[name]))
        if name in TEACHERS and options.distil:
            students[name] = distilled(names[name], train, truth, options)
            say(f"{name} distilled: {students[name]}")
    result["systems"] = rows
    result["amplification"] = {name: amplified(drawn[name], truth, len(train)) for name in rows}
    say(f"amplification: {result['amplification']}")
    result["distillation"] = students
    result["distilled_fpd_over_teacher"] = {
        f"{name}, {how}": each["over_teacher"]
        for name, found in students.items()
        for how, each in found.items()
        if isinstance(each, dict)
    }
    for key in ("w1m", "fpd"):
        adversarial = [row[key]["over_floor"] for name, row in rows.items() if name in ADVERSARIAL]
        result[f"best_{key}_over_floor"] = min(adversarial, default=None)
        say(f"best_{key}_over_floor of the adversarial ones: {result[f'best_{key}_over_floor']}")
    if options.figures is not None:
        figures(options.figures, drawn, truth, rows)
    if options.json:
        print(json.dumps(result))


def table_of(found: dict[str, Any]) -> str:
    """Speeds in Markdown."""
    rows = [f"| {name} | {each['us_a_jet']:,.0f} | {each['faster_than_epic_fm']:.1f} |" for name, each in found.items()]
    return "\n".join(["| | µs a jet | faster than `epic_fm`, 8 steps of midpoint |", "|---|---|---|", *rows])


def conditions() -> dict[str, Any]:
    """What decides the numbers."""
    from importlib.metadata import version

    packages = {name: version(name) for name in ("torch", "numpy", "scikit-learn")}
    return {
        "python": platform.python_version(),
        **packages,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    main()
