"""Blocks of showers: what they are told, and whole showers as one vector."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generators.showers.blocks import Known, LayersBlock, WholeShower
from generators.showers.spread_cells import SpreadCells
from tests.generators.showers.toys import THRESHOLD, of_layers

LAYERS = [[1, 2], [3, 1]]
GIVEN = Known((2, 3), (1, 2), 0, SpreadCells(THRESHOLD))


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    x, c = of_layers(LAYERS, n, 3)
    return torch.as_tensor(x), torch.as_tensor(c)


def test_a_block_is_told_energies_the_layers_before_and_which_it_is() -> None:
    x, c = rows(20)
    told = LayersBlock(GIVEN, [1], beside=[0], seen=[0], one_of=(1, 3)).told(x, c)
    assert told.shape == (20, 1 + 2 + 2 + 3)
    assert told[:, -3:].tolist() == [[0.0, 1.0, 0.0]] * 20
    # What is above zero in training and below it later would be refused as a context.
    assert bool((told[:, :-3] < 0).all())
    energies = torch.expm1(told[:, 1:3] + 40) * THRESHOLD
    assert energies.numpy() == pytest.approx(c[:, 1:].numpy(), abs=1e-12)


def test_layers_and_whole_showers_come_back() -> None:
    x, c = rows(200)
    whole = WholeShower(Known((2, 3), (), 0, SpreadCells(THRESHOLD)))
    for block, context in ((LayersBlock(GIVEN, [0, 1]), c), (whole, c[:, :1])):
        noise = torch.randn(200, block.numbers, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        z, log_weight = block.forward(x, context, noise)
        out = torch.zeros_like(x)
        block.inverse(z, context, out)
        assert out.numpy() == pytest.approx(x.numpy(), abs=1e-6)
        assert torch.isfinite(log_weight).all()


def test_energy_of_a_whole_shower_is_one_of_its_numbers() -> None:
    """One voxel alone: its density is that of the logarithm of its energy."""
    known = Known((1,), (), 0, SpreadCells(THRESHOLD))
    block, x = WholeShower(known), torch.tensor([[0.05]], dtype=torch.float64)
    z, log_weight = block.forward(x, torch.tensor([[0.1]], dtype=torch.float64), torch.zeros(1, block.numbers))
    assert float(z[0, 0]) == pytest.approx(np.log(0.5))
    of_cells = 2 * known.cells.forward(x, torch.zeros(1, 2, dtype=torch.float64))[1]
    assert float(log_weight - of_cells) == pytest.approx(-np.log(0.05))
