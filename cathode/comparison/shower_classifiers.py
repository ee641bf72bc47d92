"""Classifiers between generated and reference showers: trees on observables and voxels, and convolutions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.datasets.shower_files import open_showers
from analysis.metrics.showers import Observables, high_level, low_level, low_level_normed
from analysis.metrics.sic_and_auc import Measured
from analysis.showers.layered import Geometry
from analysis.showers.layers import Float, PolarLayer
from analysis.showers.voxels import Showers
from cathode.classifiers import BoostedTrees, ShowerResNet
from cathode.classifiers.two_sample import held_out_auc
from cathode.errors import ConfigError
from cathode.runtime.seeds import Seeds

#: What a classifier looks at, by the name of its test: trees at observables ("high") or at voxels, and a network of
#: convolutions at voxels.
TESTS = ("high", "low", "low-normed", "resnet")

#: Numbers of voxels that are held at once.
_AT_ONCE = 20_000_000

#: Rows in which a column must differ from its median to tell anything; with fewer a fold may hold none.
_VARIES = 50

#: The defect that every classifier test is shown beside the sample: all energies too large by this factor.
DEFECT = 1.03


@dataclass(frozen=True, eq=False)
class ClassifierScore:
    """AUC between generated and reference showers; of halves of the reference; and of one half with a defect.

    `floor` and `defect` are None where the test was not repeated for them.
    """

    auc: Measured
    floor: Measured | None = None
    defect: Measured | None = None


def by_trees(
    name: str,
    files: tuple[Path, Path],
    geometry: Geometry,
    vectors: tuple[Float, Float],
    halves: tuple[Observables, Observables],
    trees: BoostedTrees,
    *,
    folds: int,
    seeds: Seeds,
) -> ClassifierScore:
    """What trees see in the inputs of that test; of observables also in halves of the reference and with the defect."""

    def auc(generated: NDArray[Any], reference: NDArray[Any], purpose: str) -> Measured:
        pooled = np.concatenate([generated, reference])
        varies = (pooled != np.median(pooled, axis=0)).sum(axis=0) >= min(_VARIES, len(pooled) // 4)
        return held_out_auc(trees, reference[:, varies], generated[:, varies], name=purpose, folds=folds, seeds=seeds)

    if name != "high":
        make = low_level if name == "low" else low_level_normed
        ours, theirs = (inputs(path, geometry, make) for path in files)
        return ClassifierScore(auc(ours, theirs, name))
    first, second = halves
    energies = {"total": DEFECT * first.total, "layers": DEFECT * first.layers}
    return ClassifierScore(
        auc(*vectors, name),
        auc(high_level(first), high_level(second), "floor"),
        auc(high_level(replace(first, **energies)), high_level(second), "defect"),
    )


def resnet_of(geometry: Geometry) -> ShowerResNet:
    """The network of the test "resnet" for a geometry.

    Raises
    ------
    ConfigError
        If its layers have several binnings.
    """
    shapes = {layer.shape for layer in geometry.layers}
    if len(shapes) > 1:
        raise ConfigError(
            f"The test 'resnet' takes layers of one binning, and those of {geometry.name} have {len(shapes)}. "
            f"Leave it out, or take one of {', '.join(TESTS[:3])}."
        )
    angles, rings = shapes.pop()
    polar = isinstance(geometry.layers[0], PolarLayer)
    return ShowerResNet(layers=len(geometry.layers), angles=angles, rings=rings, periodic=polar)


def by_volume(
    files: tuple[Path, Path], geometry: Geometry, network: ShowerResNet | None, *, folds: int, seeds: Seeds
) -> ClassifierScore:
    """What convolutions see in all voxels, in halves of the reference, and in one half with the defect."""
    network = network or resnet_of(geometry)
    generated, reference = (inputs(path, geometry, low_level) for path in files)
    order = np.random.default_rng(seeds("halves")).permutation(len(reference))
    half, other = reference[order[::2]], reference[order[1::2]]
    scaled = half * np.concatenate([[1], np.full(geometry.voxels, DEFECT)]).astype(np.float32)
    pairs = {"resnet": (generated, reference), "floor": (half, other), "defect": (scaled, other)}
    return ClassifierScore(
        *(
            held_out_auc(network, theirs, ours, name=name, folds=folds, seeds=seeds)
            for name, (ours, theirs) in pairs.items()
        )
    )


def inputs(
    path: Path, geometry: Geometry, make: Callable[[Showers, Geometry], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Inputs of a classifier, of all showers of a file."""
    with open_showers(path, geometry) as file:
        return np.concatenate([make(chunk, geometry) for chunk in file.dense(rows_at_once(geometry))])


def rows_at_once(geometry: Geometry) -> int:
    """Showers that are held at once."""
    return max(1, _AT_ONCE // geometry.voxels)
