"""Every generator of jets by one protocol: distances over floors, tests by classifiers, equal statistics, cost.

    OMP_NUM_THREADS=1 python benchmarks/jets.py FOLDER --seconds 300
    OMP_NUM_THREADS=1 python benchmarks/jets.py FOLDER --systems epic_gan mdma --json
    OMP_NUM_THREADS=1 python benchmarks/jets.py JETNET --kind g --train 50000 --preset published --figures plots
    OMP_NUM_THREADS=1 python benchmarks/jets.py --speed                        # published sizes, nothing is trained
    OMP_NUM_THREADS=1 python benchmarks/jets.py FOLDER --systems fpcd --distil 1 2 3 --json
    OMP_NUM_THREADS=1 python benchmarks/jets.py FOLDER --seeds 1 2 --output measured

The folder holds files in the layout of JetNet, `t.hdf5`, or `t150.hdf5` of 150 constituents, and so on; a ROOT file in
its place is one of JetClass (`JETCLASS.root --kind Tbqq`). Every system learns from the same jets, without a
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

`--output` keeps what was measured by system and seed, with the jets that were drawn, and a later call goes on from
there. `systems` of `--json` has the rows of the first seed, `seeds` those of all; what is the best system is decided by
means over seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jet_comparison import Clouds, amplified, classifiers, cost, distances, larger, no_context, worth
from jet_figures import figures
from jet_systems import PUBLISHED, SYSTEMS, TEACHERS, is_adversarial, with_preset
from jet_tables import HEADER, as_json, line, table_of

from analysis.atomic import write_text
from analysis.datasets import embedded, read_jetclass
from analysis.datasets.jetnet import read_jetnet_file
from generators import create

#: Steps of the shortest training that measures how long one takes.
TRIAL = 15


def jets_of(place: str | None, kind: str, train: int) -> tuple[Clouds, Clouds]:
    """Clouds to learn from, and all others of the file."""
    if place is not None and place.endswith(".root"):
        jets = read_jetclass(place, extras=())
        if kind not in jets.classes:
            raise SystemExit(f"--kind {kind}: the classes of JetClass are {', '.join(jets.classes)}.")
        jets = jets[jets.labels == jets.classes.index(kind)]
    else:
        # Files of 150 constituents have that behind the letter of the kind.
        path = embedded("top_jets") if place is None else os.path.join(place, f"{kind}.hdf5")
        jets = read_jetnet_file(path, kind.removesuffix("150"))
    order = np.random.default_rng(3).permutation(len(jets))
    train = min(train, len(jets) // 2)
    return jets.clouds[order[:train], :, :3], jets.clouds[order[train:], :, :3]


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


def judged(
    what: dict[str, Any], seed: int, train: Clouds, truth: Clouds, options: Any
) -> tuple[dict[str, Any], Clouds]:
    """All numbers of one training of a system, and what it drew."""
    fitted, row = trained(what, train, options.seconds, seed)
    drawn = fitted.sample(no_context(options.drawn), seed=2)
    found, _ = distances(drawn, truth)
    row = {"kind": what["kind"], "preset": what.get("preset", "default"), **row, **found}
    row |= {
        "classifiers": classifiers(drawn, truth, options.tested, seed=4),
        "equivalent": worth(drawn, truth),
        "amplification": amplified(drawn, truth, len(train)),
    }
    return row | cost(fitted, (1, 100, options.drawn)), drawn


def kept(name: str, seed: int, train: Clouds, truth: Clouds, options: Any) -> tuple[dict[str, Any], Clouds]:
    """The same of a system of the table, or what an earlier call has kept of it."""
    what, folder = with_preset(name, options.preset), options.output
    if folder is None:
        return judged(what, seed, train, truth, options)
    numbers, jets = folder / f"{name}-{seed}.json", folder / f"{name}-{seed}.npy"
    if not numbers.exists():
        row, drawn = judged(what, seed, train, truth, options)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(jets, drawn)
        write_text(numbers, as_json(row) + "\n")
    # What is no number in JSON was infinite.
    row = json.loads(
        numbers.read_text(), object_hook=lambda each: {k: math.inf if v is None else v for k, v in each.items()}
    )
    return row, np.load(jets)


def fpd_of(fitted: Any, drawn: int, truth: Clouds) -> float:
    """FPD of what a generator draws."""
    found, _ = distances(fitted.sample(no_context(drawn), seed=2), truth)
    return float(found["fpd"]["value"])


def distilled(what: dict[str, Any], seed: int, train: Clouds, truth: Clouds, options: Any) -> dict[str, Any]:
    """FPD of students of a system by their steps, over that of the system after the same training."""
    training = {**what.get("training", {}), "epochs": None}
    teacher, own = trained(what, train, options.seconds / 2, seed)
    least = fpd_of(teacher, options.drawn, truth)
    taught = {**what, "training": {**training, "steps": own["steps"]}}
    student = {"epochs": None, "batch_size": 128, "ema_decay": 0.99, "steps": max(20, own["steps"])}
    out: dict[str, Any] = {"teacher_fpd": least, "teacher_steps": own["steps"], "student_steps": student["steps"]}
    c = no_context(len(train))
    kinds = {
        "consistency": {"kind": "cloud_consistency", "training": {**student, "learning_rate": 1e-3}},
        "halving": {"kind": "cloud_progressive", "first_steps": 8, "training": {**student, "learning_rate": 5e-4}},
    }
    learned = None
    for name, kind in kinds.items():
        for steps in options.distil:
            if name == "halving" and steps not in (1, 2, 4, 8):
                continue
            made = create({**kind, "teacher": taught, "sampling_steps": steps})
            if name == "consistency" and learned is not None:
                # One student takes any number of steps; of halving each is a student of its own.
                made.restore(learned.state())
            else:
                made.fit(train, c, seed=seed)
                learned = made if name == "consistency" else learned
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", nargs="?", default=None, help="folder of files of JetNet, or ROOT files of JetClass")
    parser.add_argument("--kind", default="t", help="kind of jets: t, t150, …, or class of JetClass, such as Tbqq")
    parser.add_argument("--train", type=int, default=10_000, help="jets to learn from")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument(
        "--preset", default="small", choices=("small", "published"), help="of systems that have presets"
    )
    parser.add_argument("--seconds", type=float, default=300, help="CPU time of each training")
    parser.add_argument("--drawn", type=int, default=10_000, help="jets to draw")
    parser.add_argument("--tested", type=int, default=2_000, help="jets of each kind for classifiers")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--output", type=Path, default=None, help="folder that keeps what was measured")
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
        print(as_json({"conditions": conditions(), "speed": found}) if options.json else table_of(found))
        return
    train, truth = jets_of(options.place, options.kind, options.train)
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
    by_seed: dict[str, dict[str, Any]] = {name: {} for name in options.systems}
    drawn, students = {}, {}
    for seed in options.seeds:
        for name in options.systems:
            by_seed[name][str(seed)], jets = kept(name, seed, train, truth, options)
            drawn.setdefault(name, jets)
            say(line(f"{name}, seed {seed}", by_seed[name][str(seed)]))
            if name in TEACHERS and options.distil:
                found = distilled(with_preset(name, options.preset), seed, train, truth, options)
                students[f"{name}, seed {seed}"] = found
                say(f"{name}, seed {seed}, distilled: {found}")
    rows = {name: next(iter(each.values())) for name, each in by_seed.items()}
    result |= {"systems": rows, "seeds": by_seed, "distillation": students}
    result["amplification"] = {name: row["amplification"] for name, row in rows.items()}
    say(f"amplification: {result['amplification']}")
    result["distilled_fpd_over_teacher"] = {
        f"{name}, {how}": each["over_teacher"]
        for name, found in students.items()
        for how, each in found.items()
        if isinstance(each, dict)
    }
    for key in ("w1m", "fpd"):
        adversarial = {
            name: float(np.mean([row[key]["over_floor"] for row in each.values()]))
            for name, each in by_seed.items()
            if is_adversarial(name)
        }
        result[f"best_{key}_over_floor"] = min(adversarial.values(), default=None)
        say(f"{key} over floor of the adversarial ones, mean over seeds: {adversarial}")
    if options.figures is not None:
        figures(options.figures, drawn, truth, rows)
    if options.json:
        print(as_json(result))


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
