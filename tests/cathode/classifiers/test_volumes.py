"""Residual convolutions over a cylinder: what is near, and what turning it changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cathode.classifiers.volumes import Convolution, VolumeNetwork

SHAPE = (6, 8, 4)


def network() -> Any:
    torch.manual_seed(1)
    made = VolumeNetwork(SHAPE, 1, width=4, blocks=1, periodic=True).double()
    x = torch.rand(60, 1 + 6 * 8 * 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    made.standardise(x, torch.ones(60, dtype=torch.float64))
    return made.eval(), x


@pytest.mark.parametrize("periodic", [True, False])
def test_a_turn_of_the_shower_turns_what_a_convolution_sees_where_angles_close(periodic: bool) -> None:
    """By the stride of two angles; without a circle the edges differ."""
    torch.manual_seed(1)
    first = Convolution(1, 3, size=5, stride=2, periodic=periodic).double()
    image = torch.rand(4, 1, *SHAPE, dtype=torch.float64)
    moved, still = first(image.roll(2, dims=3)), first(image).roll(1, dims=3)
    assert torch.allclose(moved, still, atol=1e-12) == periodic


def test_how_large_a_shower_is_is_seen() -> None:
    made, x = network()
    larger = torch.cat([x[:, :1], 1.5 * x[:, 1:]], dim=1)
    assert (made(larger) - made(x)).abs().min() > 1e-6


def test_units_are_those_of_weighted_events() -> None:
    made, x = network()
    once = torch.cat([x[:20], x[:20], x[20:]])
    weights = torch.cat([torch.full((20,), 2.0), torch.ones(40)]).double()
    made.standardise(once, torch.ones(80).double())
    first = [buffer.clone() for buffer in (made.mean, made.scale, made.units[:1])]
    made.standardise(x, weights)
    for a, b in zip(first, (made.mean, made.scale, made.units[:1]), strict=True):
        assert torch.allclose(a, b, rtol=1e-2)
