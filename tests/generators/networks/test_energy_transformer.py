"""A reader of numbers sees those before and none behind."""

from __future__ import annotations

import torch

from generators.networks.energy_transformer import NumberReader, NumberVelocity


def test_what_is_known_of_a_number_are_those_before_it() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        reader = NumberReader(4, 2, width=12, heads=2, layers=1, hidden=16)
        z, c = torch.randn(1, 3), torch.randn(1, 2)
    slopes = torch.autograd.functional.jacobian(lambda one: reader(one, c)[0, :, 0], z)[:, 0]
    due = torch.ones(4, 3).tril(diagonal=-1) > 0
    assert torch.equal(slopes.abs() > 1e-7, due)
    assert reader(torch.randn(5, 3), torch.randn(5, 2)).shape == (5, 4, 12)


def test_velocity_of_a_number() -> None:
    head = NumberVelocity(12, times=8, hidden=16, layers=3)
    out = head(torch.randn(5, 1), torch.rand(5), torch.randn(5, 12))
    assert out.shape == (5, 1)
    assert float(out.detach().abs().max()) == 0
