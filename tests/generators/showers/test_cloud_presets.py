"""Systems of points by name: all can be made, and the published ones have their sizes."""

from __future__ import annotations

import pytest
import torch

from generators.errors import HyperparameterError
from generators.registry import create
from generators.showers.cloud_presets import SYSTEMS, point_count_fm, point_shapes, unfitted


@pytest.mark.parametrize("size", ["small", "published"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_they_are_made(system: str, size: str) -> None:
    made = create(point_shapes(system, size, layers=[[1, 3], [8, 2]]))
    assert made.points["kind"] == made.unfitted[1].kind


#: Points and columns of context, the energy of the shower and the number of points among them, and parameters.
PUBLISHED = {"calo_clouds_2": (6000, 2, 504_920), "deep_tree": (6000, 46, 529_656)}


@pytest.mark.parametrize("system", PUBLISHED)
def test_published_sizes(system: str) -> None:
    points, context, due = PUBLISHED[system]
    made = unfitted(system, "published")
    made.multiplicity = -1
    network = made.build((points, 4), context)
    assert sum(parameter.numel() for parameter in network.parameters()) == due


def test_all_showers_counts_by_point_count_fm() -> None:
    with torch.device("meta"):
        networks = [create(point_count_fm("published")).build((layers,), 1) for layers in (78, 47)]
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [349_902, 341_935]


def test_what_is_not_known_is_named() -> None:
    with pytest.raises(HyperparameterError, match="'calo_clouds_9'"):
        point_shapes("calo_clouds_9", "small")
    with pytest.raises(HyperparameterError, match="'large'"):
        point_shapes("mdma", "large")
