"""The variational autoencoder: the contract of generators, and its bounds against the integral by brute force."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import generators
from generators.errors import HyperparameterError, NotFittedError, ShapeError
from generators.protocols import DensityGenerator
from generators.registry import create
from generators.tabular.vae import Autoencoder, EvidenceBound

from ..contracts import GeneratorContract, gaussian_events, gaussian_log_prob

SPECIFICATION: dict[str, Any] = {
    "kind": "vae",
    "hidden": 32,
    "training": {"steps": 800, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": 0.98, "best_states": 2},
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(GeneratorContract):
    def test_losses_of_the_only_phase_are_those_of_the_training(self, fitted: Any, tmp_path: Path) -> None:
        for model in (fitted, generators.load(generators.save(fitted, tmp_path / "model"))):
            assert list(model.losses_) == ["vae"]
            assert model.losses_["vae"].validation == fitted.validation_losses_

    def test_is_no_density(self, fitted: Any) -> None:
        assert not isinstance(fitted, DensityGenerator)
        assert not hasattr(fitted, "log_prob")

    def test_bounds_are_below_the_truth_in_the_mean_and_near(self, fitted: Any) -> None:
        """No density is larger than the true one in the mean over true events; more samples come nearer."""
        x, c = gaussian_events(2_000, seed=11)
        true = gaussian_log_prob(x, c).mean()
        bound = fitted.evidence_bound(x, c, seed=1).mean()
        few, many = (fitted.importance_weighted(x, c, seed=1, samples=n).mean() for n in (2, 64))
        assert bound < few < many < true + 0.01
        assert many > true - 0.12

    def test_bounds_of_wrong_input_are_refused(self, fitted: Any, specification: dict[str, Any]) -> None:
        x, c = gaussian_events(10, seed=1)
        for function in ("evidence_bound", "importance_weighted"):
            with pytest.raises(ShapeError):
                getattr(fitted, function)(x[:, :1], c, seed=1)
            with pytest.raises(HyperparameterError, match="samples = 0"):
                getattr(fitted, function)(x, c, seed=1, samples=0)
            with pytest.raises(NotFittedError):
                getattr(create(specification), function)(x, c, seed=1)
            assert getattr(fitted, function)(x[:0], c[:0], seed=1).shape == (0,)
            again = [getattr(fitted, function)(x, c, seed=seed) for seed in (1, 1, 2)]
            assert np.array_equal(again[0], again[1])
            assert not np.array_equal(again[0], again[2])


def wild(latent: int = 1) -> Autoencoder:
    """Any weights, in double precision."""
    torch.manual_seed(4)
    network = Autoencoder(2, 1, latent, hidden=8, layers=1)
    for parameter in network.parameters():
        parameter.data = 0.7 * torch.randn_like(parameter) / max(parameter.shape[-1], 1) ** 0.5
    return network.double().requires_grad_(False)


def integrated(network: Autoencoder, z: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Log p(z | c) by a sum over a fine grid of the one latent variable, and the evidence bound in the same way."""
    u = torch.linspace(-12, 12, 24_001, dtype=torch.float64)[:, None]
    step = float(u[1, 0] - u[0, 0])
    log_p, bounds = [], []
    for row in range(len(z)):
        at = c[row].expand(len(u), -1)
        mean, raw = network.decoder(u, at).chunk(2, dim=1)
        decoder = torch.distributions.Normal(mean, (5 * torch.tanh(raw / 5)).exp())
        joint = decoder.log_prob(z[row]).sum(dim=1) + torch.distributions.Normal(0.0, 1.0).log_prob(u[:, 0])
        log_p.append(torch.logsumexp(joint, dim=0) + math.log(step))
        mean, raw = network.encoder(z[row : row + 1], c[row : row + 1]).chunk(2, dim=1)
        log_q = torch.distributions.Normal(mean[0, 0], (5 * torch.tanh(raw[0, 0] / 5)).exp()).log_prob(u[:, 0])
        bounds.append((log_q.exp() * (joint - log_q)).sum() * step)
    return torch.stack(log_p), torch.stack(bounds)


class TestBounds:
    def weights(self, network: Autoencoder, samples: int) -> tuple[Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(1)
        z = 0.5 * torch.randn(4, 2, generator=generator, dtype=torch.float64)
        c = torch.rand(4, 1, generator=generator, dtype=torch.float64)
        noise = torch.randn(samples, 4, 1, generator=generator, dtype=torch.float64)
        return z, c, torch.stack([network.log_weight(z, c, each) for each in noise])

    def test_mean_weight_is_the_integral_and_mean_log_weight_the_bound(self) -> None:
        network = wild()
        z, c, weights = self.weights(network, 20_000)
        log_p, bound = integrated(network, z, c)
        error = 5 * weights.std(dim=0) / math.sqrt(len(weights))
        assert ((weights.mean(dim=0) - bound).abs() < error + 1e-3).all()
        assert (bound < log_p).all()
        estimate = torch.logsumexp(weights, dim=0) - math.log(len(weights))
        spread = ((weights - log_p).exp().var(dim=0) / len(weights)).sqrt()
        assert ((estimate - log_p).abs() < 5 * spread + 1e-3).all()

    def test_loss_is_minus_the_bound(self) -> None:
        network = wild()
        z, c, _ = self.weights(network, 1)
        torch.manual_seed(2)
        losses = torch.stack([EvidenceBound(network, 1.0)(z, c) for _ in range(4_000)])
        _, bound = integrated(network, z, c)
        assert ((losses.mean(dim=0) + bound).abs() < 5 * losses.std(dim=0) / math.sqrt(4_000) + 1e-3).all()

    def test_beta_weighs_the_divergence_alone(self) -> None:
        z, c, _ = self.weights(wild(), 1)
        losses = []
        for beta in (1.0, 2.0, 4.0):
            network = wild()
            torch.manual_seed(2)
            losses.append(EvidenceBound(network, beta)(z, c))
        first, second = losses[1] - losses[0], losses[2] - losses[1]
        assert torch.allclose(second, 2 * first)
        assert (first > 0).all()


@pytest.mark.parametrize(("wrong", "match"), [({"beta": 0.0}, "beta = 0"), ({"latent": 0}, "latent")])
def test_nonsense_is_refused(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(HyperparameterError, match=match):
        create({"kind": "vae", **wrong})
