"""Systems of points by name: all can be made, and the published ones have their sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.registry import create
from generators.showers.cloud_presets import SYSTEMS, point_count_fm, point_shapes, unfitted


@pytest.mark.parametrize("size", ["small", "published"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_they_are_made(system: str, size: str) -> None:
    made = create(point_shapes(system, size, layers=[[1, 3], [8, 2]]))
    assert made.points["kind"] == made.unfitted[1].kind == unfitted(system, size).kind


def built(system: str, layers: list[list[int]], **changes: Any) -> tuple[Any, int]:
    """The published generator of points of a system, and how many columns of context it gets."""
    made = create(point_shapes(system, "published", layers=layers, **changes))
    many = len(layers)
    known = made.coordinates(None, None, None).known(np.ones((3, 1 + many)), np.ones((3, many), int), np.ones((3, 0)))
    return made.unfitted[1], known.shape[1]


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


#: Columns of context of showers of data set 2, number of points among them, parameters of what makes points, and of the
#: critic if that is a matter of its own.
PUBLISHED = {
    "calo_clouds_2": (2, 504_920, None),
    "deep_tree": (47, 529_656, None),
    "mdma": (2, 549_460, 103_952),
}


@pytest.mark.parametrize("system", PUBLISHED)
def test_published_sizes(system: str) -> None:
    columns, of_maker, of_critic = PUBLISHED[system]
    generator, context = built(system, [[16, 9]] * 45)
    assert context == columns
    assert parameters(generator.build((6_000, 4), context)) == of_maker
    if of_critic is not None:
        assert parameters(generator.critic((6_000, 4), context)) == of_critic


@pytest.mark.parametrize(("changes", "due"), [({"tells": []}, 363_396), ({}, 383_364)])
def test_all_showers_is_smaller_than_the_published_one(changes: dict[str, Any], due: int) -> None:
    """That has 587,378, with an embedding of its 78 layers."""
    generator, context = built("all_showers", [[1, 1]] * 78, **changes)
    assert parameters(generator.build((6_000, 4), context)) == due


def test_the_tree_learns_as_published() -> None:
    tree, published = built("deep_tree", [[16, 9]] * 45)[0], create({"kind": "deep_tree_gan2", "preset": "published"})
    assert tree.training == published.training
    assert (tree.training.weight_decay, tree.training.schedule, tree.training.clip) == (1e-4, "constant", None)


def test_all_showers_counts_by_point_count_fm() -> None:
    with torch.device("meta"):
        networks = [create(point_count_fm("published")).build((layers,), 1) for layers in (78, 47)]
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [349_902, 341_935]


def test_what_is_not_known_is_named() -> None:
    with pytest.raises(HyperparameterError, match="'calo_clouds_9'"):
        point_shapes("calo_clouds_9", "small")
    with pytest.raises(HyperparameterError, match="'large'"):
        point_shapes("mdma", "large")
