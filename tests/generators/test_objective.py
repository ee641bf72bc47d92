"""A network and its loss are two modules: what draws does not lose, and what loses does not draw."""

from __future__ import annotations

import importlib
import math
import pkgutil
from typing import Any

import pytest
import torch
from torch import nn

import generators
from generators.base import NetworkGenerator
from generators.objective import Objective
from generators.one_phase import OneLoss
from generators.registry import create, generator_class, kinds
from generators.training.batches import TrainingData
from generators.training.members import Members

#: What a network that makes events can do, and an objective can not.
MAKES = ("draw", "transport", "log_density", "log_likelihood", "points")

#: What kinds need to know to be built.
NEEDS: dict[str, dict[str, Any]] = {
    "image_flow": {"grid": [2, 2], "strides": [[1, 1], [2, 1]]},
    "patch_flow": {"layers": [[2, 2]], "patch": [1, 2, 1], "width": 12, "depth": 1},
    "cylindrical_diffusion": {"layers": [[1, 2], [2, 1]], "channels": [8, 8]},
    "hierarchical_sticks": {"layers": [[2, 2]]},
}

#: Kinds of which every network has a size of its own.
SHAPES: dict[str, tuple[int, ...]] = {kind: (5, 3) for kind in kinds() if "jets" in generator_class(kind).__module__}
SHAPES |= dict.fromkeys(
    ("calo_clouds_1", "calo_clouds_2", "calo_point_flow", "deep_tree_gan", "deep_tree_gan2"), (5, 3)
)
SHAPES |= {kind: (3, 16, 32) for kind in kinds() if "pixels" in generator_class(kind).__module__}
SHAPES |= {"all_showers": (5, 3), "fpcd_attributes": (4,)}


def modules() -> list[type[nn.Module]]:
    """Every class of a module in the package."""
    for each in pkgutil.walk_packages(generators.__path__, "generators."):
        importlib.import_module(each.name)
    found, left = set(), [nn.Module]
    while left:
        below = [each for each in left.pop().__subclasses__() if each not in found]
        found |= set(below)
        left += below
    return [each for each in found if each.__module__.startswith("generators.")]


def test_what_loses_makes_no_events_and_what_makes_them_does_not_lose() -> None:
    classes = modules()
    objectives = [each for each in classes if issubclass(each, Objective)]
    assert len(objectives) > 10
    for each in objectives:
        assert not [name for name in MAKES if hasattr(each, name)], each
    # Whatever calls its result a loss is named so, and is no network that is kept.
    for each in set(classes) - set(objectives):
        told = each.forward.__doc__ or "" if "forward" in vars(each) else ""
        assert not told.startswith("Loss") or not [name for name in MAKES if hasattr(each, name)], each


def voxels(model: Any) -> int:
    """Of a generator that knows the layers of a calorimeter."""
    layers = getattr(model, "layers", None)
    return sum(map(math.prod, layers)) if isinstance(layers, list) else 0


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_the_network_of_a_generator_has_no_loss(kind: str) -> None:
    if not issubclass(generator_class(kind), NetworkGenerator):
        return
    model: Any = create({"kind": kind, **NEEDS.get(kind, {})})
    assert isinstance(model, NetworkGenerator)
    with torch.random.fork_rng():
        network = model.build(SHAPES.get(kind, (voxels(model) or 4,)), 2)
    assert type(network).forward is nn.Module.forward
    if isinstance(model, OneLoss):
        objective = model.objective(network)
        assert objective.network is network
        assert not objective.state_dict().keys() - {f"network.{key}" for key in network.state_dict()}


def test_members_lose_what_each_would_with_its_own_network() -> None:
    model = create({"kind": "gaussian_mixture", "components": 2, "hidden": 4})
    assert isinstance(model, OneLoss)
    data = TrainingData(torch.randn(7, 2), torch.rand(7, 1), torch.ones(7))
    networks = [model.untrained(data, seed=seed) for seed in (1, 2, 3)]
    x, c = torch.randn(3, 7, 2), torch.rand(3, 7, 1)
    together = Members(networks, model.objective)
    expected = torch.stack([model.objective(each)(x[k], c[k]) for k, each in enumerate(networks)])
    torch.testing.assert_close(together(x, c), expected)
    # Some buffers of this network belong to no state.
    assert together.states()[1].keys() == networks[1].state_dict().keys()
