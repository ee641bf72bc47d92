"""Hyperparameters of EPiC and the size of its network."""

from __future__ import annotations

import pytest

from generators.jets.epic_fm import EpicFM
from generators.jets.epic_jedi import EpicJeDi
from generators.networks.epic import Epic


@pytest.mark.parametrize("system", [EpicFM, EpicJeDi])
def test_both_systems_build_the_same_network(system: type[EpicFM] | type[EpicJeDi]) -> None:
    network = system(hidden=16, layers=3, latent=5, frequencies=4).velocity(3, 2)
    assert isinstance(network, Epic)
    expected = Epic(3, 2, hidden=16, layers=3, latent=5, frequencies=4, weight_norm=True, context_at_points=True)
    shapes = [tuple(p.shape) for p in network.parameters()]
    assert shapes == [tuple(p.shape) for p in expected.parameters()]
