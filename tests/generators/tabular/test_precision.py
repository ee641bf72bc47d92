"""Double precision for good, where it does not cost too much."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from generators.registry import create
from generators.tabular import precision
from generators.tabular.base import ConditionalDensity, NoiseSampler, TabularDensity
from generators.tabular.precision import settled_precision


def test_a_network_in_single_precision_changes_once() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    assert settled_precision(network) == torch.float64
    assert {p.dtype for p in network.parameters()} == {torch.float64}
    before = [p.data_ptr() for p in network.parameters()]
    settled_precision(network)
    assert [p.data_ptr() for p in network.parameters()] == before


@pytest.mark.parametrize("kind", ["coupling_spline", "autoregressive_spline", "gaussian_mixture", "maf", "linear_flow"])
def test_single_precision_is_nearly_double_where_doubles_are_dear(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = create({"kind": kind})
    assert isinstance(model, TabularDensity)
    found = []
    noise, c = torch.randn(200, 3, generator=torch.Generator().manual_seed(1)), torch.linspace(-1, 1, 200)[:, None]
    for cheap in (False, True):
        monkeypatch.setattr(precision, "doubles_are_cheap", lambda device, cheap=cheap: cheap)
        torch.manual_seed(3)
        network = model.build((3,), 1).eval()
        assert isinstance(network, ConditionalDensity)
        assert isinstance(network, NoiseSampler)
        own = torch.cat([noise, noise], dim=1)[:, : network.noise_shape[0]]
        with torch.no_grad():
            z = network.transport(own.double(), c)
            log_p = network.log_density(noise, c)
        assert z.dtype == log_p.dtype == (torch.float64 if cheap else torch.float32)
        found.append((z.double(), log_p.double()))
    torch.testing.assert_close(found[0], found[1], atol=2e-4, rtol=1e-3)
