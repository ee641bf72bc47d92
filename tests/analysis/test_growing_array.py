"""An array that grows holds what was appended, and never twice."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from analysis.growing_array import GrowingArray


@pytest.mark.parametrize("sizes", [[], [0], [3], [1] * 40, [5, 0, 100, 7, 1]])
@pytest.mark.parametrize("row", [(), (3,), (2, 4)])
def test_it_is_all_parts_in_order(sizes: list[int], row: tuple[int, ...]) -> None:
    parts = [np.random.default_rng(size).random((size, *row)).astype(np.float32) for size in sizes]
    grown = GrowingArray(row, np.float32)
    for part in parts:
        grown.append(part)
    whole = grown.finished()
    assert whole.dtype == np.float32
    assert whole.flags.owndata
    np.testing.assert_array_equal(whole, np.concatenate([np.empty((0, *row), np.float32), *parts]))


def test_the_room_ahead_is_a_sixteenth_and_is_given_back() -> None:
    part = np.ones((10_000, 10))
    tracemalloc.start()
    grown = GrowingArray((10,), np.float64)
    for _ in range(50):
        grown.append(part)
    peak, before = tracemalloc.get_traced_memory()[1], tracemalloc.get_traced_memory()[0]
    whole = grown.finished()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert peak < 1.07 * whole.nbytes
    assert before >= after
    assert after < 1.001 * whole.nbytes + 1_000
