"""Shapes of showers against sums over their voxels."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import GeometryError
from analysis.features.shower_shapes import shower_shape_names, shower_shapes
from analysis.showers import geometry

DS1 = geometry("ds1-photons")


def test_shapes_of_a_shower_of_three_voxels() -> None:
    x = np.zeros((1, DS1.voxels))
    # Two voxels of layer 1 at opposite angles in the second ring, one of layer 3, and one below the threshold.
    ring, sizes = 1, (2.0, 4.0)
    for angle, energy in ((0, 0.3), (5, 0.1)):
        x[0, DS1.join(np.array(1), np.array(angle), np.array(ring))] = energy
    x[0, DS1.join(np.array(3), np.array(0), np.array(2))] = 0.6
    x[0, DS1.join(np.array(2), np.array(0), np.array(2))] = 0.0005
    found = dict(zip(shower_shape_names(DS1), shower_shapes(x, DS1)[0], strict=True))
    radius = np.mean(sizes)
    assert found["share_1"] == pytest.approx(0.4)
    assert found["share_2"] == found["cells_2"] == found["width_2"] == 0
    assert (found["radius_1"], found["width_1"], found["cells_1"]) == (pytest.approx(radius), pytest.approx(0), 2)
    assert found["radius_3"] == pytest.approx(150)
    # Opposite voxels of 3/4 and 1/4 of the energy: their spread is 2 r √(3/16) along the line between them.
    angle = -np.pi + 2 * np.pi / 20
    spread = 2 * radius * np.sqrt(3 / 16)
    assert found["x_width_1"] == pytest.approx(spread * abs(np.cos(angle)), rel=1e-5)
    assert found["y_width_1"] == pytest.approx(spread * abs(np.sin(angle)), rel=1e-5)
    assert found["largest"] == pytest.approx(0.6)


@pytest.mark.parametrize("name", ["ds1-photons", "calogan", "ds2"])
def test_shapes_do_not_depend_on_the_scale_of_energies(name: str) -> None:
    x = 0.1 + np.random.default_rng(1).exponential(1.0, (5, geometry(name).voxels))
    whole = shower_shapes(x, geometry(name))
    assert whole.shape == (5, len(shower_shape_names(geometry(name))))
    np.testing.assert_allclose(shower_shapes(2 * x, geometry(name)), whole, rtol=1e-5)
    assert shower_shapes(x[:0], geometry(name)).shape == (0, whole.shape[1])
    assert not shower_shapes(0 * x, geometry(name))[:, : len(geometry(name).layers)].any()


def test_showers_of_another_geometry_are_refused() -> None:
    with pytest.raises(GeometryError, match="not of ds1-photons"):
        shower_shapes(np.ones((2, 504)), DS1)
