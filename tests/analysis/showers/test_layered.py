"""Voxels of all layers counted through."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import GeometryError
from analysis.showers.layered import Geometry
from analysis.showers.layers import CartesianLayer, PolarLayer

TWO = Geometry(
    "two", (PolarLayer(4, (0.0, 1.0, 2.0), 3), CartesianLayer(9, (-1.0, 0.0, 1.0), (-1.0, 1.0))), depths=(0.0, 5.0, 9.0)
)


def test_voxels_of_one_layer_follow_those_of_the_one_before() -> None:
    assert TWO.voxels == 8
    assert TWO.offsets.tolist() == [0, 6, 8]
    layer, row, column = TWO.split(np.arange(8))
    assert layer.tolist() == [0] * 6 + [1] * 2
    assert row.tolist() == [0, 0, 1, 1, 2, 2, 0, 1]
    assert column.tolist() == [0, 1] * 3 + [0, 0]
    np.testing.assert_array_equal(TWO.join(layer, row, column), np.arange(8))
    np.testing.assert_array_equal(TWO.locate(*TWO.centres, layer), np.arange(8))


def test_sums_of_layers_keep_the_energy() -> None:
    energies = np.random.default_rng(0).exponential(size=(5, 8)).astype(np.float32)
    sums = TWO.layer_sums(energies)
    np.testing.assert_allclose(sums, [[row[:6].sum(), row[6:].sum()] for row in energies.astype(float)])


def test_the_layer_of_a_depth() -> None:
    assert TWO.layer_at(np.array([-0.1, 0.0, 4.9, 5.0, 9.0, np.nan])).tolist() == [-1, 0, 0, 1, -1, -1]
    with pytest.raises(GeometryError, match="not known"):
        Geometry("none", TWO.layers).layer_at(np.zeros(1))


@pytest.mark.parametrize(("layer", "row", "column"), [(2, 0, 0), (-1, 0, 0), (0, 3, 0), (0, 0, 2), (1, 0, 1)])
def test_places_that_are_not_there(layer: int, row: int, column: int) -> None:
    with pytest.raises(GeometryError, match="no voxel at"):
        TWO.join(np.array([layer]), np.array([row]), np.array([column]))


def test_geometries_that_are_none() -> None:
    ring = PolarLayer(1, (0.0, 1.0))
    for arguments in ({"layers": ()}, {"layers": (ring, ring)}, {"layers": (ring,), "depths": (1.0, 1.0)}):
        with pytest.raises(GeometryError):
            Geometry("bad", **arguments)
    with pytest.raises(GeometryError, match="negative"):
        Geometry("bad", (ring,), threshold=-1.0)
    with pytest.raises(GeometryError, match="no -1"):
        TWO.split(np.array([-1]))
