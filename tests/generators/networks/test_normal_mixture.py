"""Mixtures of normal distributions against scipy."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import multivariate_normal

from generators.networks.normal_mixture import NormalMixture, chosen

D, K = 3, 2


def mixture() -> tuple[NormalMixture, tuple[torch.Tensor, ...]]:
    model = NormalMixture(D, K, farthest=4.0)
    generator = torch.Generator().manual_seed(1)
    parameters = 0.5 * torch.randn(1, K * model.parameters_of_one, generator=generator, dtype=torch.float64)
    return model.double(), model.split(parameters)


def components() -> list[tuple[float, np.ndarray, np.ndarray]]:
    model, (share, mean, scale, below) = mixture()
    found = []
    for k in range(K):
        a = model.factor(scale[:, k], below[:, k])[0].numpy()
        found.append((float(share[0, k].exp()), mean[0, k].numpy(), np.linalg.inv(a.T @ a)))
    return found


def test_the_density_is_that_of_scipy() -> None:
    model, parts = mixture()
    x = torch.randn(20, D, dtype=torch.float64)
    expected = sum(share * multivariate_normal(mean, cov).pdf(x.numpy()) for share, mean, cov in components())
    np.testing.assert_allclose(model.log_prob(x, *parts).exp().numpy(), expected, rtol=1e-9)
    assert model.parameters_of_one == 1 + 2 * D + D * (D - 1) // 2


def test_draws_have_the_moments_of_the_density() -> None:
    model, parts = mixture()
    n = 200_000
    generator = torch.Generator().manual_seed(2)
    at = torch.rand(n, 1, generator=generator, dtype=torch.float64)
    noise = torch.randn(n, D, generator=generator, dtype=torch.float64)
    drawn = model.draw(at, noise, *(part.expand(n, *part.shape[1:]) for part in parts)).numpy()
    mean = sum(share * mu for share, mu, _ in components())
    second = sum(share * (cov + np.outer(mu, mu)) for share, mu, cov in components())
    covariance = second - np.outer(mean, mean)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=5 * np.sqrt(np.diag(covariance).max() / n))
    np.testing.assert_allclose(np.cov(drawn.T), covariance, rtol=0.1, atol=0.05)


def test_the_last_component_has_what_rounding_leaves() -> None:
    share = torch.tensor([[0.25, 0.75]]).log().expand(4, 2)
    at = torch.tensor([[0.0], [0.2499], [0.2501], [1.0]])
    (index,) = chosen(at, share, torch.arange(2).expand(4, 2))
    assert index.tolist() == [0, 0, 1, 1]
