"""Statistical amplification: how many true events a flow and a GAN are worth that learned from a hundred.

    OMP_NUM_THREADS=1 python benchmarks/amplification.py --figures docs/images
    OMP_NUM_THREADS=1 python benchmarks/amplification.py --trainings 5 --only camel --json
    OMP_NUM_THREADS=1 python benchmarks/amplification.py --jets FOLDER --only jets
    OMP_NUM_THREADS=1 python benchmarks/amplification.py --showers FOLDER --only showers
    OMP_NUM_THREADS=1 python benchmarks/amplification.py --dijets qcd.root --only template --points 20000 --steps 2400

* camel: ½ N(−4, 1) + ½ N(4, 1), 100 points (Butter et al., 2008.06545); 10, 20 and 50 quantiles;
* ring: radius N(4, 1), any angle, in the plane, 100 points; 5 × 5 and 10 × 10 quantiles of radius and angle;
* jets: mass, multiplicity and pT of the hardest constituent of the jets in a file of JetNet's layout, by flow and GAN;
* showers: response, share and width of the fullest layer of photon showers, likewise;
* template: the flow of a search, learned in the sidebands of background dijets and drawn in the window, in true events
  of the window.

Beside them a parametric fit, which knows the family of the truth (the bound), a Gaussian density estimate (the floor),
and the training points, which are worth themselves. Every training has points of its own; what `--drawn` events
and a finite reference add by chance is taken off. Generators have their defaults but for the number of steps.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from amplification_samples import Draw, dijets_of, jets_of, showers_of
from numpy.typing import NDArray
from scipy.stats import gaussian_kde, norm

from analysis.metrics.amplification import Amplification, QuantileCells, amplification, divergence_amplification
from generators import create

Array = NDArray[np.float64]

PARTS = ("camel", "ring", "jets", "showers", "template")
GENERATORS: dict[str, dict[str, Any]] = {
    "flow": {"kind": "autoregressive_spline"},
    "gan": {"kind": "gan"},
}


def camel(n: int, seed: int) -> Array:
    """Two humps, (N, 1)."""
    rng = np.random.default_rng(seed)
    return (np.where(rng.random(n) < 0.5, -4.0, 4.0) + rng.standard_normal(n))[:, None]


def ring(n: int, seed: int) -> Array:
    """A ring in the plane, (N, 2)."""
    rng = np.random.default_rng(seed)
    radius, angle = 4 + rng.standard_normal(n), rng.uniform(-np.pi, np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def polar(x: Array) -> Array:
    """Radius and angle: cells of the ring are ranges of these."""
    return np.stack([np.hypot(x[:, 0], x[:, 1]), np.arctan2(x[:, 1], x[:, 0])], axis=1)


def as_it_is(x: Array) -> Array:
    """The features themselves."""
    return x


def fitted_camel(sample: Array, seed: int) -> Draw:
    """Two Gaussians and their fraction by maximum likelihood: expectation maximisation from the truth."""
    x, fraction, mean, width = sample[:, 0], 0.5, np.array([-4.0, 4.0]), np.ones(2)
    for _ in range(200):
        each = np.array([fraction, 1 - fraction])[:, None] * norm.pdf(x, mean[:, None], width[:, None])
        member = each / each.sum(axis=0)
        fraction, total = float(member[0].mean()), member.sum(axis=1)
        mean = member @ x / total
        width = np.sqrt((member * (x - mean[:, None]) ** 2).sum(axis=1) / total)

    def draw(n: int, seed: int) -> Array:
        rng = np.random.default_rng(seed)
        which = (rng.random(n) > fraction).astype(int)
        return (mean[which] + width[which] * rng.standard_normal(n))[:, None]

    return draw


def fitted_ring(sample: Array, seed: int) -> Draw:
    """Mean and width of the radius, and any angle."""
    radius = polar(sample)[:, 0]
    mean, width = float(radius.mean()), float(radius.std())

    def draw(n: int, seed: int) -> Array:
        rng = np.random.default_rng(seed)
        r, angle = mean + width * rng.standard_normal(n), rng.uniform(-np.pi, np.pi, n)
        return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)

    return draw


def density_estimate(sample: Array, seed: int) -> Draw:
    """A Gaussian of 0.15 standard deviations on every point."""
    kernel = gaussian_kde(sample.T, bw_method=0.15)
    return lambda n, seed: kernel.resample(n, seed=seed).T


def themselves(sample: Array, seed: int) -> Draw:
    """The training points, as they are."""
    return lambda n, seed: sample


def generator(specification: dict[str, Any], steps: int) -> Callable[[Array, int], Draw]:
    """One of ours after so many steps; without a context."""

    def fit(sample: Array, seed: int) -> Draw:
        training = {"epochs": None, "steps": steps, "batch_size": min(64, len(sample))}
        what = {**specification, "training": {**specification.get("training", {}), **training}}
        fitted = create(what).fit(sample, np.zeros((len(sample), 0)), seed=seed)
        return lambda n, seed: np.asarray(fitted.sample(np.zeros((n, 0)), seed=seed), np.float64)

    return fit


def described(amplified: Amplification) -> dict[str, float]:
    """Amplification with its standard error, and what it is in events."""
    return {"A": amplified.factor, "error": amplified.factor_error, "n_equivalent": amplified.n_equivalent}


def measured(
    truth: Draw,
    fits: dict[str, Callable[[Array, int], Draw]],
    cells: dict[str, tuple[int, ...]],
    seen: Callable[[Array], Array],
    options: Any,
    reference: int,
    repeats: int = 10,
) -> dict[str, Any]:
    """Every way of learning, by number of cells; what costs nothing is tried on `repeats` times as many samples."""
    known = seen(truth(reference, 10**6))
    made = {name: QuantileCells.of(known, quantiles) for name, quantiles in cells.items()}
    out: dict[str, Any] = {}
    for name, fit in fits.items():
        start, shares = time.process_time(), {each: [] for each in cells}
        trainings = options.trainings * (1 if name in GENERATORS else repeats)
        for training in range(trainings):
            sample = truth(options.points, training)
            drawn = seen(fit(sample, training)(options.drawn, training))
            for each, edges in made.items():
                shares[each].append(edges.shares(drawn))
        spent = (time.process_time() - start) / trainings
        # The training points are no draws, of which there are so many: their chance is what is measured.
        drawn_by_chance = None if name == "training points" else options.drawn
        out[name] = {
            "cpu_s": spent,
            "cells": {
                each: {
                    "quantiles": described(
                        amplification(np.stack(x), options.points, drawn=drawn_by_chance, reference=reference)
                    ),
                    "divergence": described(
                        divergence_amplification(
                            np.stack(x), options.points, drawn=drawn_by_chance, reference=reference
                        )
                    ),
                }
                for each, x in shares.items()
            },
        }
    return out


def templates(path: str, options: Any) -> dict[str, Any]:
    """What a template is worth that learned from so many sideband events, in true events of the window.

    81 cells of the four features. The sideband events as they are, and the flow conditioned on the mass, drawn at
    masses of the window.
    """
    sideband, window = dijets_of(path)
    known, masses = window.x[::2], window.mass[1::2]
    cells = QuantileCells.of(known, (3, 3, 3, 3))
    shares: dict[str, list[Array]] = {"sideband events": [], "flow": []}
    spent = dict.fromkeys(shares, 0.0)
    for training in range(options.trainings):
        part = sideband[slice(training * options.points, (training + 1) * options.points)]
        if len(part) < options.points:
            raise SystemExit(f"{len(sideband)} sideband events are too few; give fewer --trainings or --points.")
        shares["sideband events"].append(cells.shares(part.x))
        start = time.process_time()
        flow = create({**GENERATORS["flow"], "training": {"steps": options.steps}})
        flow.fit(part.x, part.context, seed=training)
        at = np.random.default_rng(training).choice(masses, options.drawn)
        shares["flow"].append(cells.shares(np.asarray(flow.sample(at[:, None], seed=training), np.float64)))
        spent["flow"] += (time.process_time() - start) / options.trainings
    out = {}
    for name, each in shares.items():
        # Sideband events are no draws, of which there are so many.
        drawn = options.drawn if name == "flow" else None
        common = {"drawn": drawn, "reference": len(known)}
        quantiles = described(amplification(np.stack(each), options.points, **common))
        divergence = described(divergence_amplification(np.stack(each), options.points, **common))
        out[name] = {
            "cpu_s": spent[name],
            "cells": {"3 × 3 × 3 × 3": {"quantiles": quantiles, "divergence": divergence}},
        }
    return out


def figure(folder: Path, name: str, truth: Draw, fits: dict[str, Callable[[Array, int], Draw]], options: Any) -> None:
    """The points of one training, the truth, and what was learned of them."""
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    sample, true = truth(options.points, 0), truth(50_000, 999)
    drawn = {key: fit(sample, 0)(50_000, 0) for key, fit in fits.items() if key in GENERATORS}
    if name == "camel":
        canvas, axis = plt.subplots(figsize=(6, 3.5))
        edges = np.linspace(-8, 8, 65)
        axis.hist(sample[:, 0], edges[::2], density=True, color="0.85", label=f"{options.points} points")
        for key, x in {"truth": true, **drawn}.items():
            axis.stairs(np.histogram(x[:, 0], edges, density=True)[0], edges, label=key)
        axis.legend()
        axis.set(xlabel="x", ylabel="density")
    else:
        canvas, axes = plt.subplots(1, 2 + len(drawn), figsize=(11, 3), sharex=True, sharey=True)
        axes[0].scatter(*sample.T, s=4)
        axes[0].set_title(f"{options.points} points")
        for axis, (key, x) in zip(axes[1:], {"truth": true, **drawn}.items(), strict=True):
            axis.hist2d(*x.T, bins=60, range=[(-8, 8), (-8, 8)], cmap="viridis")
            axis.set_title(key)
    canvas.savefig(folder / f"amplification-{name}.png", bbox_inches="tight", dpi=110)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=["camel", "ring"])
    parser.add_argument("--jets", default=None, help="folder of files in the layout of JetNet")
    parser.add_argument("--showers", default=None, help="folder of the photons of data set 1, or of ones like them")
    parser.add_argument("--dijets", default="embedded:dijets", help="file of dijets; by default those of the package")
    parser.add_argument("--trainings", type=int, default=15, help="training samples")
    parser.add_argument("--points", type=int, default=100, help="events of each")
    parser.add_argument("--steps", type=int, default=400, help="of each training of a generator")
    parser.add_argument("--drawn", type=int, default=50_000, help="events drawn of each")
    parser.add_argument("--figures", type=Path, default=None, help="folder for plots")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ours = {name: generator(what, options.steps) for name, what in GENERATORS.items()}
    common = {"training points": themselves, "density estimate": density_estimate}
    result: dict[str, Any] = {"points": options.points, "trainings": options.trainings, "steps": options.steps}
    found: dict[str, Any] = {}
    if "camel" in options.only:
        fits = {**common, "parametric fit": fitted_camel, **ours}
        found["camel"] = measured(camel, fits, {str(q): (q,) for q in (10, 20, 50)}, as_it_is, options, 2_000_000)
    if "ring" in options.only:
        fits = {**common, "parametric fit": fitted_ring, **ours}
        found["ring"] = measured(ring, fits, {"5 × 5": (5, 5), "10 × 10": (10, 10)}, polar, options, 2_000_000)
    if "jets" in options.only:
        if options.jets is None:
            parser.error("--only jets needs --jets FOLDER")
        truth, reference = jets_of(options.jets)
        found["jets"] = measured(truth, {**common, **ours}, {"3 × 3 × 3": (3, 3, 3)}, as_it_is, options, reference, 1)
    if "showers" in options.only:
        if options.showers is None:
            parser.error("--only showers needs --showers FOLDER")
        truth, reference = showers_of(options.showers)
        cells = {"3 × 3 × 3": (3, 3, 3)}
        found["showers"] = measured(truth, {**common, **ours}, cells, as_it_is, options, reference, 1)
    if "template" in options.only:
        found["template"] = templates(options.dijets, options)
    result["amplification"] = {
        f"{place}, {cells} quantiles, {name}": row["cells"][cells]["quantiles"]
        for place, rows in found.items()
        for name, row in rows.items()
        for cells in row["cells"]
    }
    result["details"] = found
    if options.figures is not None:
        for name, truth in (("camel", camel), ("ring", ring)):
            if name in options.only:
                figure(options.figures, name, truth, ours, options)
    if options.json:
        print(json.dumps(result))
        return
    print(
        f"{options.points} points, {options.trainings} training samples, {options.steps} steps, {options.drawn} drawn"
    )
    print("| | A, by quantiles | A, by divergence | CPU s a training |\n|---|---|---|---|")
    for place, rows in found.items():
        for cells in next(iter(rows.values()))["cells"]:
            for name, row in rows.items():
                one, other = row["cells"][cells]["quantiles"], row["cells"][cells]["divergence"]
                print(
                    f"| {place}, {cells} cells: {name} | {one['A']:.2f} ± {one['error']:.2f} | {other['A']:.2f} ± "
                    f"{other['error']:.2f} | {row['cpu_s']:.1f} |"
                )


if __name__ == "__main__":
    main()
