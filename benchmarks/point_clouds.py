"""Generators of point clouds: cost of a step and of a sample beside padded networks, quality against time and steps.

    OMP_NUM_THREADS=1 python benchmarks/point_clouds.py
    OMP_NUM_THREADS=1 python benchmarks/point_clouds.py --only throughput --json
    OMP_NUM_THREADS=1 python benchmarks/point_clouds.py FOLDER --only quality --steps 1000

* throughput: EPiC of 6 layers of 128, the transformer of PC-JeDi and the mean field, for clouds of at most 30, 64 and
  150 points (28, 44 and 50 on average before the cut) and batches of 256 and 1024, beside plain padded implementations
  (`plain_clouds.py`) that have the same weights and are checked to be the same function before anything is timed. Both
  sides train on the same loss with the same optimiser, and draw with the same solver. CPU time of this process per jet,
  the median of several turns of both sides, one after the other; on a GPU, if there is one, wall time.
* quality: W1M, W1P and FPD of top jets, each over its floor of truth against truth, after one, two and four times
  `--steps`, by EPiC-FM of the published size and by the autoregressive model. The jets are those of the folder, in the
  layout of JetNet, or the embedded ones.
* solvers: the same distances of one trained model against steps, for every solver of fixed steps, and of the model
  distilled from it, judged against the teacher by most steps of "midpoint".
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from plain_clouds import PLAIN, PlainFlow
from torch import Tensor, nn

from analysis.datasets import embedded
from analysis.datasets.jetnet import read_jetnet_file
from analysis.jets import Jets
from analysis.metrics.jets import JetMetrics, evaluate_jets
from analysis.metrics.protocols import protocol_of
from analysis.metrics.sampling import Sampling
from generators import create
from generators.continuous.solvers import STEPS, FixedSteps
from generators.jets.flow import CloudMatching
from generators.jets.lengths import prefix_mask
from generators.registry import kinds

#: Points at most and on average, for JetNet30, the constituents of a search and JetNet150.
SIZES = ((30, 28), (64, 44), (150, 50))
KINDS = ("epic_fm", "pc_jedi", "mdma_fm")
#: The moving average has to forget the beginning within a short training too.
TRAINING: dict[str, dict[str, Any]] = {
    "epic_fm": {"ema_decay": 0.995},
    "autoregressive_cloud": {"learning_rate": 4e-3, "ema_decay": 0.995},
}
SPREAD = 0.4
METRICS = ("w1m", "w1p", "fpd")
DRAWN_STEPS = 2

#: Without matching and with hardly any kernels, which take minutes and are not shown.
PROTOCOL = replace(protocol_of("mpgan"), matching=None, kernel=Sampling(100, 2))


def median_times(work: dict[str, Callable[[], object]], turns: int, now: Callable[[], float]) -> dict[str, float]:
    """Median time of each piece of work, taken in turns so that a slow moment of the machine hits all."""
    out: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(turns + 1):
        for name, act in work.items():
            start = now()
            act()
            if turn or turns == 0:
                out[name].append(now() - start)
    return {name: float(np.median(each)) for name, each in out.items()}


def throughput(kind: str, points: int, mean: float, batch: int, turns: int, device: torch.device) -> dict[str, Any]:
    """Microseconds per jet of a training step, and of one evaluation on the way of a sample."""
    torch.manual_seed(0)
    generator = create({"kind": kind, "multiplicity": 0})
    ours = generator.build((points, 3), 2).to(device)
    for parameter in ours.network.parameters():
        # Away from zeros that some layers start with, where everything would be the same function.
        parameter.data += 0.02 * torch.randn_like(parameter)
    ours.sampling_solver, ours.sampler = FixedSteps(STEPS["euler"], DRAWN_STEPS), None
    counts = (mean * (1 + SPREAD * torch.randn(batch))).round().clamp(1, points).long().to(device)
    mask = prefix_mask(counts, points)
    z = torch.randn(batch, points, 3, device=device) * mask[..., None]
    c = torch.rand(batch, 2, device=device)
    both = torch.cat([c, counts[:, None].float()], dim=1)
    loss = CloudMatching(ours)
    plain = PlainFlow(PLAIN[kind](copy.deepcopy(ours.network)).to(device), ours)
    assert_same(ours, plain, z, counts, c)

    def step(module: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
        optimiser = torch.optim.AdamW(module.parameters(), lr=1e-5, fused=True)

        def act() -> None:
            optimiser.zero_grad()
            loss().backward()
            optimiser.step()

        return act

    def now() -> float:
        if device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    train = median_times(
        {"ours": step(loss, lambda: loss(z, both).mean()), "padded": step(plain, lambda: plain.loss(z, mask, c))},
        turns,
        now,
    )
    with torch.no_grad():
        drawn = {"ours": lambda: ours.transport(z, counts, c), "padded": lambda: plain.draw(z, mask, c, DRAWN_STEPS)}
        sample = median_times(drawn, turns, now)
    shape = {"kind": kind, "points": points, "mean": float(counts.float().mean()), "batch": batch}
    evaluation = {name: value / DRAWN_STEPS for name, value in sample.items()}
    return {**shape, "device": device.type, "train_us": micro(train, batch), "sample_us": micro(evaluation, batch)}


def assert_same(ours: Any, plain: PlainFlow, z: Tensor, counts: Tensor, c: Tensor) -> None:
    """Of the two networks at random times, and of the whole way of a sample."""
    some = slice(0, 64)
    z, counts, c = z[some], counts[some], c[some]
    mask = prefix_mask(counts, z.shape[1])
    t = torch.linspace(0.01, 0.99, len(z), device=z.device)
    with torch.no_grad():
        pairs = (
            (ours.network(z, t, c, mask), plain.network(z, t, c, mask)),
            (ours.transport(z, counts, c), plain.draw(z, mask, c, DRAWN_STEPS)),
        )
    for a, b in pairs:
        missed, size = float((a - b).abs().max()), float(a.abs().max())
        assert missed < 1e-3 * size, f"not the same function: {missed} of {size}"


def micro(seconds: dict[str, float], jets: int) -> dict[str, float]:
    """In microseconds per jet."""
    return {name: 1e6 * value / jets for name, value in seconds.items()}


def top_jets(folder: str | None) -> tuple[Jets, Jets]:
    """Jets to learn from, and to compare with."""
    path = embedded("top_jets") if folder is None else os.path.join(folder, "t.hdf5")
    jets = read_jetnet_file(path, "t")
    order = np.random.default_rng(3).permutation(len(jets))
    cut = len(jets) // 2
    return jets[order[:cut]], jets[order[cut:]]


def context_of(jets: Jets) -> np.ndarray[Any, Any]:
    """Number of particles, pT and mass: what published networks for JetNet are given."""
    return np.stack([jets.multiplicity, jets.feature("pt"), jets.feature("mass")], axis=1)


def specification(steps: int, batch: int, kind: str = "epic_fm") -> dict[str, Any]:
    """The default network, which for EPiC is that of the published size."""
    return {"kind": kind, "multiplicity": 0, "training": {**TRAINING[kind], "steps": steps, "batch_size": batch}}


def fitted(what: dict[str, Any], jets: Jets) -> tuple[Any, float]:
    """A trained generator and the CPU seconds of its training."""
    start = time.process_time()
    return create(what).fit(jets.clouds, context_of(jets), seed=1), time.process_time() - start


def judged(generator: Any, truth: Jets) -> dict[str, Any]:
    """Distances with errors over floors, for jets drawn at the contexts of the true ones, and the time that took."""
    start = time.process_time()
    drawn = generator.sample(context_of(truth), seed=2)
    seconds = time.process_time() - start
    return {
        "sampling_us": 1e6 * seconds / len(truth),
        **over_floors(evaluate_jets(drawn, truth.clouds, protocol=PROTOCOL, seed=3)),
    }


def over_floors(metrics: JetMetrics) -> dict[str, Any]:
    """Every distance, its error and its ratio to the floor."""
    out: dict[str, Any] = {"jets": metrics.n_jets, "invalid": metrics.n_invalid.total}
    for name in METRICS:
        value, floor = getattr(metrics.value, name), getattr(metrics.floor, name)
        # What is extrapolated to infinitely many jets may have no floor but its error.
        least = max(floor.value, floor.error, 1e-12)
        out[name] = {"value": value.value, "error": value.error, "floor": floor.value, "floor_error": floor.error}
        out[name]["over_floor"] = value.value / least
    return out


def quality(train: Jets, truth: Jets, steps: int, batch: int) -> Iterator[dict[str, Any]]:
    """After growing trainings, each with a schedule of its own."""
    for kind in TRAINING:
        for budget in (steps, 2 * steps, 4 * steps):
            generator, seconds = fitted(specification(budget, batch, kind), train)
            yield {"kind": kind, "steps": budget, "training_s": seconds, **judged(generator, truth)}


def solvers(train: Jets, truth: Jets, steps: int, batch: int, most: int) -> dict[str, Any]:
    """One model by all solvers with growing steps, and what is distilled from it in one to three."""
    teacher, seconds = fitted(specification(4 * steps, batch), train)
    rows, size = [], 1
    while size <= most:
        for name in STEPS:
            teacher.solver, teacher.sampling_steps = name, size
            again = create({"kind": teacher.kind, **teacher.hyperparameters()}).restore(teacher.state())
            rows.append({"solver": name, "steps": size, **judged(again, truth)})
        size *= 2
    best = next(row for row in reversed(rows) if row["solver"] == "midpoint")
    out: dict[str, Any] = {"training_s": seconds, "rows": rows, "teacher": best, "distilled": []}
    if "cloud_consistency" not in kinds():
        return out
    what = {"kind": "cloud_consistency", "multiplicity": 0, "teacher": specification(4 * steps, batch)}
    what["training"] = {**TRAINING["epic_fm"], "steps": 4 * steps, "batch_size": batch}
    student, seconds = fitted(what, train)
    out["distillation_s"] = seconds
    for number in (1, 2, 3):
        again = create({"kind": student.kind, **student.hyperparameters(), "sampling_steps": number})
        out["distilled"].append({"steps": number, **judged(again.restore(student.state()), truth)})
    close = [row["steps"] for row in out["distilled"] if not worse(row["w1m"], best["w1m"])]
    out["distilled_steps"] = min(close) if close else None
    return out


def worse(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether a distance is larger than another by more than both errors."""
    return one["value"] - other["value"] > math.hypot(one["error"], other["error"])


def main() -> None:
    """Measure and print."""
    sections = ("throughput", "quality", "solvers")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=None, help="of files in the layout of JetNet")
    parser.add_argument("--only", action="append", choices=sections, help="a part; all if none is named")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="networks of the throughput part")
    parser.add_argument("--steps", type=int, default=1000, help="smallest training budget")
    parser.add_argument("--batch", type=int, default=256, help="batch size of trainings")
    parser.add_argument("--batches", type=int, nargs="+", default=(256, 1024), help="clouds of the throughput part")
    parser.add_argument("--most-steps", type=int, default=16, help="largest number of solver steps")
    parser.add_argument("--turns", type=int, default=4, help="repetitions of the throughput part")
    parser.add_argument("--quick", action="store_true", help="one size of clouds, tiny trainings: does it work?")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        options.steps, options.most_steps, options.turns = min(options.steps, 10), 2, 1
    wanted = options.only or sections
    result: dict[str, Any] = {"conditions": conditions()}

    def say(text: str) -> None:
        if not options.json:
            print(text, flush=True)

    say(", ".join(f"{key} {value}" for key, value in result["conditions"].items()))
    if "throughput" in wanted:
        measure_throughput(options, result, say)
    train, truth = top_jets(options.folder) if set(wanted) - {"throughput"} else (None, None)
    if train is not None and truth is not None:
        if options.quick:
            train, truth = train[:500], truth[:400]
        say(f"{len(train)} top jets to learn from, {len(truth)} to compare with")
    if "quality" in wanted:
        result["quality"] = []
        for row in quality(train, truth, options.steps, options.batch):
            result["quality"].append(row)
            say(f"{row['kind']:21}{row['steps']:6d} steps {row['training_s']:8.1f} CPU s  {describe(row)}")
        for name in METRICS:
            # Rows of a kind come with growing budgets: the last is what the key of that kind says.
            of_kind = {row["kind"]: row[name]["over_floor"] for row in result["quality"]}
            result[f"{name}_over_floor_by_kind"], result[f"{name}_over_floor"] = of_kind, min(of_kind.values())
    if "solvers" in wanted:
        result["solvers"] = found = solvers(train, truth, options.steps, options.batch, options.most_steps)
        result["distilled_steps"] = found.get("distilled_steps")
        for row in found["rows"]:
            say(f"{row['solver']:10}{row['steps']:4d} steps  {describe(row)}")
        for row in found["distilled"]:
            say(f"distilled {row['steps']:4d} steps  {describe(row)}")
        say(
            f"fewest steps of the distilled model within errors of W1M of its teacher: {result['distilled_steps']}"
            if found["distilled"]
            else "no kind 'cloud_consistency' is known: nothing distilled"
        )
    if options.json:
        print(json.dumps(result))


def measure_throughput(options: argparse.Namespace, result: dict[str, Any], say: Callable[[str], None]) -> None:
    """Fill and show times and ratios."""
    devices = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
    sizes, batches = (SIZES[:1], (256,)) if options.quick else (SIZES, tuple(options.batches))
    names = f"{'train: ours':>13}{'padded':>9}{'evaluate: ours':>16}{'padded':>9}"
    say(f"µs a jet{'':6}{'P':>5}{'mean':>6}{'batch':>7}{names}")
    rows = result["throughput"] = []
    for kind in options.kinds:
        for device in devices:
            for (points, mean), batch in ((size, batch) for size in sizes for batch in batches):
                turns = max(1, options.turns * 256 // batch) if device.type == "cpu" else 10 * options.turns
                row = throughput(kind, points, mean, batch, turns, device)
                rows.append(row)
                t, s = row["train_us"], row["sample_us"]
                say(
                    f"{kind:9}{device.type:>5}{points:>5}{row['mean']:>6.1f}{batch:>7}{t['ours']:>13.1f}"
                    f"{t['padded']:>9.1f}{s['ours']:>16.1f}{s['padded']:>9.1f}"
                )
    for key, times in (("train_vs_padded", "train_us"), ("sample_vs_padded", "sample_us")):
        by_kind = result[f"{key}_by_kind"] = {}
        for name in (f"{kind} {device.type}" for kind in options.kinds for device in devices):
            some = [row[times] for row in rows if f"{row['kind']} {row['device']}" == name]
            ratios = [each["padded"] / each["ours"] for each in some]
            by_kind[name] = {"worst": min(ratios), "mean": float(np.exp(np.mean(np.log(ratios))))}
            say(f"{key}, {name}: {min(ratios):.2f} at worst, {by_kind[name]['mean']:.2f} in the geometric mean")
        result[key] = min(each["worst"] for each in by_kind.values())
    result["cloud_vs_padded_min"] = min(result["train_vs_padded"], result["sample_vs_padded"])
    say(f"cloud_vs_padded_min: {result['cloud_vs_padded_min']:.2f}")


def describe(row: dict[str, Any]) -> str:
    """Distances in one line."""
    parts = [
        f"{name.upper()} {1e3 * row[name]['value']:.3g} ± {1e3 * row[name]['error']:.2g} "
        f"({row[name]['over_floor']:.1f})"
        for name in METRICS
    ]
    return "  ".join(parts) + f"  10⁻³ (over floor), {row['sampling_us']:.0f} µs a jet, {row['invalid']} invalid"


def conditions() -> dict[str, Any]:
    """What decides the numbers."""
    from importlib.metadata import version

    packages = {name: version(name) for name in ("torch", "numpy")}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    threads = {"threads": torch.get_num_threads(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    return {"python": platform.python_version(), **packages, "GPU": gpu, **threads}


if __name__ == "__main__":
    main()
