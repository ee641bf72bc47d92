"""By what `jets.py` compares drawn jets with true ones, and what it says that drawing them costs."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from analysis.features.constituents import relative_mass
from analysis.metrics.amplification import QuantileCells, amplification
from analysis.metrics.equivalent_size import equivalent_size
from analysis.metrics.jets import JetMetrics, evaluate_jets
from analysis.metrics.protocols import protocol_of
from analysis.metrics.sampling import Sampling, valid_clouds
from cathode.classifiers import BoostedTrees, Transformer
from cathode.classifiers.two_sample import classifier_test

Clouds = NDArray[np.float32]

METRICS = ("w1m", "w1p", "w1efp", "fpd", "kpd", "coverage", "mmd")


def no_context(n: int) -> NDArray[np.float64]:
    """No condition: N is up to the generator."""
    return np.zeros((n, 0))


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


def amplified(drawn: Clouds, truth: Clouds, learned: int) -> dict[str, float]:
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
    return {"factor": once(*samples, 1), "error": float((high - low) / 2) if np.isfinite(high) else math.inf}


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
