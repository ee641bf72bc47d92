"""Conditional densities beside nflows and zuko: cost of a step and of a sample, of an ensemble, and time to closure.

    OMP_NUM_THREADS=1 python benchmarks/densities.py
    OMP_NUM_THREADS=1 python benchmarks/densities.py --only speed --json
    OMP_NUM_THREADS=1 python benchmarks/densities.py --only family

* speed: an autoregressive rational-quadratic spline flow of four blocks (masked networks of two hidden layers with 64
  units, 8 bins), for 4, 6 and 16 features and batches of 512 and 8192. Ours has the weights of the nflows flow and is
  checked to be the same function before anything is timed; the flow of zuko has the same sizes, and trains compiled by
  torch too, whose C++ takes half a minute for each size and is not counted, and that of flowjax, if it is installed, is
  compiled by XLA. CPU time of this process, the best of several turns taken one after another; the ratio that is quoted
  is the worst of the table.
* likelihood: held-out log-likelihood on the dijet features against steps and seconds for the same three flows.
* ensemble: ten members trained at once over one alone, by the defaults of both and with equal batches.
* closure: CPU seconds until boosted trees can not tell template from background in the window (AUC ≤ 0.505 within its
  error), by the default flow with growing budgets and by the recipe of the CATHODE paper, bounded by `--paper-epochs`.
* family: every kind of feature vectors with its defaults on the same events. Not part of the default run: hours.

The events are the dijets that come with the package, background only where closure is asked for.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flowjax_flows
import numpy as np
import torch

from analysis.datasets import embedded
from analysis.events import Events
from analysis.folds import random_folds
from analysis.metrics.sic_and_auc import auc
from cathode import DIJET_FEATURES, DIJET_MASS, BoostedTrees, Region, read_events
from cathode.classifiers.cross_fitting import Sample, cross_fit
from cathode.template.drawing import draw_at
from generators import create
from generators.registry import generator_class, kinds
from generators.tabular.base import TabularGenerator

REGION = Region(3300, 3700)
CLOSED = 0.505
BLOCKS, HIDDEN, BINS, BOUND = 4, 64, 8, 5.0


@dataclass
class Side:
    """One implementation: its parameters, its loss of a batch and its sampler."""

    module: torch.nn.Module
    log_prob: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    sample: Callable[[torch.Tensor], torch.Tensor]


def sides(features: int, seed: int = 0) -> dict[str, Side]:
    """The same architecture three times, ours with the weights of nflows."""
    import zuko
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow
    from nflows.transforms import (
        CompositeTransform,
        MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
        ReversePermutation,
    )

    from generators.flows.autoregressive import AutoregressiveSpline

    torch.manual_seed(seed)
    shape = {"features": features, "hidden_features": HIDDEN, "context_features": 1, "num_bins": BINS}
    network = {"tail_bound": BOUND, "num_blocks": 1, "use_residual_blocks": False}
    steps, own = [], []
    for block in range(BLOCKS):
        step = MaskedPiecewiseRationalQuadraticAutoregressiveTransform(**shape, **network, tails="linear")
        steps += [step, ReversePermutation(features)]
        # Ours reverses the order of the features inside of the network and not the features themselves.
        own.append(AutoregressiveSpline(**shape, **network, reverse=block % 2 == 1))
        own[-1].load_state_dict(turned(step.state_dict(), features) if block % 2 else step.state_dict())
    theirs, ours = (Flow(CompositeTransform(parts), StandardNormal([features])) for parts in (steps, own))
    other = zuko.flows.NSF(features, 1, transforms=BLOCKS, hidden_features=(HIDDEN, HIDDEN), bins=BINS)

    def of_nflows(flow: Flow) -> Side:
        return Side(flow, flow.log_prob, lambda c: flow.sample(1, c)[:, 0])

    of_zuko = Side(other, lambda x, c: other(c).log_prob(x), lambda c: other(c).sample())
    return {"ours": of_nflows(ours), "nflows": of_nflows(theirs), "zuko": of_zuko}


def turned(state: dict[str, torch.Tensor], features: int) -> dict[str, torch.Tensor]:
    """A masked network for the features in the reverse order."""
    out = dict(state)
    for key in ("weight", "mask"):
        out[f"autoregressive_net.initial_layer.{key}"] = state[f"autoregressive_net.initial_layer.{key}"].flip(1)
    for key in ("weight", "mask", "bias", "degrees"):
        whole = state[f"autoregressive_net.final_layer.{key}"]
        out[f"autoregressive_net.final_layer.{key}"] = whole.unflatten(0, (features, -1)).flip(0).flatten(0, 1)
    return out


def best_times(work: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Smallest CPU time of each piece of work, taken in turns so that a slow moment of the machine hits all."""
    out = dict.fromkeys(work, math.inf)
    for turn in range(turns + 1):
        for name, act in work.items():
            start = time.process_time()
            act()
            if turn:
                out[name] = min(out[name], time.process_time() - start)
    return out


def speed(features: int, batch: int) -> dict[str, Any]:
    """Milliseconds of a training step and of drawing as many samples."""
    x, c = torch.randn(batch, features), torch.rand(batch, 1)
    contestants = sides(features)
    of_zuko = contestants["zuko"]
    graph: Any = torch.compile(of_zuko.log_prob, dynamic=False)
    with torch.no_grad():
        same = (contestants["ours"].log_prob(x, c) - contestants["nflows"].log_prob(x, c)).abs().max()
    assert float(same) < 1e-2, f"not the same function: {float(same)}"

    def step(side: Side) -> Callable[[], None]:
        optimiser = torch.optim.AdamW(side.module.parameters(), lr=1e-5, fused=True)

        def act() -> None:
            optimiser.zero_grad()
            (-side.log_prob(x, c).mean()).backward()
            optimiser.step()

        return act

    def draw(side: Side) -> Callable[[], None]:
        def act() -> None:
            with torch.no_grad():
                side.sample(c)

        return act

    turns = max(3, min(20, 80_000 // (batch * features)))
    training = contestants | {"compiled zuko": Side(of_zuko.module, graph, of_zuko.sample)}
    steps = {name: step(side) for name, side in training.items()}
    draws = {name: draw(side) for name, side in contestants.items()}
    if flowjax_flows.installed():
        sizes = {"blocks": BLOCKS, "hidden": HIDDEN, "bins": BINS, "bound": BOUND}
        steps["flowjax"], draws["flowjax"] = flowjax_flows.step_and_draw(x.numpy(), c.numpy(), **sizes)
    train = best_times(steps, turns)
    sample = best_times(draws, 3)
    return {"features": features, "batch": batch, "train_ms": milli(train), "sample_ms": milli(sample)}


def milli(seconds: dict[str, float]) -> dict[str, float]:
    """In milliseconds."""
    return {name: 1e3 * value for name, value in seconds.items()}


def dijets() -> tuple[Events, Events]:
    """Sidebands and window of the embedded dijets, background only."""
    events = read_events(embedded("dijets"), mass=DIJET_MASS, features=DIJET_FEATURES, truth="isSignal")
    background = events[~events.truth]
    return background[REGION.sideband(background.mass)], background[REGION.signal(background.mass)]


def likelihood(sideband: Events, steps: int) -> dict[str, list[tuple[int, float, float]]]:
    """(steps, CPU seconds, held-out log-likelihood) behind the bijection, for the same flow three times."""
    from generators.bijections.quantile import QuantileNormal

    rows = torch.as_tensor(np.asarray(sideband.x, np.float64))
    z = QuantileNormal().fit(rows).forward(rows)[0].float()
    c = torch.as_tensor(np.log(sideband.mass))[:, None]
    c = (2 * (c - c.min()) / (c.max() - c.min()) - 1).float()
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(1))
    held, rest = order[:20_000], order[20_000:]
    out: dict[str, list[tuple[int, float, float]]] = {}
    for name, side in sides(z.shape[1]).items():
        optimiser = torch.optim.AdamW(side.module.parameters(), lr=3e-3, fused=True)
        generator, spent, curve = torch.Generator().manual_seed(2), 0.0, []
        for step in range(1, steps + 1):
            chosen = rest[torch.randint(len(rest), (2048,), generator=generator)]
            x, context = z[chosen], c[chosen]
            start = time.process_time()
            optimiser.zero_grad()
            (-side.log_prob(x, context).mean()).backward()
            optimiser.step()
            spent += time.process_time() - start
            if step % max(1, steps // 4) == 0:
                with torch.no_grad():
                    curve.append((step, spent, float(side.log_prob(z[held], c[held]).mean())))
        out[name] = curve
    return out


def ensemble(sideband: Events, steps: int) -> dict[str, float]:
    """CPU seconds of ten members over those of one, by the defaults and with equal batches."""

    def seconds(specification: dict[str, Any]) -> float:
        start = time.process_time()
        create(specification).fit(sideband.x, sideband.context, seed=1)
        return time.process_time() - start

    def of(kind: str, **training: Any) -> dict[str, Any]:
        return {"kind": kind, "training": {"steps": steps, **training}}

    one, small = of("autoregressive_spline"), of("autoregressive_spline", batch_size=512)
    # What is not a step is taken off: the bijection is the same for all.
    least = min(seconds(of("autoregressive_spline", steps=1)) for _ in range(2))
    alone, alone_small = seconds(one) - least, seconds(small) - least
    together = seconds({"kind": "ensemble", "members": 10, "generator": small}) - least
    together_large = seconds({"kind": "ensemble", "members": 10, "generator": one}) - least
    return {
        "defaults": together / alone,
        "batches of 512 each": together / alone_small,
        "batches of 2048 each": together_large / alone,
    }


def judge(generator: Any, background: Events, seed: int = 1) -> tuple[float, float, float]:
    """Closure AUC, its error, and CPU seconds of drawing."""
    start = time.process_time()
    template = draw_at(generator, background.mass, seed=seed)
    drawn = time.process_time() - start
    samples = [
        Sample(x, np.ones(len(x)), random_folds(len(x), 2, seed=seed + side))
        for side, x in enumerate((background.x, template.x))
    ]
    fit = cross_fit(BoostedTrees(members=10), *samples, seeds=(seed, seed + 1))
    found = auc(np.concatenate([fit.data, fit.template]), np.arange(len(fit.data) + len(fit.template)) < len(fit.data))
    return found.value, found.error, drawn


def trained(specification: dict[str, Any], sideband: Events, background: Events) -> dict[str, Any]:
    """CPU seconds and quality of one training."""
    start = time.process_time()
    generator = create(specification)
    held = np.arange(len(sideband)) % 20 == 0
    generator.fit(sideband.x[~held], sideband.context[~held], seed=1)
    seconds = time.process_time() - start
    value, error, drawn = judge(generator, background)
    known = hasattr(generator, "log_prob")
    log_p = float(generator.log_prob(sideband.x[held], sideband.context[held]).mean()) if known else None
    return {
        "generator": specification,
        "training_s": seconds,
        "sampling_us": 1e6 * drawn / len(background),
        "log_likelihood": log_p,
        "auc": value,
        "auc_error": error,
        "closed": value - error <= CLOSED,
    }


def closure(sideband: Events, background: Events, paper_epochs: int) -> dict[str, Any]:
    """Both recipes until they close, or until their budget is spent."""
    ours = []
    for steps in (150, 300, 600, 1200, 2400):
        training = {"steps": steps, "learning_rate": 1e-2 if steps < 600 else 4e-3}
        training["ema_decay"] = 0.97 if steps < 600 else 0.99
        ours.append(trained({"kind": "autoregressive_spline", "training": training}, sideband, background))
        if ours[-1]["closed"]:
            break
    paper = trained({"kind": "maf", "training": {"epochs": paper_epochs}}, sideband, background)
    return {
        "ours": ours,
        "paper": paper,
        "ratio": ours[-1]["training_s"] / paper["training_s"],
        "ours_closed": ours[-1]["closed"],
        "paper_closed": paper["closed"],
    }


def of_features() -> list[str]:
    """Kinds of feature vectors: the others want constituents."""
    return [kind for kind in kinds() if issubclass(generator_class(kind), TabularGenerator)]


def main() -> None:
    """Measure and print."""
    sections = ("speed", "likelihood", "ensemble", "closure", "family")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sections, help="a part; all but family if none is named")
    parser.add_argument("--paper-epochs", type=int, default=100, help="epochs of the CATHODE-paper recipe")
    parser.add_argument("--steps", type=int, default=100, help="steps of the likelihood and ensemble parts")
    parser.add_argument("--thin", type=int, default=1, help="train on every n-th event of the sidebands")
    parser.add_argument("--kinds", nargs="+", default=None, help="kinds of the family part")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = options.only or sections[:-1]
    result: dict[str, Any] = {"conditions": conditions()}

    def say(text: str) -> None:
        if not options.json:
            print(text, flush=True)

    say(", ".join(f"{key} {value}" for key, value in result["conditions"].items()))
    if "speed" in wanted:
        result["speed"] = [speed(features, batch) for features in (4, 6, 16) for batch in (512, 8192)]
        show_speed(result, say)
    sideband, background = dijets() if set(wanted) - {"speed"} else (None, None)
    if sideband is not None:
        sideband = sideband[:: options.thin]
    if "likelihood" in wanted:
        result["likelihood"] = likelihood(sideband, options.steps)
        for name, curve in result["likelihood"].items():
            say(f"{name:8}" + "".join(f"  {n:5d} steps {s:6.1f} s {v:8.4f}" for n, s, v in curve))
    if "ensemble" in wanted:
        result["ensemble"] = ensemble(sideband, options.steps)
        result["ensemble_cost"] = result["ensemble"]["defaults"]
        for name, ratio in result["ensemble"].items():
            say(f"ten members over one, {name}: {ratio:.2f}")
    if "closure" in wanted:
        result["closure"] = closure(sideband, background, options.paper_epochs)
        result["closure_time_vs_cathode_recipe"] = result["closure"]["ratio"]
        for row in (*result["closure"]["ours"], result["closure"]["paper"]):
            say(describe(row))
        say(f"time to closure over that of the paper's recipe: {result['closure']['ratio']:.4f}")
    if "family" in wanted:
        result["family"] = []
        for kind in options.kinds or of_features():
            result["family"].append(trained({"kind": kind}, sideband, background))
            say(describe(result["family"][-1]))
    if options.json:
        print(json.dumps(result))


def show_speed(result: dict[str, Any], say: Callable[[str], None]) -> None:
    """Fill the worst ratios and show all of them."""
    names = f"{'nflows':>9}{'zuko':>9}"
    say(f"{'D':>3}{'batch':>7}{'step ms: ours':>15}{names}{'draw ms: ours':>15}{names}")
    for row in result["speed"]:
        times = [row[key][name] for key in ("train_ms", "sample_ms") for name in ("ours", "nflows", "zuko")]
        widths = (15, 9, 9, 15, 9, 9)
        shown = "".join(f"{t:>{width}.1f}" for t, width in zip(times, widths, strict=True))
        say(f"{row['features']:>3}{row['batch']:>7}{shown}")
    compiled = [name for name in ("compiled zuko", "flowjax") if name in result["speed"][0]["train_ms"]]
    for name in compiled:
        say(f"{name}, ms a step: " + ", ".join(f"{row['train_ms'][name]:.1f}" for row in result["speed"]))
    if "flowjax" in compiled:
        say("flowjax, ms a draw: " + ", ".join(f"{row['sample_ms']['flowjax']:.1f}" for row in result["speed"]))
    for name, key, peers in (
        ("flow_vs_best_compiled", "train_ms", compiled),
        ("train_vs_nflows", "train_ms", ["nflows"]),
        ("train_vs_zuko", "train_ms", ["zuko"]),
        ("sample_vs_nflows", "sample_ms", ["nflows"]),
        ("sample_vs_zuko", "sample_ms", ["zuko"]),
        ("sample_vs_flowjax", "sample_ms", [peer for peer in compiled if peer == "flowjax"]),
    ):
        if not peers:
            continue
        ratios = [min(row[key][peer] for peer in peers) / row[key]["ours"] for row in result["speed"]]
        result[name] = min(ratios)
        say(f"{name}: {min(ratios):.2f} at worst, {np.exp(np.mean(np.log(ratios))):.2f} in the geometric mean")


def describe(row: dict[str, Any]) -> str:
    """One training in one line."""
    log_p = "none" if row["log_likelihood"] is None else f"{row['log_likelihood']:.4f}"
    return (
        f"{row['auc']:.4f} ± {row['auc_error']:.4f}  log p {log_p:>9}  {row['training_s']:7.1f} CPU s"
        f"  {row['sampling_us']:7.1f} µs an event  {row['generator']}"
    )


def conditions() -> dict[str, Any]:
    """What decides the numbers."""
    from importlib.metadata import version

    peers = ("flowjax", "jax") if flowjax_flows.installed() else ()
    packages = {name: version(name) for name in ("torch", "nflows", "zuko", "numba", "numpy", *peers)}
    threads = {"threads": torch.get_num_threads(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    return {"python": platform.python_version(), **packages, **threads}


if __name__ == "__main__":
    main()
