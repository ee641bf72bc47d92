"""Cells as numbers on the line: there and back, and the probability that comes out of a density on the line."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from generators.errors import HyperparameterError
from generators.showers.spread_cells import SpreadCells
from tests.generators.showers.toys import THRESHOLD, of_pair, sharing

CELLS = SpreadCells(THRESHOLD)
HITS = list(product((0, 1), repeat=3))[1:]


def noise(n: int, numbers: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, numbers, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_there_and_back() -> None:
    x = torch.as_tensor(of_pair(400, 1)[0][:, 1:])
    y, _ = CELLS.forward(x, noise(400, 5))
    assert torch.equal(y > 0, (x > 0) & (x.sum(dim=1) > 0)[:, None] | (y > 0) & (x.sum(dim=1) == 0)[:, None])
    assert CELLS.inverse(y, x.sum(dim=1)).numpy() == pytest.approx(x.numpy(), abs=1e-7)


def log_q(y: torch.Tensor, full: NDArray[np.float64], mean: NDArray[np.float64]) -> torch.Tensor:
    """Cells that are full with these probabilities, and then normal around `mean`; empty ones have their own noise."""
    raw = torch.log(torch.expm1(-y.clamp_max(-1e-12)))
    empty = torch.distributions.Normal(2.0, 1.0).log_prob(raw) - torch.nn.functional.logsigmoid(raw)
    high = torch.distributions.Normal(torch.as_tensor(mean), 0.4).log_prob(y) + torch.as_tensor(full).log()
    return torch.where(y > 0, high, empty + torch.as_tensor(1 - full).log()).sum(dim=1)


def test_a_density_on_the_line_is_one_of_the_cells() -> None:
    """The integral of every pattern of empty cells is its probability, and of energies what is drawn."""
    full, mean, total = np.array([0.7, 0.5, 0.9]), np.array([2.0, 1.8, 2.4]), 0.02
    shift = torch.linspace(-14, 14, 113, dtype=torch.float64)
    step, found, means = float(shift[1] - shift[0]), [], []
    draws = torch.cat([torch.zeros(len(shift), 3, dtype=torch.float64), shift[:, None]], dim=1)
    for cells, weights in sharing(total, 3, 24):
        x = torch.as_tensor(cells).repeat_interleave(len(shift), dim=0)
        y, log_weight = CELLS.forward(x, draws.repeat(len(cells), 1))
        normal = -0.5 * (shift.square() + math.log(2 * math.pi))
        terms = (log_q(y, full, mean) + log_weight + normal.repeat(len(cells))).exp() * step
        density = terms.reshape(len(cells), -1).sum(dim=1).numpy() * weights
        found.append(float(density.sum()))
        means.append(float((density * cells[:, 2]).sum()))
    due = [float(np.prod(np.where(hit, full, 1 - full))) for hit in HITS]
    assert found == pytest.approx(due, abs=0.01)
    y = torch.as_tensor(mean) + 0.4 * noise(20_000, 3)
    x = CELLS.inverse(y, torch.full((20_000,), total, dtype=torch.float64))
    assert means[-1] / found[-1] == pytest.approx(float(x[:, 2].mean()), rel=0.02)


def test_what_is_asked_for_and_can_not_be() -> None:
    """Three cells of an energy for two, none of an energy for some, and no energy at all."""
    y = torch.tensor([[1.0, 2.0, 0.5], [-1.0, -2.0, -0.5], [1.0, 1.0, 1.0]], dtype=torch.float64)
    x = CELLS.inverse(y, torch.tensor([2.5e-3, 5e-3, 0.5e-3], dtype=torch.float64))
    assert (x > 0).tolist() == [[True, True, False], [False, False, True], [False, False, False]]
    assert x.sum(dim=1).tolist() == pytest.approx([2.5e-3, 5e-3, 0.0])
    assert float(x[0, :2].min()) >= THRESHOLD


def test_cells_without_energy_cost_nothing() -> None:
    """Under the density of their own noise every draw gives the probability one."""
    y, log_weight = CELLS.forward(torch.zeros(5, 3, dtype=torch.float64), noise(5, 4))
    own = torch.distributions.Normal(-2.0, 1.0).log_prob(y).sum(dim=1)
    assert (own + log_weight).numpy() == pytest.approx(np.zeros(5), abs=1e-6)


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan])
def test_a_threshold_is_positive(threshold: float) -> None:
    with pytest.raises(HyperparameterError, match="threshold"):
        SpreadCells(threshold)
