"""The residual network for showers: what it sees, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.metrics.sic_and_auc import auc
from cathode.classifiers import BoostedTrees, ShowerResNet
from cathode.errors import ClassifierInputError, ConfigError

SHAPE = (4, 6, 3)


def pairs(n: int, apart: int, seed: int) -> NDArray[np.float64]:
    """Two cells with energy, `apart` angles from each other in one ring of one layer, and log E of the event."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, *SHAPE))
    rows, layer, angle, ring = np.arange(n), *(rng.integers(0, size, n) for size in SHAPE)
    x[rows, layer, angle, ring] = x[rows, layer, (angle + apart) % SHAPE[1], ring] = rng.uniform(1, 2, n)
    return np.column_stack([np.zeros(n), x.reshape(n, -1)])


def test_neighbours_are_found_that_no_single_voxel_shows() -> None:
    near, far = pairs(700, 1, 1), pairs(700, 3, 2)
    x, y = np.concatenate([near, far]), np.repeat([1, 0], 700)
    order = np.random.default_rng(3).permutation(len(x))
    train, test = order[:900], order[900:]
    made = ShowerResNet(**dict(zip(("layers", "angles", "rings"), SHAPE, strict=True)), epochs=8, learning_rate=5e-3)
    seen = auc(made.fit(x[train], y[train], seed=1).score(x[test]), y[test].astype(bool)).value
    trees = BoostedTrees(members=2, jobs=1).fit(x[train][:, 1:], y[train], seed=1).score(x[test][:, 1:])
    assert seen > 0.9
    assert auc(trees, y[test].astype(bool)).value < seen - 0.1


def test_size_of_the_challenge() -> None:
    """Four parts of two blocks with 32, 64, 64 and 128 channels."""
    network = ShowerResNet(layers=45, angles=16, rings=9, width=32, blocks=2).network(1, seed=1)
    convolutions = sum(value.numel() for name, value in network.named_parameters() if "convolution" in name)
    first, second, third, fourth = (27 * a * b for a, b in ((32, 32), (32, 64), (64, 64), (64, 128)))
    last = 27 * 128 * 128
    assert convolutions == 125 * 2 * 32 + 4 * first + (second + 3 * third) + 4 * third + (fourth + 3 * last)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"learning_rate": 0.0}, {"weight_decay": -1.0}, {"blocks": 0}])
def test_wrong_hyperparameters_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"shower_resnet: {next(iter(wrong))}"):
        ShowerResNet(layers=2, angles=2, rings=2, **wrong)


def test_events_of_another_calorimeter_are_refused() -> None:
    x, y = np.random.default_rng(1).random((40, 9)), np.repeat([1, 0], 20)
    with pytest.raises(ClassifierInputError, match="4 × 6 × 3 voxels"):
        ShowerResNet(layers=4, angles=6, rings=3).fit(x, y, seed=1)
