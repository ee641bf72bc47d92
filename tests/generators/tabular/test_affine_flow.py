"""Flows of affine maps: what is one pass and what is feature by feature, and sizes that are none."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from generators.errors import HyperparameterError
from generators.registry import create


def network(kind: str) -> Any:
    torch.manual_seed(1)
    built = create({"kind": kind, "blocks": 3, "hidden": 8}).build((3,), 1)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built


@pytest.mark.parametrize("kind", ["iaf", "affine_coupling"])
def test_the_density_integrates_to_one(kind: str) -> None:
    torch.manual_seed(2)
    model = create({"kind": kind, "blocks": 3, "hidden": 8}).build((2,), 1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    axis = torch.linspace(-12, 12, 241, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = model.log_density(grid, torch.full((len(grid), 1), 0.3)).exp().sum() * 0.1**2
    assert float(total) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("kind", ["iaf", "affine_coupling"])
def test_noise_and_events_are_each_others_image(kind: str) -> None:
    model, noise, c = network(kind), torch.randn(7, 3, dtype=torch.float64), torch.randn(7, 1)
    torch.testing.assert_close(model.noise(model.transport(noise, c), c), noise, rtol=1e-6, atol=1e-6)


def test_sizes_that_are_none() -> None:
    for name in ("blocks", "hidden", "layers"):
        with pytest.raises(HyperparameterError, match=f"{name} = 0 of iaf"):
            create({"kind": "iaf", name: 0})
