"""CaloClouds I: published size, noise that ends in noise, and a latent vector that points share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.jets.base import CloudGenerator
from generators.registry import create
from generators.showers.calo_clouds_1 import CaloClouds1
from tests.generators.jets.velocities import check_registered

SMALL: dict[str, Any] = {"latent": 2, "encoder_layers": 1, "encoder_hidden": 16, "prior_blocks": 2, "prior_hidden": 8}
SMALL |= {"widths": [32, 32], "sampling_steps": 8, "multiplicity": -1}


def test_it_is_found_by_its_name_and_keeps_its_hyperparameters() -> None:
    check_registered(CaloClouds1(**SMALL), CloudGenerator)


def test_published_size() -> None:
    made = create({"kind": "calo_clouds_1", "preset": "published", "multiplicity": -1})
    network = made.build((6000, 4), 2)
    assert sum(parameter.numel() for parameter in network.diffusion.parameters()) == 1_001_520
    assert 2 * made.sampling_steps <= 50


def test_its_noise_ends_in_noise() -> None:
    """The published steps end at a signal of √0.49; a sample that begins at noise alone is none that was learned."""
    beta = np.linspace(1e-4**0.5, 0.02**0.5, 100) ** 2
    assert np.prod(1 - beta) == pytest.approx(0.485, abs=0.001)
    signal = math.sin(float(CaloClouds1(**SMALL).build((5, 3), 1).diffusion.schedule.angle(torch.tensor(0.0))))
    assert signal < 0.06


def test_the_encoder_and_the_points_follow_a_permutation() -> None:
    torch.manual_seed(1)
    made = CaloClouds1(**SMALL)
    network = made.build((5, 3), 1).eval()
    objective = made.objective(network)
    z, c, counts = torch.randn(2, 5, 3), torch.randn(2, 1), torch.tensor([5, 5])
    order = torch.tensor([3, 0, 4, 1, 2])
    known = torch.randn(2, 3)
    with torch.no_grad():
        torch.testing.assert_close(objective.encoded(counts, z[:, order], c), objective.encoded(counts, z, c))
        drawn = network.diffusion.transport(z, counts, known)
        torch.testing.assert_close(network.diffusion.transport(z[:, order], counts, known), drawn[:, order])


def test_points_of_a_cloud_know_of_each_other_by_the_latent_numbers() -> None:
    """Points that are drawn alone move together if what they are told says where."""
    rng = np.random.default_rng(2)
    x = 0.2 * rng.standard_normal((1_500, 6, 3))
    x[..., 0] += rng.standard_normal((1_500, 1))
    x[..., 2] = np.exp(x[..., 2])
    c = np.column_stack([rng.random(1_500), np.full(1_500, 6.0)])
    training = {"steps": 400, "batch_size": 128, "learning_rate": 4e-3, "ema_decay": 0.97}
    made = create({"kind": "calo_clouds_1", **SMALL, "training": training}).fit(x, c, seed=1)
    drawn = made.sample(c, seed=2)
    # Nearly one in truth, and 0 ± 0.03 without latent numbers; a training of a moment gets a part of it.
    assert np.corrcoef(drawn[:, :2, 0].T)[0, 1] > 0.2


def test_what_does_not_fit_is_named() -> None:
    for name, value in (("latent", 0), ("bins", 1), ("divergence", -1.0), ("sampler", "ancestral"), ("widths", [0])):
        with pytest.raises(HyperparameterError, match=name):
            CaloClouds1(**{name: value})
