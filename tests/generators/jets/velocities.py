"""What every system with a velocity of clouds has to satisfy beside its contract."""

from __future__ import annotations

from typing import Any

import torch

from generators.registry import create, generator_class


def check_registered(made: Any, base: type) -> None:
    """It is found by its name, and comes back from its hyperparameters."""
    assert generator_class(made.kind) is type(made)
    assert isinstance(made, base)
    again = create({"kind": made.kind, **made.hyperparameters()})
    assert again.hyperparameters() == made.hyperparameters()


def check_equivariant(made: Any) -> None:
    """Its velocity follows a permutation of the points, and is zero where none is."""
    torch.manual_seed(1)
    network = made.velocity(3, 2).double().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    x = torch.randn(2, 4, 3, dtype=torch.float64) * mask[..., None]
    t, c = torch.rand(2, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        out = network(x, t, c, mask)
        torch.testing.assert_close(network(x[:, order], t, c, mask[:, order]), out[:, order])
    assert not out[~mask].any()
    assert out[mask].any()
