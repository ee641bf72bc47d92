"""The network of PointCountFM: one time for all rows is the same as that time for each."""

from __future__ import annotations

import torch

from generators.networks.count_velocity import CountVelocity


def test_a_time_for_all_and_one_for_each() -> None:
    torch.manual_seed(1)
    network = CountVelocity(4, 2, widths=[8, 6], frequencies=3)
    x, c = torch.randn(5, 4), torch.randn(5, 2)
    out = network(x, torch.tensor(0.3), c)
    torch.testing.assert_close(network(x, torch.full((5,), 0.3), c), out)
    assert not torch.allclose(network(x, torch.tensor(0.4), c), out)


def test_its_derivative_is_that_of_autograd() -> None:
    torch.manual_seed(2)
    network = CountVelocity(4, 2, widths=[8, 6], frequencies=3).double()
    x, c, u = (torch.randn(5, n, dtype=torch.float64) for n in (4, 2, 4))
    t = torch.rand(5, dtype=torch.float64)
    out, pushed = network.pushforward(x, t, c, u[None])
    _, due = torch.autograd.functional.jvp(lambda rows: network(rows, t, c), x, u)
    torch.testing.assert_close(out, network(x, t, c))
    torch.testing.assert_close(pushed[0], due)
