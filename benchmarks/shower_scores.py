"""The likelihood of showers as a score without labels: what it sees of a scalar that decays to two photons.

    python benchmarks/shower_scores.py --json scores.json

trains a density p(shower | E_rec) on a part of the photons of a file (by default the embedded one) and asks of the
others, and of pairs of photons from scalars of 5 and 0.05 GeV, how unlikely they are: by −log p; by how far −log p is
from that of photons of their energy, in either direction; by the sum of squares of all normal scores of a shower; and
by the largest such sum of one region, the division into layers or the inside of a layer (after 2312.11618). Each score
is a conformal p-value among other photons, in bins of E_rec or over all; half of the photons calibrates the other half
and the other way round. Beside it stand trees that were trained with labels, which learn the energy of the pairs as
well. SIC = ε_S/√ε_B at the achieved ε_B, with the error of the counts; the AUC is among photons of the energies of the
pairs.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.datasets import embedded, open_showers
from analysis.features.shower_shapes import shower_shape_names, shower_shapes
from analysis.metrics.showers import cut
from analysis.plots.style import REFERENCE, single, styled
from analysis.showers import Geometry, geometry
from analysis.statistics.conformal import mondrian_p_values

Array = NDArray[np.float64]

#: Bins of E_rec in which p-values are calibrated, equally full.
BINS = 5
#: Background events that have to pass a cut for its efficiency to be quoted.
FEWEST = 25
EFFICIENCIES = (1e-2, 1e-3)
OF_TRAINING = 0.4


@dataclass(frozen=True)
class Sample:
    """Showers x (N, V) in GeV, the sum of their voxels (N,), and the mass of the scalar, 0 for photons, (N,)."""

    x: Array
    energy: Array
    mass: Array

    def __getitem__(self, rows: NDArray[Any]) -> Sample:
        return Sample(self.x[rows], self.energy[rows], self.mass[rows])


@dataclass(frozen=True)
class Row:
    """One score for one mass: area under the curve, and of a cut what passes of signal and background."""

    score: str
    mass: float
    seed: int
    auc: float
    background_efficiency: float
    background: int
    signal_efficiency: float
    sic: float
    error: float


def read(path: Path, detector: Geometry) -> Sample:
    """All showers of a file that have energy, cut."""
    with open_showers(path, detector) as file:
        x = cut(next(file.dense_rows(0, len(file))), detector).energies.astype(np.float64)
        mass = file.column("scalar_mass").astype(np.float64)
    total = x.sum(axis=1)
    return Sample(x, total, mass)[total > 0]


@dataclass(frozen=True)
class Seen:
    """What a density sees of showers: −log p (N,) per MeV, and of every region the excess of Σz² (N, R)."""

    surprise: Array
    regions: Array
    overall: Array


def seen_by_density(train: Sample, others: Sample, detector: Geometry, *, steps: int, seed: int) -> tuple[Seen, float]:
    """What a density that learned `train` sees of other showers, and the CPU seconds of its training."""
    from generators.registry import create

    start = time.process_time()
    generator = create(
        {
            "kind": "hierarchical_sticks",
            "layers": [list(layer.shape) for layer in detector.layers],
            "threshold": detector.threshold,
            "given": [0],
            "training": {"steps": steps, "batch_size": 128},
        }
    )
    generator.fit(train.x, train.energy[:, None], seed=seed)
    spent = time.process_time() - start
    context = others.energy[:, None]
    # Per MeV: the number of cells with energy weighs in by the unit, and that of the threshold is the natural one.
    free = (others.x > 0).sum(axis=1) - 1
    surprise = -generator.log_prob(others.x, context) + free * math.log(1e3)
    squares = generator.normal_scores(others.x, context, seed=seed) ** 2 - 1
    parts = [squares[:, generator.regions == region] for region in np.unique(generator.regions)]
    return Seen(surprise, np.stack([of_squares(part) for part in parts], axis=1), of_squares(squares)), spent


def of_squares(squares: Array) -> Array:
    """Sum of z² − 1 in its standard deviations, (N,); 0 where there is no z."""
    known = np.isfinite(squares).sum(axis=1)
    return np.nansum(squares, axis=1) / np.sqrt(2 * np.maximum(known, 1))


def scores(seen: Seen, energy: Array, reference: NDArray[np.bool_]) -> dict[str, tuple[Array, bool]]:
    """Scores (N,) by name, and whether their p-values are taken in bins of energy."""
    place = np.log(energy)
    design = np.stack([place**power for power in range(4)], axis=1)
    mean, *_ = np.linalg.lstsq(design[reference], seen.surprise[reference])
    rest = seen.surprise - design @ mean
    return {
        "raw −log p": (seen.surprise, False),
        "raw −log p, in bins of E": (rest, True),
        "typicality": (np.abs(rest), True),
        "Σz² of the shower": (seen.overall, True),
        "Σz² of regions": (seen.regions.max(axis=1), True),
    }


def labelled(sample: Sample, detector: Geometry, mass: float, seed: int) -> Array:
    """Held-out scores (N,) of trees that were told which showers are pairs of this mass, NaN for other pairs."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    seen = np.column_stack([shower_shapes(sample.x, detector), np.log(sample.energy)])
    mine = np.flatnonzero((sample.mass == 0) | np.isclose(sample.mass, mass, rtol=1e-3))
    out = np.full(len(sample.x), np.nan)
    half = np.random.default_rng([seed, 7]).permutation(len(mine)) % 2
    for part in (0, 1):
        train, test = mine[half == part], mine[half != part]
        trees = HistGradientBoostingClassifier(max_iter=100, random_state=seed)
        truth = sample.mass[train] > 0
        weights = np.where(truth, len(truth) / truth.sum(), 1.0)
        trees.fit(seen[train], truth, sample_weight=weights)
        out[test] = trees.predict_proba(seen[test])[:, 1]
    return out


def ranked(score: Array, energy: Array, photon: NDArray[np.bool_], binned: bool, seed: int) -> Array:
    """p-values (N,): each photon against the photons of the other half, each pair against all halves' mean."""
    half = np.random.default_rng([seed, 8]).permutation(len(score)) % 2
    edges = np.quantile(energy[photon], np.linspace(0, 1, BINS + 1)[1:-1])
    groups = np.searchsorted(edges, energy) if binned else np.zeros(len(score), dtype=np.int64)
    out = np.zeros(len(score))
    for part in (0, 1):
        calibration, test = photon & (half == part), half != part
        out[test] = mondrian_p_values(
            score[test], score[calibration], groups=groups[test], calibration_groups=groups[calibration]
        )
    return out


def rows(name: str, less: Array, sample: Sample, mass: float, seed: int) -> list[Row]:
    """What a score that is small for signal (N,) sees of one mass."""
    from sklearn.metrics import roc_auc_score

    signal = np.isclose(sample.mass, mass, rtol=1e-3)
    background, of_signal = less[(sample.mass == 0) & np.isfinite(less)], less[signal]
    low, high = np.quantile(sample.energy[signal], [0.1, 0.9])
    near = less[(sample.mass == 0) & (sample.energy > 0.95 * low) & (sample.energy < 1.05 * high)]
    truth = np.concatenate([np.zeros(len(near)), np.ones(len(of_signal))])
    auc = float(roc_auc_score(truth, -np.concatenate([near, of_signal])))
    found = []
    for efficiency in EFFICIENCIES:
        passing = round(efficiency * len(background))
        if passing < FEWEST:
            continue
        threshold = np.sort(background)[passing - 1]
        kept = int((background <= threshold).sum())
        achieved, seen = kept / len(background), float((of_signal <= threshold).mean())
        sic = seen / math.sqrt(achieved)
        of_seen = math.sqrt(max(seen * (1 - seen), 1 / len(of_signal)) / len(of_signal)) / math.sqrt(achieved)
        found.append(
            Row(name, mass, seed, auc, achieved, kept, seen, sic, math.hypot(of_seen, sic / (2 * math.sqrt(kept))))
        )
    return found


def measured(sample: Sample, detector: Geometry, *, steps: int, seed: int, say: Callable[[str], None]) -> list[Row]:
    """All scores of one training."""
    rng = np.random.default_rng(seed)
    photons = rng.permutation(np.flatnonzero(sample.mass == 0))
    training = photons[: int(OF_TRAINING * len(photons))]
    others = sample[np.setdiff1d(np.arange(len(sample.x)), training)]
    seen, spent = seen_by_density(sample[training], others, detector, steps=steps, seed=seed)
    photon = others.mass == 0
    say(
        f"seed {seed}: {len(training)} photons in {spent:.0f} CPU s; {int(photon.sum())} others: −log p "
        f"{seen.surprise[photon].mean():.1f}, Σz² {seen.overall[photon].mean():.2f} ± {seen.overall[photon].std():.2f}"
    )
    found = []
    masses = sorted(set(np.round(others.mass[~photon], 6)), reverse=True)
    for name, (score, binned) in scores(seen, others.energy, photon).items():
        p = ranked(score, others.energy, photon, binned, seed)
        # Equal p-values are told apart by the score.
        order = np.argsort(np.argsort(-score)) / (10 * len(score) ** 2)
        for mass in masses:
            found += rows(name, p + order, others, mass, seed)
    for mass in masses:
        found += rows("trees with labels", -labelled(others, detector, mass, seed), others, mass, seed)
    return found


def draw(found: Sequence[Row], sample: Sample, detector: Geometry, folder: Path) -> None:
    """Two figures for a page: how wide the showers are, and what every score makes of the pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    radii(sample, detector).savefig(folder / "shower-pairs.png", dpi=110)
    improvements(found).savefig(folder / "shower-scores.png", dpi=110)


@styled
def radii(sample: Sample, detector: Geometry) -> Figure:
    """Distance of the energy of layer 2 from the axis by the energy of the shower."""
    radius = shower_shapes(sample.x, detector)[:, shower_shape_names(detector).index("radius_2")]
    figure, axes = single()
    for mass, name, size in ((0.0, "photons", 2), (5.0, "pairs, 5 GeV", 6), (0.05, "pairs, 0.05 GeV", 6)):
        mine = np.isclose(sample.mass, mass, atol=1e-4)
        axes.scatter(sample.energy[mine], radius[mine], s=size, label=name, linewidths=0)
    axes.set(xlabel="energy of the voxels [GeV]", ylabel="centre of energy of layer 2 from the axis [mm]")
    axes.set_ylim(0, 200)
    axes.legend()
    return figure


@styled
def improvements(found: Sequence[Row]) -> Figure:
    """ε_S/√ε_B of every score and training at the loosest cut."""
    names = list(dict.fromkeys(row.score for row in found))
    figure, axes = single()
    for offset, mass in ((-0.15, 5.0), (0.15, 0.05)):
        mine = [row for row in found if math.isclose(row.mass, mass, rel_tol=1e-3)]
        mine = [row for row in mine if row.background_efficiency > 0.5 * EFFICIENCIES[0]]
        places = [names.index(row.score) + offset for row in mine]
        errors = [row.error for row in mine]
        axes.errorbar([row.sic for row in mine], places, xerr=errors, fmt="o", label=f"{mass:g} GeV")
    axes.axvline(1, color=REFERENCE, linestyle=":")
    axes.set(xlabel=f"ε_S / √ε_B at ε_B = {EFFICIENCIES[0]:g}", yticks=range(len(names)))
    axes.set_yticklabels(names)
    axes.invert_yaxis()
    axes.legend(loc="center")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line, see above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--file", type=Path, default=None, help="showers with scalar_mass; by default the embedded ones"
    )
    parser.add_argument("--geometry", default="ds1-photons")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--figures", type=Path, default=None, help="a folder for figures")
    options = parser.parse_args(arguments)
    detector = geometry(options.geometry)
    sample = read(options.file or embedded("showers"), detector)
    found = []
    for seed in options.seeds:
        found += measured(sample, detector, steps=options.steps, seed=seed, say=print)
    print(f"{'score':<26}{'mass':>6}{'seed':>5}{'AUC':>8}{'ε_B':>9}{'n_B':>5}{'ε_S':>8}{'SIC':>14}")
    for row in found:
        print(
            f"{row.score:<26}{row.mass:>6g}{row.seed:>5}{row.auc:>8.3f}{row.background_efficiency:>9.4f}"
            f"{row.background:>5}{row.signal_efficiency:>8.3f}{row.sic:>8.2f} ± {row.error:.2f}"
        )
    if options.figures is not None:
        draw(found, sample, detector, options.figures)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
