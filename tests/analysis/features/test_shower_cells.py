"""Cells as points: they keep energies and places, and a network can tell layers apart."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import GeometryError
from analysis.features.shower_cells import shower_cells
from analysis.showers import geometry

DS1 = geometry("ds1-photons")


def test_points_are_the_voxels_with_most_energy() -> None:
    x = np.random.default_rng(2).exponential(0.01, (7, DS1.voxels))
    points = shower_cells(x, DS1, leading=12)
    assert points.shape == (7, 5, 12, 3)
    cut = np.where(x < DS1.threshold, 0, x)
    for layer, part in enumerate(DS1.slices):
        wanted = -np.sort(-cut[:, part], axis=1)[:, :12]
        np.testing.assert_allclose(points[:, layer, : wanted.shape[1], 0], wanted, rtol=1e-6)
        assert not points[:, layer, wanted.shape[1] :].any()


def test_points_lie_in_the_middle_of_their_voxels() -> None:
    x = np.zeros((1, DS1.voxels))
    voxel = int(DS1.join(np.array(2), np.array(7), np.array(3)))
    x[0, voxel] = 1.0
    points = shower_cells(x, DS1, leading=3)
    across, along = (place[voxel] / 1e3 for place in DS1.centres)
    turn = 2 * np.pi * 2 / 5 - np.pi
    assert points[0, 2, 0] == pytest.approx([1.0, across, along + turn], rel=1e-6)
    assert np.count_nonzero(points[..., 0]) == 1


def test_what_are_no_showers_of_the_geometry_is_refused() -> None:
    with pytest.raises(GeometryError, match="504"):
        shower_cells(np.ones((2, 504)), DS1, leading=3)
    with pytest.raises(GeometryError, match="at least 1"):
        shower_cells(np.ones((2, 368)), DS1, leading=0)
