"""The generative adversarial network: the contract of generators without a density, and which of its states is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import generators
from generators.adversarial.collapse import Watch
from generators.adversarial.phases import Adversaries
from generators.errors import HyperparameterError
from generators.protocols import DensityGenerator
from generators.registry import create
from generators.tabular.gan import Nearness
from generators.training.batches import TrainingData

from ..contracts import GeneratorContract, gaussian_events, quick

SPECIFICATION: dict[str, Any] = {
    "kind": "gan",
    "hidden": 32,
    "training": {"steps": 1000, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": 0.97},
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(GeneratorContract):
    def test_has_no_density(self, fitted: Any) -> None:
        assert not isinstance(fitted, DensityGenerator)
        assert not hasattr(fitted, "log_prob")

    def test_generator_is_kept_without_its_critic(self, fitted: Any) -> None:
        names = {key for key in fitted.state() if key.startswith("network.0.")}
        assert names == {f"network.0.network.body.{layer}.{part}" for layer in (0, 2, 4) for part in ("weight", "bias")}

    def test_losses_of_both_phases_are_kept_and_stored(self, fitted: Any, tmp_path: Path) -> None:
        again = generators.load(generators.save(fitted, tmp_path / "model"))
        assert list(fitted.losses_) == ["critic", "maker"]
        assert again.losses_ == fitted.losses_
        assert fitted.train_losses_ == fitted.losses_["critic"].train
        assert len(fitted.losses_["maker"].validation) == len(fitted.validation_losses_)

    def test_kept_epoch_is_not_chosen_by_a_loss(self, fitted: Any) -> None:
        assert fitted.best_epochs_ != [int(np.argmin(fitted.validation_losses_)) + 1]


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "least_squares"},
        {"loss": "hinge", "spectral_norm": True, "penalty": 0.0},
        {"loss": "wasserstein", "penalty": 1.0, "critic_steps": 2},
        {"latent": 5, "momentum": 0.0},
    ],
)
def test_every_kind_of_training_begins_to_learn(change: dict[str, Any]) -> None:
    """Nearer to events of another sample than an untrained one, a third at least."""
    x, c = gaussian_events(1_500, seed=3)
    distances = []
    for steps in (1, 150):
        made = quick({**SPECIFICATION, **change}, steps=steps, batch_size=256, learning_rate=4e-3, ema_decay=0.9)
        drawn = made.fit(x, c, seed=1).sample(c, seed=2)
        distances.append(np.abs(np.sort(drawn, axis=0) - np.sort(x, axis=0)).mean())
    assert distances[1] < 0.67 * distances[0]


def test_distance_is_of_the_joint_distribution_with_the_context() -> None:
    """Events that are true one by one, but at wrong contexts, are not near."""
    c = torch.rand(2_000, 1) * 2 - 1

    class Fixed(torch.nn.Module):
        def __init__(self, sign: float) -> None:
            super().__init__()
            self.sign = sign

        def made_like(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
            return self.sign * c

    class Fair(torch.nn.Module):
        def forward(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
            return x[:, 0]

    held_out = TrainingData(c, c, torch.ones(2_000))
    near, far = (Nearness(Watch("toy"))(Adversaries(Fixed(sign), Fair()), held_out) for sign in (1, -1))
    assert near == pytest.approx(0, abs=1e-6)
    assert far > 0.2


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"loss": "saturating"}, "loss 'saturating'"),
        ({"penalty": -1.0}, "penalty = -1"),
        ({"critic_steps": 0}, "critic_steps"),
        ({"latent": 0}, "latent"),
        ({"momentum": 1.0}, r"betas\[0\] = 1"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(HyperparameterError, match=match):
        create({"kind": "gan", **wrong})
