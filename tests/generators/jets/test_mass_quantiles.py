"""Normal scores of a feature at its mass: an inverse, and quantiles that are right where there were no events."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from generators.jets.mass_quantiles import MassQuantiles


def edged(n: int, seed: int, blind: bool = True, fall: float = 600.0) -> tuple[Tensor, Tensor]:
    """A feature that ends where the mass says, like the difference of rapidities at a threshold of pT; masses.

    The spectrum of masses falls by e in `fall` GeV.
    """
    rng = np.random.default_rng(seed)
    mass = 2500 - fall * np.log1p(-rng.random(4 * n) * -np.expm1(-2500 / fall))
    mass = mass[(mass < 3200) | (mass > 3900)] if blind else mass
    mass = mass[:n]
    end = 2 * np.arccosh(mass / 2400)
    return torch.as_tensor(end * rng.beta(2.0, 1.2, len(mass))), torch.as_tensor(mass)


@pytest.fixture(scope="module")
def fitted() -> MassQuantiles:
    x, mass = edged(20_000, 1)
    return MassQuantiles.of(x, mass, torch.ones_like(x))


@pytest.mark.parametrize("low", [2000.0, 2500.0, 3500.0, 6000.0])
def test_scores_are_inverted_and_rise(fitted: MassQuantiles, low: float) -> None:
    x = torch.linspace(-1, 4, 301).double()
    mass = torch.full_like(x, low)
    z = fitted.scores(x, mass)
    assert (z.diff() > 0).all()
    torch.testing.assert_close(fitted.values(z, mass), x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("fall", [600.0, 1200.0, 1e5])
def test_they_are_standard_normal_in_the_window_that_was_not_seen(fall: float) -> None:
    """Also where few events lie above it."""
    seen, at = edged(20_000, 1, fall=fall)
    x, mass = edged(40_000, 2, blind=False, fall=1e5)
    inside = (mass > 3300) & (mass < 3800)
    fitted, flat = (MassQuantiles.of(seen, m, torch.ones_like(seen)) for m in (at, torch.full_like(at, 3000.0)))
    distances = [stats.kstest(q.scores(x[inside], mass[inside]), "norm").statistic for q in (fitted, flat)]
    assert inside.sum() > 5_000
    assert distances[0] < 0.04
    # Quantiles of all masses together do not know that the edge has moved.
    assert distances[1] > 0.1


def test_a_weight_of_two_is_two_events_and_a_negative_one_none() -> None:
    x, mass = edged(12_000, 3)
    weights = torch.as_tensor(np.random.default_rng(4).integers(-1, 3, len(x)).astype(float))
    index = torch.arange(len(x)).repeat_interleave(weights.clamp(min=0).long())
    weighted, repeated = (
        MassQuantiles.of(x, mass, weights),
        MassQuantiles.of(x[index], mass[index], torch.ones(len(index)).double()),
    )
    values = [each.values(torch.linspace(-2, 2, 9).double(), torch.full((9,), 3500.0)) for each in (weighted, repeated)]
    # The step of a heavy event is one, that of equal ones are two.
    torch.testing.assert_close(*values, rtol=0, atol=0.01)
    unweighted = MassQuantiles.of(x, mass, torch.ones_like(x) * 3)
    equal = MassQuantiles.of(x, mass, torch.ones_like(x))
    torch.testing.assert_close(unweighted.lowest, equal.lowest)
    torch.testing.assert_close(unweighted.distances, equal.distances)


@pytest.mark.parametrize("events", [12, 60, 500])
def test_few_events_are_enough_for_an_inverse(events: int) -> None:
    x, mass = edged(events, 5)
    x = x.round(decimals=1)
    few = MassQuantiles.of(x, mass, torch.ones_like(x))
    # Quantiles that coincide, and a value far outside of them, are no reason for a score beyond all measure.
    assert few.scores(torch.cat([x, x.max()[None] * 5]), torch.cat([mass, mass[:1]])).abs().max() < 1000
    z = torch.linspace(-3, 3, 50).double()
    at = torch.full_like(z, 3500.0)
    torch.testing.assert_close(few.scores(few.values(z, at), at), z, rtol=0, atol=1e-6)
