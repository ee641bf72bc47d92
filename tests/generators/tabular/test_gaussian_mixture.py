"""The mixture-density network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from generators.errors import HyperparameterError
from generators.registry import create
from generators.tabular.gaussian_mixture import MixtureDensity

from ..contracts import DensityContract, gaussian_events, name_of
from ..transform_contract import rows

DENSITIES: tuple[dict[str, Any], ...] = (
    {
        "kind": "gaussian_mixture",
        "components": 4,
        "hidden": 32,
        "training": {"steps": 300, "batch_size": 256, "learning_rate": 1e-2, "ema_decay": None},
    },
)


@pytest.fixture(scope="module", params=DENSITIES, ids=name_of)
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(DensityContract):
    pass


def mixture(features: int, context: int, *, components: int = 3, scale: float = 0.5) -> MixtureDensity:
    """A mixture whose parameters are random numbers."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = MixtureDensity(features, context, components=components, hidden=8, layers=1)
        for parameter in made.parameters():
            parameter.data = scale * torch.randn_like(parameter)
    return made.double().requires_grad_(False)


@pytest.mark.parametrize(("features", "context"), [(1, 0), (1, 2), (3, 1), (5, 4)])
def test_density_is_that_of_scipy(features: int, context: int) -> None:
    made = mixture(features, context)
    z, c = rows(20, features, context)
    given = torch.zeros(20, 0).double() if c is None else c
    log_share, mean, log_scale, below = made.parameters_at(given)
    log_share, mean, factor = (part.numpy() for part in (log_share, mean, made.mixture.factor(log_scale, below)))
    for row in range(20):
        parts = [
            log_share[row, k]
            + multivariate_normal(mean[row, k], np.linalg.inv(factor[row, k].T @ factor[row, k])).logpdf(z[row].numpy())
            for k in range(3)
        ]
        assert float(made.log_density(z, given)[row]) == pytest.approx(logsumexp(parts), abs=1e-8)
    assert np.allclose(np.exp(log_share).sum(axis=1), 1)


def test_draws_have_the_moments_of_the_mixture() -> None:
    made = mixture(3, 1)
    c = torch.full((200_000, 1), 0.4).double()
    drawn = made.draw(c, torch.Generator().manual_seed(5))
    log_share, mean, log_scale, below = made.parameters_at(c[:1])
    factor = made.mixture.factor(log_scale, below)
    assert (factor[0, 0].tril(-1) != 0).sum() == 3
    share, covariance = log_share.exp()[0, :, None], torch.linalg.inv(factor[0].mT @ factor[0])
    expected = (share * mean[0]).sum(dim=0)
    away = mean[0] - expected
    spread = (share[..., None] * (covariance + away[:, :, None] * away[:, None])).sum(dim=0)
    error = (spread.diagonal() / len(c)).sqrt()
    assert ((drawn.mean(dim=0) - expected).abs() < 5 * error).all()
    assert torch.allclose(drawn.T.cov(), spread, atol=0.03 * float(spread.abs().max()))


def test_components_are_drawn_in_their_shares() -> None:
    """Components so far apart that every draw names its own."""
    made = mixture(1, 0, components=4)
    start = made.network.start.view(4, 3)
    start[:, 0] = torch.tensor([0.4, 0.3, 0.2, 0.1]).double().log()
    start[:, 1] = torch.tensor([-300.0, -100.0, 100.0, 300.0]).double()
    drawn = made.draw(torch.empty(100_000, 0).double(), torch.Generator().manual_seed(5))[:, 0]
    counts = torch.histc(drawn, bins=4, min=-400, max=400) / 100_000
    assert torch.allclose(counts, torch.tensor([0.4, 0.3, 0.2, 0.1]).double(), atol=0.006)


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_is_finite_with_finite_gradients_anywhere(scale: float) -> None:
    made = mixture(3, 2, scale=scale).requires_grad_(True)
    z, c = rows(40, 3, 2)
    z[0], z[1], z[2] = 0.0, 1e30, -1e30
    z.requires_grad_()
    log_density = made.log_density(z, c)
    assert torch.isfinite(log_density).all()
    (1e-60 * log_density.sum()).backward()
    assert torch.isfinite(z.grad).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in made.parameters())


def test_no_component_can_collapse_onto_an_event() -> None:
    """However loud the network calls for it, a width stays above e⁻⁵, so the likelihood has an upper bound."""
    made = mixture(2, 0)
    made.network.start.fill_(1e6)
    _, _, log_scale, _ = made.parameters_at(torch.empty(1, 0).double())
    assert torch.equal(log_scale, torch.full_like(log_scale, 5.0))


def test_members_of_an_ensemble_run_at_once() -> None:
    members = [mixture(2, 1, scale=0.3 * (1 + index)) for index in range(3)]
    z, c = rows(30, 2, 1)
    losses = [create("gaussian_mixture").objective(member) for member in members]
    parameters, buffers = torch.func.stack_module_state(losses)
    at_once = torch.func.vmap(lambda state: torch.func.functional_call(losses[0], state, (z, c)))(
        {**parameters, **buffers}
    )
    assert torch.allclose(at_once, -torch.stack([member.log_density(z, c) for member in members]), atol=1e-10)


@pytest.mark.parametrize("name", ["components", "hidden", "layers"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(HyperparameterError, match=f"{name} = 0 of gaussian_mixture"):
        create({"kind": "gaussian_mixture", name: 0})
