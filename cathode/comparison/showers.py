"""Generated showers against reference ones: every number of the comparison, each beside its floor."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from analysis.datasets.shower_files import open_showers
from analysis.errors import TooFewEventsError, nearest
from analysis.metrics.frechet import FrechetSampling, frechet_physics_distance, kernel_physics_distance
from analysis.metrics.sampling import Sampling
from analysis.metrics.shower_histograms import Comparison, comparisons, voxel_spectrum
from analysis.metrics.showers import Observables, cut, high_level, observables
from analysis.metrics.sic_and_auc import Measured
from analysis.showers.layered import Geometry
from analysis.showers.layers import Float
from analysis.showers.voxels import Showers
from cathode.classifiers import BoostedTrees, ShowerResNet
from cathode.classifiers.cross_fitting import MINIMUM
from cathode.comparison.shower_classifiers import (
    TESTS,
    ClassifierScore,
    by_trees,
    by_volume,
    resnet_of,
    rows_at_once,
)
from cathode.comparison.shower_details import ShowerDetails, shower_details
from cathode.errors import ConfigError
from cathode.runtime.progress import Progress
from cathode.runtime.seeds import Seeds

#: Trees on more voxels than this take hours; the tests on voxels are then made only if they are asked for. The network
#: always has to be.
MANY_VOXELS = 1_000

#: Below this probability of a Kolmogorov–Smirnov test the samples were made for different incident energies.
_OTHER_ENERGIES = 1e-4

#: Of FPD and KPD in the challenge.
_FRECHET = FrechetSampling(smallest=10_000, largest=50_000)
_KERNEL = Sampling(10_000, 10)


@dataclass(frozen=True, eq=False)
class ShowerEvaluation:
    """What `evaluate_showers` found.

    Attributes
    ----------
    geometry : of both samples.
    generated, reference : their observables.
    histograms : all observables; `floor` the same between two halves of the reference.
    frechet, kernel, frechet_floor : FPD and KPD as they are, not multiplied by 1000.
    classifiers : by the name of the test.
    averages : mean energy of voxels of both, (V,) GeV.
    details : by energy, by neighbours, in true showers, and after weights.
    warnings : what speaks against the comparison.
    """

    geometry: Geometry
    generated: Observables
    reference: Observables
    histograms: tuple[Comparison, ...]
    floor: tuple[Comparison, ...]
    frechet: Measured
    frechet_floor: Measured
    kernel: Measured
    classifiers: dict[str, ClassifierScore]
    averages: tuple[Float, Float]
    details: ShowerDetails
    seed: int
    warnings: tuple[str, ...]

    def separations(self) -> dict[str, tuple[float, float]]:
        """Mean separation power of every group of observables, and that of its floor; NaN where there is none."""
        groups: dict[str, tuple[list[float], list[float]]] = {}
        for values, index in ((self.histograms, 0), (self.floor, 1)):
            for each in values:
                groups.setdefault(each.group, ([], []))[index].append(each.separation)
        return {name: (float(np.mean(a)), float(np.mean(b)) if b else float("nan")) for name, (a, b) in groups.items()}

    def to_dict(self) -> dict[str, Any]:
        """Everything that is a number, as JSON types."""
        return {
            "dataset": self.geometry.name,
            "voxels": self.geometry.voxels,
            "generated": len(self.generated),
            "reference": len(self.reference),
            "seed": self.seed,
            "classifiers": {name: asdict(score) for name, score in self.classifiers.items()},
            "fpd": asdict(self.frechet),
            "fpd_floor": asdict(self.frechet_floor),
            "kpd": asdict(self.kernel),
            "separation": {
                name: {"mean": mean, "floor": None if np.isnan(floor) else floor}
                for name, (mean, floor) in self.separations().items()
            },
            "separations": [{"group": c.group, "name": c.name, "value": c.separation} for c in self.histograms],
            "response": {
                name: {"mean": float(s.response.mean()), "deviation": float(s.response.std())}
                for name, s in (("generated", self.generated), ("reference", self.reference))
            },
            "layers": [
                {"layer": layer.id, "generated": float(a), "reference": float(b)}
                for layer, a, b in zip(
                    self.geometry.layers,
                    self.generated.layers.mean(axis=0),
                    self.reference.layers.mean(axis=0),
                    strict=True,
                )
            ],
            **self.details.to_dict(),
            "warnings": list(self.warnings),
        }


def evaluate_showers(
    generated: str | os.PathLike[str],
    reference: str | os.PathLike[str],
    geometry: Geometry,
    *,
    tests: Sequence[str] | None = None,
    trees: BoostedTrees | None = None,
    network: ShowerResNet | None = None,
    folds: int = 3,
    seed: int = 1,
    progress: Progress | None = None,
) -> ShowerEvaluation:
    """Compare two files of showers, in any layout, by the conventions of the CaloChallenge (2410.21611).

    `tests` are out of `TESTS`, by default those by trees, of more than 1,000 voxels "high" alone; "resnet" is for
    layers of one binning. The classifiers are `trees`, 10 members unless given, and `network`, a small one unless
    given; each event is scored by one that has not seen it.

    Raises
    ------
    InputFileError, GeometryError, UnitsError, NtupleReadError
        If a file is not one of showers of this geometry.
    ConfigError
        If there is no such test, or it is not for this geometry.
    TooFewEventsError
        If there are too few showers for halves and folds.
    """
    chosen = _tests(tests, geometry)
    seeds, say = Seeds(seed), progress or _silent
    files = (Path(generated), Path(reference))
    (ours, our_mean), (theirs, their_mean) = _both(files, geometry, folds, say)
    spectrum = _spectrum(files, geometry, float(theirs.largest.max()), say)
    order = np.random.default_rng(seeds("halves")).permutation(len(theirs))
    halves = theirs.rows(order[::2]), theirs.rows(order[1::2])
    vectors = high_level(ours), high_level(theirs)
    distances = _distances(vectors, (high_level(halves[0]), high_level(halves[1])), seeds, say)
    trees = trees or BoostedTrees(members=10)
    named = {name: partial(by_trees, name, files, geometry, vectors, halves, trees) for name in TESTS[:3]}
    named["resnet"] = partial(by_volume, files, geometry, network)
    scores = _scores({name: partial(named[name], folds=folds, seeds=seeds) for name in chosen}, say)
    say("details", 0, 1)
    details = shower_details(
        files, (ours, theirs), halves, geometry, trees=trees if "high" in chosen else None, folds=folds, seeds=seeds
    )
    say("details", 1, 1)
    return ShowerEvaluation(
        geometry,
        ours,
        theirs,
        histograms=(*comparisons(ours, theirs, geometry), spectrum),
        floor=tuple(comparisons(*halves, geometry)),
        frechet=distances[0],
        frechet_floor=distances[1],
        kernel=distances[2],
        classifiers=scores,
        averages=(our_mean, their_mean),
        details=details,
        seed=seed,
        warnings=tuple(_warnings(ours, theirs)),
    )


def _both(files: tuple[Path, Path], geometry: Geometry, folds: int, say: Progress) -> list[tuple[Observables, Float]]:
    """Observables and mean voxels of the generated file and of the reference."""
    found = []
    for number, (name, path) in enumerate(zip(("generated", "reference"), files, strict=True)):
        say("reading", number, 4, name)
        found.append(_looked_at(path, geometry))
    ours, theirs = (len(each) for each, _ in found)
    fewest = math.ceil(MINIMUM * folds / max(folds - 1, 1))
    if ours < fewest or theirs < 2 * fewest:
        raise TooFewEventsError(
            f"{ours} generated and {theirs} reference showers are too few to compare: the trees of each of {folds} "
            f"folds learn from at least {MINIMUM}, also of a half of the reference. Make at least {fewest} and "
            f"{2 * fewest}."
        )
    return found


def _spectrum(files: tuple[Path, Path], geometry: Geometry, largest: float, say: Progress) -> Comparison:
    """Energies of single voxels of both files, up to the largest."""
    say("reading", 2, 4, "voxels")
    with open_showers(files[0], geometry) as a, open_showers(files[1], geometry) as b:
        size = rows_at_once(geometry)
        found = voxel_spectrum(a.dense(size), b.dense(size), geometry, largest)
    say("reading", 4, 4)
    return found


def _distances(
    vectors: tuple[Float, Float], halves: tuple[Float, Float], seeds: Seeds, say: Progress
) -> tuple[Measured, Measured, Measured]:
    """FPD of both samples, its floor between halves of the reference, and KPD."""
    say("distances", 0, 1)
    fewest = min(len(each) for each in vectors)
    frechet = frechet_physics_distance(*vectors, sampling=_FRECHET.at_most(fewest), seed=seeds("fpd"))
    half = _FRECHET.at_most(len(halves[1]))
    floor = frechet_physics_distance(*halves, sampling=half, seed=seeds("fpd floor"))
    kernel = kernel_physics_distance(*vectors, sampling=_KERNEL.at_most(fewest), seed=seeds("kpd"))
    say("distances", 1, 1)
    return frechet, floor, kernel


def _scores(tests: dict[str, Callable[[], ClassifierScore]], say: Progress) -> dict[str, ClassifierScore]:
    """What every test finds."""
    found = {}
    for number, (name, test) in enumerate(tests.items()):
        say("classifiers", number, len(tests), name)
        found[name] = test()
    say("classifiers", 1, 1)
    return found


def _tests(tests: Sequence[str] | None, geometry: Geometry) -> tuple[str, ...]:
    for name in tests or ():
        if name not in TESTS:
            raise ConfigError(f"There is no classifier test '{name}'. {nearest(name, TESTS)}")
    if tests is not None:
        if "resnet" in tests:
            resnet_of(geometry)
        return tuple(dict.fromkeys(tests))
    return TESTS[:3] if geometry.voxels <= MANY_VOXELS else TESTS[:1]


def _looked_at(path: Path, geometry: Geometry) -> tuple[Observables, Float]:
    """Observables of a file and the mean energy of its voxels, (V,) GeV."""
    total = np.zeros(geometry.voxels)

    def summed(chunks: Iterator[Showers]) -> Iterator[Showers]:
        nonlocal total
        for chunk in chunks:
            total = total + cut(chunk, geometry).energies.sum(axis=0, dtype=np.float64)
            yield chunk

    with open_showers(path, geometry) as file:
        found = observables(summed(file.dense(rows_at_once(geometry))), geometry)
    return found, total / len(found)


def _warnings(generated: Observables, reference: Observables) -> Iterator[str]:
    from scipy.stats import ks_2samp

    if ks_2samp(generated.incident, reference.incident).pvalue < _OTHER_ENERGIES:
        yield (
            "The incident energies of the two samples are not distributed alike, so every observable differs for that "
            "reason alone. Generate showers at the energies of the reference."
        )
    small = min(len(generated), len(reference))
    if small < _FRECHET.smallest:
        yield (
            f"Distances are extrapolated from batches of {_FRECHET.at_most(small).smallest:,} to {small:,} showers and "
            "not of 10,000 to 50,000: they can not be compared with published ones."
        )


def _silent(stage: str, done: float, total: float, note: str = "") -> None:
    """Say nothing."""
