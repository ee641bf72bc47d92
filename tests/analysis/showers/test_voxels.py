"""Dense and sparse showers hold the same."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import GeometryError
from analysis.showers.voxels import Showers, SparseShowers


def test_dense_to_sparse_and_back() -> None:
    rng = np.random.default_rng(0)
    energies = rng.exponential(size=(6, 11)) * (rng.random((6, 11)) < 0.4)
    energies[[0, 5]] = 0
    sparse = Showers(np.arange(6.0), energies).sparse()
    np.testing.assert_array_equal(sparse.dense().energies, energies)
    assert len(sparse.energies) == np.count_nonzero(energies)
    np.testing.assert_array_equal(sparse.rows(2, 5).dense().energies, energies[2:5])
    np.testing.assert_array_equal(np.concatenate([c.energies for c in sparse.chunks(4)]), energies)
    assert len(sparse.rows(4, 2)) == 0


def test_a_voxel_that_is_there_twice_counts_twice_and_narrow_indices_do_not_wrap() -> None:
    voxels = 40_000
    sparse = SparseShowers(
        np.ones(2),
        np.array([0, 1, 3]),
        np.array([7, 39_999, 39_999], dtype=np.uint16),
        np.array([1.0, 2.0, 3.0]),
        voxels,
    )
    dense = sparse.dense().energies
    assert dense[0, 7] == 1
    assert dense[1, 39_999] == 5
    assert dense.sum() == 6


@pytest.mark.parametrize(
    ("offsets", "index"),
    [([0, 2], [0, 1]), ([0, 1, 3], [0, 1]), ([1, 1, 2], [0, 1]), ([0, 2, 1], [0]), ([0, 1, 2], [0, 9])],
)
def test_what_does_not_fit(offsets: list[int], index: list[int]) -> None:
    with pytest.raises(GeometryError):
        SparseShowers(np.ones(2), np.array(offsets), np.array(index), np.ones(len(index)), 5)
    with pytest.raises(GeometryError):
        Showers(np.ones(2), np.ones((3, 5)))


def test_sparse_showers_give_slices_as_an_array_does() -> None:
    rng = np.random.default_rng(4)
    dense = np.where(rng.random((9, 5)) < 0.3, rng.random((9, 5)), 0).astype(np.float32)
    sparse = Showers(np.ones(9), dense).sparse()
    assert sparse.shape == dense.shape
    assert sparse.dtype == dense.dtype
    for rows in (slice(None), slice(2, 7), slice(4, 4), slice(-3, None), slice(5, 2)):
        np.testing.assert_array_equal(sparse[rows], dense[rows])
