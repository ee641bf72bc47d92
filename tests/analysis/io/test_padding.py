"""Padded lists against sorting each cell by itself."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.io.padding import hardest_first


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("leading", [1, 3, 8])
def test_the_hardest_of_every_cell_come_first(leading: int, ordered: bool) -> None:
    rng = np.random.default_rng(1)
    counts = np.array([3, 0, 5, 1, 8])
    cell = np.repeat(np.arange(5), counts)
    # Ties and elements without momentum are among them.
    momentum = rng.integers(0, 5, len(cell)).astype(float)
    if ordered:
        momentum = np.concatenate([np.sort(momentum[cell == c])[::-1] for c in range(5)])
    else:
        shuffled = rng.permutation(len(cell))
        cell, momentum = cell[shuffled], momentum[shuffled]
    tag = np.arange(len(cell), dtype=float)
    x, n = hardest_first(cell, [momentum, tag], momentum, cells=5, leading=leading)
    for c in range(5):
        mine = [(m, t) for m, t in zip(momentum[cell == c], tag[cell == c], strict=True) if m > 0]
        expected = sorted(mine, key=lambda row: -row[0])[:leading]  # sorted is stable
        assert n[c] == len(mine)
        np.testing.assert_array_equal(x[c, : len(expected)], np.array(expected).reshape(-1, 2))
        assert not x[c, len(expected) :].any()


def test_nothing_is_an_array_of_zeros() -> None:
    none = np.zeros(0)
    x, n = hardest_first(none.astype(int), [none], none, cells=2, leading=3)
    assert x.shape == (2, 3, 1)
    assert not x.any()
    assert n.tolist() == [0, 0]
