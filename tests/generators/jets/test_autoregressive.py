"""Constituents one after the other: its network, and sizes that are none."""

from __future__ import annotations

import pytest

from generators.errors import HyperparameterError
from generators.jets.autoregressive import AutoregressiveCloud
from generators.jets.ordered_points import OrderedPoints


def test_its_network_has_the_sizes_that_it_is_told() -> None:
    generator = AutoregressiveCloud(width=8, components=2, anchors=3)
    network = generator.build((5, 3), 1)
    assert isinstance(network, OrderedPoints)
    assert (network.points, network.anchors, network.mixture.components) == (5, 3, 5)


@pytest.mark.parametrize("name", ["width", "layers", "components", "anchors"])
def test_sizes_that_are_none(name: str) -> None:
    with pytest.raises(HyperparameterError, match=f"{name} = 0 of autoregressive_cloud"):
        AutoregressiveCloud(**{name: 0})  # type: ignore[arg-type]
