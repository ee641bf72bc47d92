"""Layers against the geometry of the plane."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.errors import GeometryError
from analysis.showers.layers import CartesianLayer, Layer, PolarLayer

RINGS = PolarLayer(1, (0.0, 2.0, 5.0, 10.0), 6)
HOLLOW = PolarLayer(2, (1.0, 3.0), 4, start=0.3)
CELLS = CartesianLayer(3, (-4.0, 0.0, 1.0, 8.0), (-2.0, 2.0))
LAYERS: list[Layer] = [RINGS, HOLLOW, CELLS]


@pytest.mark.parametrize("layer", LAYERS)
def test_drawn_points_lie_in_their_voxel_and_centres_too(layer: Layer) -> None:
    rng = np.random.default_rng(1)
    voxels = np.repeat(np.arange(layer.shape[0] * layer.shape[1]), 50)
    x, y = layer.draw(voxels, *rng.random((2, len(voxels))))
    np.testing.assert_array_equal(layer.locate(x, y), voxels)
    np.testing.assert_array_equal(layer.locate(*layer.centres()), np.unique(voxels))
    np.testing.assert_allclose(layer.radii_of_voxels(), np.hypot(*layer.centres()))


@pytest.mark.parametrize(
    ("layer", "area"),
    [(RINGS, 100 * math.pi), (HOLLOW, 8 * math.pi), (CELLS, 12 * 4.0)],
    ids=["rings", "hollow", "cells"],
)
def test_areas_are_those_of_the_plane(layer: Layer, area: float) -> None:
    assert layer.areas().sum() == pytest.approx(area)
    # By throwing points into a square around it.
    rng = np.random.default_rng(2)
    side = 2 * layer.extent
    x, y = rng.uniform(-side / 2, side / 2, (2, 200_000))
    voxel = layer.locate(x, y)
    hit = np.bincount(voxel[voxel >= 0], minlength=len(layer.areas())) / len(x) * side**2
    error = np.sqrt(layer.areas() * side**2 / len(x))
    assert (np.abs(hit - layer.areas()) < 5 * error).all()


def test_the_ring_is_fastest_and_angles_begin_at_minus_pi() -> None:
    assert RINGS.locate(np.array([-1.0, -3.0]), np.array([-1e-9, -1e-9])).tolist() == [0, 1]
    assert RINGS.locate(np.array([-1.0]), np.array([1e-9])).tolist() == [15]


def test_lower_edges_belong_to_a_cell_and_upper_ones_do_not() -> None:
    assert CELLS.locate(np.array([-4.0, 0.0, 8.0]), np.array([-2.0, 0.0, 0.0])).tolist() == [0, 1, -1]
    assert RINGS.locate(np.array([10.0, np.nan]), np.array([0.0, 0.0])).tolist() == [-1, -1]
    assert HOLLOW.locate(np.array([0.5]), np.array([0.0])).tolist() == [-1]


@pytest.mark.parametrize(
    ("radii", "angles"), [((0.0,), 1), ((0.0, 0.0), 1), ((-1.0, 1.0), 1), ((0, math.inf), 1), ((0, 1), 0)]
)
def test_what_are_no_rings(radii: tuple[float, ...], angles: int) -> None:
    with pytest.raises(GeometryError, match="layer 7"):
        PolarLayer(7, radii, angles)
