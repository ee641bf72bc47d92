"""What one AUC does not say: energy by energy, neighbourhoods, what a sample is worth, what weights mend."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.datasets.shower_files import open_showers
from analysis.metrics.equivalent_size import EquivalentSize, equivalent_size
from analysis.metrics.prdc import Neighbourhoods, neighbourhoods
from analysis.metrics.shower_histograms import comparisons
from analysis.metrics.showers import Observables, cut, high_level
from analysis.metrics.sic_and_auc import Measured
from analysis.showers.layered import Geometry
from analysis.showers.layers import Float
from analysis.showers.voxels import Showers
from cathode.classifiers import BoostedTrees
from cathode.classifiers.cross_fitting import MINIMUM
from cathode.classifiers.two_sample import held_out_auc
from cathode.comparison.likelihood_ratio import RatioWeights, likelihood_ratio_weights, resampled
from cathode.runtime.seeds import Seeds

#: More incident energies than this are no single ones, and are divided into so many slices of equal numbers.
_SINGLE, _SLICES = 20, 4

#: Showers, and numbers of them, that neighbours are looked for among.
_NEIGHBOURS, _NUMBERS = 5_000, 20_000_000

#: MeV; what an empty voxel has in the logarithm (2410.21611).
_EMPTY = 0.1
_MEV = 1e3

#: Values of a column that must differ from the median for trees to learn anything of it.
_VARIES = 20


@dataclass(frozen=True)
class EnergySlice:
    """Showers of incident energies from `low` to `high` GeV: an AUC of observables, and the mean response.

    `auc` is None with fewer showers than a training needs. `response` is that of generated and reference showers, and
    `error` that of their difference.
    """

    low: float
    high: float
    generated: int
    reference: int
    auc: Measured | None
    response: tuple[float, float]
    error: float


@dataclass(frozen=True, eq=False)
class ShowerDetails:
    """What `shower_details` found.

    Attributes
    ----------
    neighbourhoods, neighbourhoods_floor : of log₁₀ of voxels with 5 neighbours; and of halves of the reference.
    size : reference showers that generated ones are worth in the distributions of observables.
    slices : by incident energy; the ratio of two of them is what leaving out an energy in a training costs.
    ratio : weights of generated showers, None where no trees were asked for.
    mended : mean separation power of every group of observables before and after these.
    """

    neighbourhoods: Neighbourhoods
    neighbourhoods_floor: Neighbourhoods
    size: EquivalentSize
    slices: tuple[EnergySlice, ...]
    ratio: RatioWeights | None
    mended: dict[str, tuple[float, float]]

    def to_dict(self) -> dict[str, Any]:
        """Everything that is a number, as JSON types."""
        ratio = self.ratio
        return {
            "neighbourhoods": asdict(self.neighbourhoods),
            "neighbourhoods_floor": asdict(self.neighbourhoods_floor),
            "equivalent_size": {**asdict(self.size), "curve": [list(point) for point in self.size.curve]},
            "slices": [{**asdict(each), "response": list(each.response)} for each in self.slices],
            "ratio_weights": None
            if ratio is None
            else {
                "effective": ratio.effective,
                "largest": float(ratio.weights.max()),
                "calibration": ratio.calibration,
                "auc_before": asdict(ratio.before),
                "auc_after": asdict(ratio.after),
                "separation": {name: list(pair) for name, pair in self.mended.items()},
            },
        }


def shower_details(
    files: tuple[Path, Path],
    found: tuple[Observables, Observables],
    halves: tuple[Observables, Observables],
    geometry: Geometry,
    *,
    trees: BoostedTrees | None,
    folds: int,
    seeds: Seeds,
) -> ShowerDetails:
    """Details of generated and reference showers `found` in `files`; without `trees` no classifier is trained."""
    ours, theirs = found
    vectors, half = (high_level(ours), high_level(theirs)), tuple(high_level(each) for each in halves)
    drawn, true = (_logarithms(path, geometry, len(each)) for path, each in zip(files, found, strict=True))
    order = np.random.default_rng(seeds("neighbours")).permutation(len(true))
    first, second = true[order[::2]], true[order[1::2]]
    size = min(len(drawn), len(second))
    ratio, mended = None, {}
    if trees is not None and min(len(ours), len(theirs)) * (folds - 1) // folds >= MINIMUM:
        kept = _varying(*vectors)
        seed = seeds("likelihood ratio")
        ratio = likelihood_ratio_weights(trees, vectors[1][:, kept], vectors[0][:, kept], folds=folds, seed=seed)
        after = ours.rows(resampled(ratio.weights, seed=seeds("resampled")))
        before, later = _separations(ours, theirs, geometry), _separations(after, theirs, geometry)
        mended = {name: (before[name], later[name]) for name in before}
    return ShowerDetails(
        neighbourhoods(drawn[:size], second),
        neighbourhoods(first[:size], second),
        equivalent_size(vectors[0][:, 1:], half[0][:, 1:], half[1][:, 1:], seed=seeds("equivalent size")),
        tuple(_slices(ours, theirs, trees, folds, seeds)),
        ratio,
        mended,
    )


def _separations(ours: Observables, theirs: Observables, geometry: Geometry) -> dict[str, float]:
    """Mean separation power of every group of observables."""
    groups: dict[str, list[float]] = {}
    for each in comparisons(ours, theirs, geometry):
        groups.setdefault(each.group, []).append(each.separation)
    return {name: float(np.mean(values)) for name, values in groups.items()}


def _slices(
    ours: Observables, theirs: Observables, trees: BoostedTrees | None, folds: int, seeds: Seeds
) -> list[EnergySlice]:
    energies, out = np.unique(theirs.incident), []
    edges = [(e, e) for e in energies]
    if len(energies) > min(_SINGLE, len(theirs) // 2):
        at = np.quantile(theirs.incident, np.linspace(0, 1, _SLICES + 1))
        edges = list(pairwise(at))
    for low, high in edges:
        parts = []
        for sample in (ours, theirs):
            inside = np.isclose(sample.incident, low) if low == high else _between(sample.incident, low, high)
            parts.append(sample.rows(np.flatnonzero(inside)))
        if min(len(part) for part in parts) < 2:
            continue
        auc = None
        if trees is not None and min(len(part) for part in parts) * (folds - 1) // folds >= MINIMUM:
            mine, other = (high_level(part) for part in parts)
            kept = _varying(mine, other)
            purpose = f"slice from {low:g}"
            auc = held_out_auc(trees, other[:, kept], mine[:, kept], name=purpose, folds=folds, seeds=seeds)
        error = float(np.sqrt(sum(part.response.var(ddof=1) / len(part) for part in parts)))
        response = (float(parts[0].response.mean()), float(parts[1].response.mean()))
        out.append(EnergySlice(float(low), float(high), len(parts[0]), len(parts[1]), auc, response, error))
    return out


def _between(values: Float, low: float, high: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (values >= low) & (values <= high)
    return inside


def _varying(mine: Float, other: Float) -> NDArray[np.bool_]:
    """Columns with enough values beside the commonest for every fold to have some."""
    pooled = np.concatenate([mine, other])
    varies: NDArray[np.bool_] = (pooled != np.median(pooled, axis=0)).sum(axis=0) >= min(_VARIES, len(pooled) // 4)
    return varies


def _logarithms(path: Path, geometry: Geometry, showers: int) -> NDArray[np.float64]:
    """Log₁₀ of voxels in MeV of some showers, evenly out of the file."""
    count = min(showers, _NEIGHBOURS, max(50, _NUMBERS // geometry.voxels))
    wanted = np.unique(np.linspace(0, showers - 1, count).astype(np.int64))
    parts, start = [], 0
    with open_showers(path, geometry) as file:
        for chunk in file.dense(max(1, _NUMBERS // geometry.voxels)):
            mine = wanted[(wanted >= start) & (wanted < start + len(chunk))] - start
            energies = cut(Showers(chunk.incident[mine], chunk.energies[mine]), geometry).energies * _MEV
            parts.append(np.log10(np.where(energies > 0, energies, _EMPTY)).astype(np.float64))
            start += len(chunk)
    return np.concatenate(parts)
