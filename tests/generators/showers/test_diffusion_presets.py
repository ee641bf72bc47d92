"""Specifications of diffusion of showers: published sizes, and radii that are those of the detectors."""

from __future__ import annotations

import pytest

from analysis.showers import geometry
from generators.errors import HyperparameterError
from generators.registry import create
from generators.showers.diffusion_presets import RADII, calo_diffusion, calo_score

#: Of the diffusion of voxels, given the energy of the particle alone (CaloChallenge final report 2410.21611).
PUBLISHED = {
    "ds1-photons": (368, 521_581),
    "ds1-pions": (533, 525_901),
    "ds2": (6480, 517_969),
    "ds3": (40_500, 1_221_153),
}


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_published_sizes(dataset: str) -> None:
    chain = calo_diffusion(dataset, "published")
    voxels, count = PUBLISHED[dataset]
    network = create({**chain["shapes"]["flow"], "layers": chain["layers"]}).network(voxels, 1)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("dataset", RADII)
def test_radii_are_those_of_the_detector(dataset: str) -> None:
    assert RADII[dataset] == tuple(tuple(layer.radii) for layer in geometry(dataset).layers)  # type: ignore[union-attr]


@pytest.mark.parametrize("system", [calo_diffusion, calo_score])
@pytest.mark.parametrize("size", ["published", "small"])
def test_presets_are_specifications(system: object, size: str) -> None:
    assert callable(system)
    create(system("ds1-photons", size))
    create(system("ds2", size))
    own = create(system("ds1-photons", size, layers=[[1, 2], [2, 3]], radii=[[0, 1, 2], [0, 1, 3, 4]])).shapes["flow"]
    assert (own if own["kind"] == "cylindrical_diffusion" else own["teacher"])["radii"] == [[0, 1, 2], [0, 1, 3, 4]]
    with pytest.raises(HyperparameterError, match="There is no calo"):
        system("ds9", size)
