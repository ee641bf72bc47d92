"""Flow of planar transforms: a density, and sizes that are none."""

from __future__ import annotations

import pytest
import torch

from generators.errors import HyperparameterError
from generators.flows.planar import Planar
from generators.registry import create


def test_it_has_as_many_blocks_and_its_density_integrates_to_one() -> None:
    torch.manual_seed(4)
    model = create({"kind": "planar", "blocks": 4, "hidden": 8}).build((2,), 1)
    assert [type(transform) for transform in model.transforms] == [Planar] * 4
    axis = torch.linspace(-30, 30, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = model.log_density(grid, torch.full((len(grid), 1), 0.3)).exp().sum() * 0.1**2
    assert float(total) == pytest.approx(1.0, abs=0.01)


def test_sizes_that_are_none() -> None:
    with pytest.raises(HyperparameterError, match="blocks = 0 of planar"):
        create({"kind": "planar", "blocks": 0})
