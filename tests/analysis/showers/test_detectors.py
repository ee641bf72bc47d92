"""Known calorimeters: the published numbers of voxels and layers."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import GeometryError
from analysis.showers.detectors import GEOMETRIES, geometry

#: Voxels, and layers, as the papers have them (2410.21611, 1705.02355, 2005.05334).
PUBLISHED = {
    "ds1-photons": (368, 5),
    "ds1-pions": (533, 7),
    "ds2": (6480, 45),
    "ds3": (40500, 45),
    "calogan": (504, 3),
    "ild": (27000, 30),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_numbers_of_voxels_and_layers(name: str) -> None:
    assert (geometry(name).voxels, len(geometry(name).layers)) == PUBLISHED[name]
    assert geometry(name) is geometry(name)


def test_every_geometry_is_known_and_others_get_a_hint() -> None:
    assert set(GEOMETRIES) == set(PUBLISHED)
    with pytest.raises(GeometryError, match="ds1-photons"):
        geometry("ds1-photon")


def test_layers_of_the_atlas_slices_carry_their_numbers() -> None:
    assert [layer.id for layer in geometry("ds1-photons").layers] == [0, 1, 2, 3, 12]
    assert [layer.shape[0] for layer in geometry("ds1-pions").layers] == [1, 10, 10, 1, 10, 10, 1]


def test_the_sampling_stack_is_as_deep_as_its_absorbers_and_gaps() -> None:
    depths = geometry("ild").depths
    assert depths is not None
    assert depths[-1] == pytest.approx(20 * 4.75 + 10 * 6.85)
    assert np.diff(geometry("ild").layers[0].x_edges) == pytest.approx(5.1)  # type: ignore[attr-defined]
