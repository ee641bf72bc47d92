"""Points and voxels: no energy is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import GeometryError
from analysis.showers.detectors import geometry
from analysis.showers.points import PointShowers, at_centres, spread_in_voxels, voxelise
from analysis.showers.voxels import Showers, SparseShowers


@pytest.fixture(params=["ds1-photons", "calogan"])
def showers(request: pytest.FixtureRequest) -> tuple[str, SparseShowers]:
    rng = np.random.default_rng(1)
    voxels = geometry(request.param).voxels
    energies = rng.exponential(size=(4, voxels)) * (rng.random((4, voxels)) < 0.2)
    energies[2] = 0
    return request.param, Showers(energies.sum(axis=1) + 1, energies).sparse()


def test_voxels_come_back_from_their_points(showers: tuple[str, SparseShowers]) -> None:
    name, sparse = showers
    for points in (
        at_centres(sparse, geometry(name)),
        spread_in_voxels(sparse, geometry(name), np.random.default_rng(2)),
    ):
        back = voxelise(points, geometry(name))
        np.testing.assert_allclose(back.showers.dense().energies, sparse.dense().energies)
        assert not back.outside.any()


def test_energy_outside_is_kept_by_layer() -> None:
    points = PointShowers(
        np.array([1.0, 2.0]),
        np.array([0, 3, 4]),
        np.array([1e6, 0.0, 0.0, 0.0]),
        np.zeros(4),
        np.array([1, 0, 99, -1]),
        np.array([0.5, 0.25, 0.125, 2.0]),
    )
    found = voxelise(points, geometry("ds1-photons"))
    assert found.outside.tolist() == [[0, 0.5, 0, 0, 0, 0.125], [0, 0, 0, 0, 0, 2.0]]
    total = found.showers.dense().energies.sum(axis=1) + found.outside.sum(axis=1)
    np.testing.assert_allclose(total, [0.875, 2.0])


def test_rows_and_lengths() -> None:
    points = PointShowers(
        np.ones(2), np.array([0, 1, 3]), *np.arange(9.0).reshape(3, 3)[:2], np.zeros(3, int), np.ones(3)
    )
    assert points.rows(1, 2).x.tolist() == [1, 2]
    assert points.shower.tolist() == [0, 1, 1]
    with pytest.raises(GeometryError, match="are no points"):
        PointShowers(np.ones(1), np.array([0, 1]), np.ones(2), np.ones(1), np.zeros(1, int), np.ones(1))
    with pytest.raises(GeometryError, match="not of"):
        at_centres(Showers(np.ones(1), np.ones((1, 3))).sparse(), geometry("ds2"))
