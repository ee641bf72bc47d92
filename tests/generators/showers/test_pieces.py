"""Distributions of pieces and of whole showers: they integrate to one, and draw what they say."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from generators.showers.energy_tree import MISS, PART, REST
from generators.showers.pieces import PieceDistribution, TotalDistribution

PIECES = PieceDistribution(components=2)


def parameters(*, seed: int, numbers: int) -> torch.Tensor:
    return torch.randn(1, numbers, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("before", [1.0, 1.9, 2.5, 30.0, 4e4])
def test_probability_of_a_piece_is_one(before: float) -> None:
    p, left = parameters(seed=1, numbers=PIECES.parameters), torch.tensor([before], dtype=torch.float64)
    some = torch.ones(1, dtype=torch.float64)
    nothing = PIECES.log_prob(p, 0 * some, left, torch.tensor([MISS])).exp()
    rest = PIECES.log_prob(p, left, left, torch.tensor([REST])).exp()
    total = float(nothing + rest)
    if before > 2:
        y = torch.linspace(-40, 40, 40_001, dtype=torch.float64)
        share = y.sigmoid()
        energy = 1 + (before - 2) * share
        density = PIECES.log_prob(p.expand(len(y), -1), energy, left.expand(len(y)), torch.full((len(y),), PART)).exp()
        total += float(torch.trapezoid(density * (before - 2) * share * (1 - share), y))
    assert total == pytest.approx(1, abs=2e-4)


def test_probability_of_a_shower_is_one_and_draws_have_it() -> None:
    total = TotalDistribution(components=2)
    p = parameters(seed=2, numbers=total.parameters)
    log_incident = torch.tensor([math.log(50.0)], dtype=torch.float64)
    y = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    energy = 1 + (y + log_incident).exp()
    density = total.log_prob(p.expand(len(y), -1), energy, log_incident.expand(len(y))).exp() * (energy - 1)
    empty = float(total.log_prob(p, torch.zeros(1, dtype=torch.float64), log_incident).exp())
    assert float(torch.trapezoid(density, y)) + empty == pytest.approx(1, abs=1e-4)
    drawn = total.draw(p.expand(4000, -1), log_incident.expand(4000), torch.Generator().manual_seed(3))
    assert (drawn == 0).double().mean() == pytest.approx(empty, abs=0.03)
    below = torch.cumulative_trapezoid(density, y) / (1 - empty)
    at = (drawn[drawn > 0] - 1).log() - log_incident
    probabilities = below[torch.searchsorted(y, at).clamp(1, len(below)) - 1]
    assert stats.kstest(probabilities.numpy(), "uniform").pvalue > 1e-3
