"""Sums over boxes against looking into every box."""

from __future__ import annotations

import numpy as np
import pytest

from cathode.classifiers.forest import Trees, raw_scores


def trees_of_slabs(features: int, boxes: list[int], rng: np.random.Generator) -> Trees:
    """Trees that cut one random feature each into slabs."""
    lower, upper = [], []
    for number in boxes:
        column = int(rng.integers(features))
        starts = np.sort(np.concatenate([[0], 1 + rng.choice(254, number - 1, replace=False)])).astype(np.uint8)
        low, high = np.zeros((number, features), np.uint8), np.full((number, features), 255, np.uint8)
        low[:, column], high[:-1, column] = starts, starts[1:] - 1
        lower.append(low)
        upper.append(high)
    values = rng.normal(size=sum(boxes))
    return Trees(np.concatenate(lower), np.concatenate(upper), values, np.array(boxes), 0.25)


@pytest.mark.parametrize("features", [1, 4, 17])
@pytest.mark.parametrize("boxes", [[1], [32, 1, 31], [2, 3], [64, 33, 1]])
def test_every_row_gets_the_value_of_the_box_it_is_in(features: int, boxes: list[int]) -> None:
    rng = np.random.default_rng([features, *boxes])
    trees = trees_of_slabs(features, boxes, rng)
    bins = rng.integers(0, 256, size=(features, 5000)).astype(np.uint8)
    inside = ((bins.T[:, None] >= trees.lower) & (bins.T[:, None] <= trees.upper)).all(axis=2)
    assert (inside.sum(axis=1) == len(boxes)).all()
    np.testing.assert_allclose(raw_scores(trees, bins), 0.25 + inside @ trees.value, atol=1e-12)
