"""Mixtures of logistic distributions that end at a bound."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from generators.networks.truncated_logistic import draw, log_prob, split

#: Two components of different widths at −1 and 2, shares ½ each.
PARAMETERS = torch.tensor([[0.0, -1.0, 0.0, 0.0, 2.0, -1.0]], dtype=torch.float64)
WIDTHS = split(PARAMETERS)[2].exp()[0].tolist()


def density(x: float, bound: float) -> float:
    at, below = (torch.tensor([v], dtype=torch.float64) for v in (x, bound))
    return math.exp(float(log_prob(at, below, PARAMETERS)))


def distribution(x: np.ndarray, bound: float) -> np.ndarray:
    def whole(at: np.ndarray | float) -> np.ndarray:
        return 0.5 * stats.logistic.cdf(at, -1, WIDTHS[0]) + 0.5 * stats.logistic.cdf(at, 2, WIDTHS[1])

    return whole(x) / whole(bound)


@pytest.mark.parametrize("bound", [1e4, 3.0, 0.5, -6.0])
def test_density_up_to_the_bound_integrates_to_one(bound: float) -> None:
    top = min(bound, 40.0)
    pieces = np.unique(np.clip([top - 60, -4.0, 0.0, 1.0, 3.0, top], top - 60, top))
    total = sum(integrate.quad(density, a, b, args=(bound,))[0] for a, b in pairwise(pieces))
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("bound", [1e4, 2.0, -3.0])
def test_draws_follow_it(bound: float) -> None:
    rows = 20_000
    noise = torch.randn(rows, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    drawn = draw(noise, torch.full((rows,), bound, dtype=torch.float64), PARAMETERS.expand(rows, -1)).numpy()
    assert drawn.max() <= bound
    assert stats.kstest(drawn, lambda x: distribution(x, bound)).pvalue > 1e-3


def test_a_bound_far_below_everything_is_no_problem_in_single_precision() -> None:
    """Less than 1e-300 of the mixture is left, exponential with the width of its components."""
    parameters = torch.tensor([0.0, 0.0, math.log(0.1)]).expand(10_000, -1)
    width = float(split(parameters)[2][0, 0].exp())
    noise = torch.randn(10_000, 2, generator=torch.Generator().manual_seed(2))
    bound = torch.full((10_000,), -80.0)
    drawn = draw(noise, bound, parameters)
    assert stats.kstest((bound - drawn).numpy(), stats.expon(scale=width).cdf).pvalue > 1e-3
    assert float(log_prob(bound[:1], bound[:1], parameters[:1])) == pytest.approx(-math.log(width), rel=1e-4)
