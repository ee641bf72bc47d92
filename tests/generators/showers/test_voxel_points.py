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


def owners(counts: np.ndarray) -> np.ndarray:
    """The shower of every point."""
    return np.repeat(np.arange(len(counts)), counts.sum(axis=1))


@pytest.mark.parametrize("across", ["plane", "grid"])
def test_points_are_the_voxels(across: str) -> None:
    x = some(1)
    x[3], x[5, :3], x[6, 3:35] = 0, 0, 0
    voxels = VoxelPoints(LAYERS, ACROSS[across], 0.01)
    points, offsets = voxels.points(x, np.random.default_rng(2))
    assert np.diff(offsets).tolist() == (x > 0).sum(axis=1).tolist()
    shuffled = np.concatenate([np.random.default_rng(3).permutation(points[a:b]) for a, b in pairwise(offsets)])
    back = voxels.calibrated(
        shuffled, owners(voxels.counts(x)), voxels.counts(x), voxels.energies(x), np.random.default_rng(4)
    )
    assert back == pytest.approx(x, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("across", ["plane", "ring", "grid"])
def test_any_points_give_the_energies_and_numbers_that_are_asked_for(across: str) -> None:
    x, rng = some(5), np.random.default_rng(6)
    x[2] = 0
    voxels = VoxelPoints(LAYERS, ACROSS[across], 0.01)
    counts, energies = voxels.counts(x), voxels.energies(x)
    points = 3 * rng.standard_normal((counts.sum(), voxels.size_column + 2))
    points[0, 0], points[1, -1] = np.nan, 1e30
    # What an untrained network makes of a logarithm.
    points[2:40, voxels.size_column] = np.repeat([np.inf, 1e308, np.nan], 13)[:38]
    made = voxels.calibrated(points, owners(counts), counts, energies, rng)
    assert np.array_equal(voxels.counts(made), counts)
    assert voxels.energies(made) == pytest.approx(energies)


@pytest.mark.parametrize("closed", [True, False])
def test_distinct_by_brute_force(closed: bool) -> None:
    """Points that come one after another, each to the next free angle of its ring, take the same cells."""
    rng = np.random.default_rng(7)
    angles, rings = np.array([4, 9, 1, 6]), np.array([2, 3, 1, 5])
    for _ in range(200):
        # Not more in any ring than there are angles.
        cells = [
            (number, ring, at)
            for number in range(4)
            for ring in range(rings[number])
            for at in rng.integers(0, angles[number], rng.integers(0, angles[number] + 1))
        ]
        if not cells:
            continue
        group, ring, angle = np.array(cells).T
        counts = np.bincount(group, minlength=4)
        found, same = distinct(angle, ring, group, angles[group], rings[group], counts, closed=closed)
        assert np.array_equal(same, ring)
        taken: set[tuple[int, int, int]] = set()
        for number, of, at in cells:
            many = angles[number]
            onwards = [(at + step) % many for step in range(many)]
            if not closed:
                onwards = [*range(at, many), *range(at - 1, -1, -1)]
            taken.add(next((number, of, to) for to in onwards if (number, of, to) not in taken))
        assert len(set(zip(group.tolist(), ring.tolist(), found.tolist(), strict=True))) == len(cells)
        assert set(zip(group.tolist(), ring.tolist(), found.tolist(), strict=True)) == taken
        # The first of a cell has kept it.
        first = [number for number, cell in enumerate(cells) if cell not in cells[:number]]
        assert np.array_equal(found[first], angle[first])


def test_what_a_ring_has_no_room_for_goes_to_the_next_one_with_room() -> None:
    rng = np.random.default_rng(8)
    angles, rings = 4, 5
    for _ in range(500):
        angle, ring = rng.integers(0, angles, 14), np.minimum(rng.geometric(0.4, 14) - 1, rings - 1)
        if rng.random() < 0.5:
            ring = rings - 1 - ring
        same = np.ones(14, dtype=int)
        found, into = distinct(angle, ring, 0 * same, angles * same, rings * same, np.array([14]))
        assert len(set(zip(found.tolist(), into.tolist(), strict=True))) == 14
        before, after = (np.bincount(values, minlength=rings) for values in (ring, into))
        assert after.max() <= angles
        # Nobody leaves a ring that has room, and of those of one cell the first one is the last to leave.
        for place in range(rings):
            left = np.flatnonzero((ring == place) & (into != place))
            assert len(left) == max(0, before[place] - angles)
            gone, stayed = (
                [int(((angle[:k] == angle[k]) & (ring[:k] == place)).sum()) for k in of]
                for of in (left, np.flatnonzero((ring == place) & (into == place)))
            )
            assert not gone or min(gone) >= max(stayed)
    # Outwards past full ones, inwards from the last, and at the own angle where that is free.
    angle, ring = np.array([0, 1, 2, 3, 2, 0, 1, 2, 3, 1]), np.array([0] * 5 + [1] * 4 + [2])
    same = np.ones(10, dtype=int)
    found, into = distinct(angle, ring, 0 * same, 4 * same, 3 * same, np.array([10]))
    assert into.tolist() == [0] * 4 + [2] + [1] * 4 + [2]
    assert np.array_equal(found, angle)
    found, into = distinct(angle[:5], ring[:5] + 2, 0 * same[:5], 4 * same[:5], 3 * same[:5], np.array([5]))
    assert into.tolist() == [2] * 4 + [1]
    assert np.array_equal(found, angle[:5])


@pytest.mark.parametrize("across", ["plane", "ring"])
def test_points_of_one_ring_stay_in_it_and_no_angle_is_a_special_one(across: str) -> None:
    (angles, rings), showers, many, ring = (16, 9), 4_000, 8, 2
    rng = np.random.default_rng(9)
    voxels = VoxelPoints([[angles, rings]], ACROSS[across], 1.0)
    at, inside = angles * rng.random(showers * many), ring + rng.random(showers * many)
    numbers = voxels.across.numbers(at, inside, np.full(len(at), angles))
    points = np.column_stack([numbers, rng.exponential(1, len(at)), rng.random(len(at))])
    counts = np.full((showers, 1), many)
    made = voxels.calibrated(points, owners(counts), counts, np.full((showers, 1), 100.0), rng)
    taken = made.reshape(showers, angles, rings) > 0
    assert not np.delete(taken, ring, axis=2).any()
    assert (taken[..., ring].sum(axis=1) == many).all()
    # Of eight of sixteen cells, each one is taken half of the times.
    assert taken[..., ring].mean(axis=0) == pytest.approx(many / angles, abs=4 * 0.5 / showers**0.5)


def test_a_turn_of_points_that_share_cells_is_a_turn_of_the_voxels() -> None:
    """Whatever has no room moves on as it would from any other angle."""
    (angles, rings), showers, many, turn = (16, 4), 50, 50, 5
    rng = np.random.default_rng(10)
    voxels, counts = VoxelPoints([[angles, rings]], ACROSS["plane"], 1.0), np.full((showers, 1), many)
    # In the middles of cells, lest a turn takes one to another cell; more of them than the first ring has room for.
    at = rng.integers(0, angles, showers * many) + 0.5
    ring = np.minimum(rng.geometric(0.5, len(at)) - 1, rings - 1) + 0.5
    made = []
    for angle in (at, at + turn):
        numbers = voxels.across.numbers(angle, ring, np.full(len(at), angles))
        points = np.column_stack([numbers, 1.0 + np.arange(len(at)) % many, np.full(len(at), 0.5)])
        drawn = voxels.calibrated(points, owners(counts), counts, np.full((showers, 1), 500.0), rng)
        made.append(drawn.reshape(showers, angles, rings))
    assert ((made[0] > 0).sum(axis=(1, 2)) == many).all()
    assert np.roll(made[0], turn, axis=1) == pytest.approx(made[1])


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


def test_a_turn_of_the_points_is_a_turn_of_the_voxels() -> None:
    x, turned = some(8), some(8)
    for start, angles, rings in ((3, 8, 4), (35, 5, 1)):
        layer = x[:, start : start + angles * rings].reshape(-1, angles, rings)
        turned[:, start : start + angles * rings] = np.roll(layer, angles // 5 * 3, axis=1).reshape(len(x), -1)
    voxels = VoxelPoints(LAYERS, ACROSS["plane"], 0.01)
    points, _ = voxels.points(x, np.random.default_rng(9))
    turns = 2 * np.pi * 3 / np.select([points[:, 3] < 1, points[:, 3] < 2], [1, 8], 5)
    moved = (points[:, 0] + 1j * points[:, 1]) * np.exp(1j * turns)
    points[:, :2] = np.stack([moved.real, moved.imag], axis=1)
    back = voxels.calibrated(
        points, owners(voxels.counts(x)), voxels.counts(x), voxels.energies(x), np.random.default_rng(10)
    )
    assert back == pytest.approx(turned, rel=1e-9, abs=1e-9)


class TestDefectsOfPublishedCodes:
    """What published programs do, and this does not."""

    voxels = VoxelPoints(LAYERS, ACROSS["plane"], 0.01)

    def test_negative_angles_are_not_all_in_the_first_cell(self) -> None:
        turn = np.linspace(-np.pi, np.pi, 8_000, endpoint=False) + 1e-6
        angle, _ = ACROSS["plane"].cells(
            np.stack([np.cos(turn), np.sin(turn)], axis=1),
            np.full(8_000, 8),
            np.full(8_000, 4),
            np.random.default_rng(1),
        )
        assert np.bincount(angle).tolist() == [1_000] * 8

    def test_points_in_one_voxel_do_not_overwrite_each_other(self) -> None:
        made = self._made(np.tile([[0.5, 0.1, 2.0, 1.5]], (3, 1)), [0, 3, 0], [0.0, 0.9, 0.0])
        assert (made > 0).sum() == 3
        assert made.sum() == pytest.approx(0.9)

    def test_an_empty_layer_is_no_division_by_zero(self) -> None:
        made = self._made(np.array([[0.5, 0.1, 2.0, 1.5]]), [0, 1, 0], [0.0, 0.9, 0.0])
        assert np.isfinite(made).all()
        assert made.sum() == pytest.approx(0.9)
        assert not self._made(np.empty((0, 4)), [0, 0, 0], [0.0, 0.0, 0.0]).any()

    def test_points_without_energy_are_not_lost(self) -> None:
        made = self._made(np.array([[0.5, 0.1, -3.0, 1.5], [1.5, 0.1, 0.0, 1.5]]), [0, 2, 0], [0.0, 0.9, 0.0])
        assert (made > 0).sum() == 2
        assert made.sum() == pytest.approx(0.9)

    def _made(self, points: np.ndarray, counts: list[int], energies: list[float]) -> np.ndarray:
        whole = np.array([counts])
        return self.voxels.calibrated(points, owners(whole), whole, np.array([energies]), np.random.default_rng(1))


def test_points_that_have_a_free_voxel_keep_it_and_the_energies_are_theirs() -> None:
    """The first of two in a voxel stays, whatever comes after; only what has no place moves."""
    voxels = VoxelPoints(LAYERS, ACROSS["grid"], 0.01)
    points = np.array([[2.5, 1.5, 3.0, 1.2], [2.1, 1.1, 5.0, 1.9], [6.5, 3.5, 1.0, 1.5], [7.5, 0.5, 2.0, 1.1]])
    counts, energies = np.array([[0, 4, 0]]), np.array([[0.0, 0.04 + 0.11, 0.0]])
    made = voxels.calibrated(points, np.zeros(4, int), counts, energies, np.random.default_rng(1))[0, 3:35].reshape(
        8, 4
    )
    assert made[2, 1] == pytest.approx(0.04)
    assert made[6, 3] == pytest.approx(0.02)
    assert made[7, 0] == pytest.approx(0.03)
    assert made[3, 1] == pytest.approx(0.06)


def test_more_points_than_are_wanted() -> None:
    x = some(11)
    voxels = VoxelPoints(LAYERS, ACROSS["plane"], 0.01)
    points, offsets = voxels.points(x, np.random.default_rng(12))
    owner = np.repeat(np.arange(len(x)), np.diff(offsets))
    other = points[np.random.default_rng(13).permutation(len(points))]
    twice, whose = np.concatenate([points, other]), np.concatenate([owner, owner])
    made = voxels.calibrated(twice, whose, voxels.counts(x), voxels.energies(x), np.random.default_rng(14))
    assert made == pytest.approx(x, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("across", ["plane", "ring", "grid"])
def test_centres_and_radii_by_brute_force(across: str) -> None:
    x = some(15, 5)
    x[1, 3:35] = 0
    voxels = VoxelPoints(LAYERS, ACROSS[across], 0.01)
    points, offsets = voxels.points(x, np.random.default_rng(16))
    centres, radii = voxels.centres(points, offsets), voxels.radii(points, offsets)
    for shower, (start, stop) in enumerate(pairwise(offsets)):
        for layer, shape in enumerate(LAYERS):
            rows = [row for row in points[start:stop] if layer <= row[-1] < layer + 1]
            at = np.array([row[:-2] for row in rows]).reshape(len(rows), voxels.size_column)
            energy = np.array([row[-2] for row in rows])
            assert energy.sum() == pytest.approx(len(rows))
            middle = np.array(shape) / 2 if across == "grid" else np.zeros(voxels.size_column)
            for found, values in ((centres, at), (radii, np.linalg.norm(at - middle, axis=1)[:, None])):
                due = (energy[:, None] * values).sum(axis=0) / max(energy.sum(), 1e-9)
                assert found[shower, layer] == pytest.approx(due, abs=1e-9)
