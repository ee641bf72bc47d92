"""Voxels as points and back: nothing is lost, no voxel is taken twice, and the angle closes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from generators.showers.voxel_points import ACROSS, VoxelPoints, distinct

LAYERS = [[1, 3], [8, 4], [5, 1]]


def some(seed: int, n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((n, 40)) < 0.4, 0.01 + rng.exponential(1.0, (n, 40)), 0.0)


@pytest.mark.parametrize("across", ["plane", "grid"])
def test_points_are_the_voxels(across: str) -> None:
    x = some(1)
    x[3], x[5, :3], x[6, 3:35] = 0, 0, 0
    voxels = VoxelPoints(LAYERS, ACROSS[across], 0.01)
    points, offsets = voxels.points(x, np.random.default_rng(2))
    assert np.diff(offsets).tolist() == (x > 0).sum(axis=1).tolist()
    shuffled = np.concatenate([np.random.default_rng(3).permutation(points[a:b]) for a, b in pairwise(offsets)])
    back = voxels.calibrated(shuffled, voxels.counts(x), voxels.energies(x), np.random.default_rng(4))
    assert back == pytest.approx(x, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("across", ["plane", "ring", "grid"])
def test_any_points_give_the_energies_and_numbers_that_are_asked_for(across: str) -> None:
    x, rng = some(5), np.random.default_rng(6)
    x[2] = 0
    voxels = VoxelPoints(LAYERS, ACROSS[across], 0.01)
    counts, energies = voxels.counts(x), voxels.energies(x)
    points = 3 * rng.standard_normal((counts.sum(), voxels.size_column + 2))
    points[0, 0], points[1, -1] = np.nan, 1e30
    made = voxels.calibrated(points, counts, energies, rng)
    assert np.array_equal(voxels.counts(made), counts)
    assert voxels.energies(made) == pytest.approx(energies)


def test_distinct_by_brute_force() -> None:
    rng = np.random.default_rng(7)
    size = np.array([4, 9, 1, 6])
    counts = np.array([4, 5, 0, 3])
    group = np.repeat(np.arange(4), counts)
    for _ in range(50):
        place = rng.integers(0, size[group])
        order, moved = distinct(place, group, size[group], counts)
        assert np.array_equal(group[order], group)
        for number in range(4):
            mine = sorted(place[group == number].tolist())
            due: list[int] = []
            for at in mine:
                due.append(max(at, due[-1] + 1) if due else at)
            for back in range(len(due)):
                due[-1 - back] = min(due[-1 - back], size[number] - 1 - back)
            assert moved[group == number].tolist() == due


def test_the_plane_closes_at_a_whole_turn() -> None:
    angles, rings = np.full(2, 8), np.full(2, 4)
    near = np.array([[2.5, 1e-6], [2.5, -1e-6]])
    angle, ring = ACROSS["plane"].cells(near, angles, rings, np.random.default_rng(1))
    assert angle.tolist() == [0, 7]
    assert ring.tolist() == [2, 2]


def test_numbers_of_points_are_possible_ones() -> None:
    voxels = VoxelPoints(LAYERS, ACROSS["plane"], 0.01)
    found = voxels.possible(np.array([[7.2, -3.0, np.nan]]), np.array([[0.021, 0.0, 1.0]]))
    assert found.tolist() == [[2, 0, 1]]
