"""Losses, penalties and phases of adversaries: against what is known of them, and a ring of eight modes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor, nn

from generators.adversarial.distances import directions_of, sliced_wasserstein
from generators.adversarial.losses import LOSSES, adversarial_loss
from generators.adversarial.phases import Adversaries, adversarial_phases
from generators.adversarial.regularisation import gradient_penalty, slope_penalty, spectrally_normed
from generators.errors import HyperparameterError
from generators.networks.relations import Relations
from generators.training.batches import TrainingData
from generators.training.loop import train
from generators.training.modules import Everything
from generators.training.optimisers import Adam
from generators.training.rules import BestMetric
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained

from .test_training import InterruptionError, equal, stop_after

#: Densities of data and of what is made at some place, and the best score there.
KNOWN = {
    "non_saturating": lambda p, q: math.log(p / q),
    "least_squares": lambda p, q: p / (p + q),
    "hinge": lambda p, q: math.copysign(1, p - q),
}


class TestLosses:
    @pytest.mark.parametrize("name", KNOWN)
    @pytest.mark.parametrize(("p", "q"), [(0.2, 0.8), (0.5, 0.4), (0.9, 0.1)])
    def test_best_critic_is_the_known_one(self, name: str, p: float, q: float) -> None:
        """The loss at one place, p times that of data and q times that of what is made, found on a grid."""
        score = torch.linspace(-4, 4, 80_001, dtype=torch.float64)
        zero = torch.zeros_like(score)
        loss = LOSSES[name]
        # A score of the other sort that is held fixed adds a constant.
        expected = p * loss.of_critic(score, zero) + q * loss.of_critic(zero, score)
        assert float(score[expected.argmin()]) == pytest.approx(KNOWN[name](p, q), abs=2e-4)

    def test_values_at_zero_and_one(self) -> None:
        zero, one = torch.zeros(1), torch.ones(1)
        known = {
            "non_saturating": (2 * math.log(2), math.log(2)),
            "least_squares": (0.5, 0.5),
            "hinge": (2.0, 0.0),
            "wasserstein": (0.0, 0.0),
        }
        for name, (critic, maker) in known.items():
            assert float(LOSSES[name].of_critic(zero, zero)) == pytest.approx(critic)
            assert float(LOSSES[name].of_generator(zero)) == pytest.approx(maker)
        assert float(LOSSES["wasserstein"].of_critic(3 * one, one)) == -2
        assert float(LOSSES["least_squares"].of_critic(one, zero)) == 0
        assert float(LOSSES["hinge"].of_critic(2 * one, -2 * one)) == 0

    @pytest.mark.parametrize("name", LOSSES)
    def test_generator_wants_a_larger_score_and_still_does_when_it_fails(self, name: str) -> None:
        score = torch.tensor([-8.0, 0.0], requires_grad=True)
        LOSSES[name].of_generator(score).sum().backward()
        assert score.grad is not None
        assert (score.grad < -0.4).all()

    @pytest.mark.parametrize("name", LOSSES)
    def test_losses_are_of_single_events(self, name: str) -> None:
        true, made = torch.randn(7), torch.randn(7)
        whole = LOSSES[name].of_critic(true, made)
        assert whole.shape == (7,)
        one = LOSSES[name].of_critic(true[2:3], made[2:3])
        assert torch.equal(whole[2:3], one)

    def test_unknown_is_named(self) -> None:
        with pytest.raises(HyperparameterError, match="loss 'saturating' is not one of non_saturating, least_squares"):
            adversarial_loss("saturating")


class TestGradientPenalty:
    @pytest.mark.parametrize("keeps", [True, False])
    def test_of_a_plane_is_known(self, keeps: bool) -> None:
        slope = torch.tensor([3.0, -4.0])
        with torch.set_grad_enabled(keeps):
            penalty = gradient_penalty(lambda x: x @ slope, torch.randn(9, 2), torch.randn(9, 2))
        assert torch.allclose(penalty, torch.full((9,), 16.0))
        assert not penalty.requires_grad

    def test_is_taken_between_the_events(self) -> None:
        """The slope of x²/2 is x: between 2 and 4, (x − 1)² is between 1 and 9, and uniform in x."""
        n = 20_000
        ends = torch.full((n, 1), 2.0), torch.full((n, 1), 4.0)
        penalty = gradient_penalty(lambda x: 0.5 * x.square().sum(1), *ends).detach()
        assert float(penalty.min()) == pytest.approx(1, abs=0.01)
        assert float(penalty.max()) == pytest.approx(9, abs=0.01)
        assert float(penalty.mean()) == pytest.approx((27 - 1) / 6, rel=0.02)

    def test_teaches_the_critic(self) -> None:
        weight = torch.tensor([0.6, 0.8], requires_grad=True)
        gradient_penalty(lambda x: 2 * x @ weight, torch.randn(5, 2), torch.randn(5, 2)).mean().backward()
        # d/dw (2|w| − 1)² = 2 (2|w| − 1) · 2 w/|w|, with |w| = 1.
        assert weight.grad is not None
        assert torch.allclose(weight.grad, torch.tensor([2.4, 3.2]), atol=1e-5)

    def test_of_a_constant_is_finite(self) -> None:
        weight = torch.zeros(3, 2, requires_grad=True)
        true, made = torch.randn(4, 3, 2), torch.randn(4, 3, 2)
        penalty = gradient_penalty(lambda x: (x * weight).sum(dim=(1, 2)), true, made)
        assert torch.allclose(penalty, torch.ones(4))
        penalty.sum().backward()
        assert weight.grad is not None
        assert torch.isfinite(weight.grad).all()


class TestSpectralNorm:
    def test_largest_singular_value_is_one(self) -> None:
        torch.manual_seed(1)
        network = spectrally_normed(nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 3), nn.LayerNorm(3)))
        for _ in range(200):
            network(torch.randn(4, 5))
        for layer in (network[0], network[2]):  # type: ignore[index]
            assert float(torch.linalg.svdvals(layer.weight.detach())[0]) == pytest.approx(1, abs=1e-4)

    def test_what_it_found_is_part_of_the_state_and_rests_in_evaluation(self) -> None:
        torch.manual_seed(1)
        network = spectrally_normed(nn.Sequential(nn.Linear(5, 20)))
        state = {key: value.clone() for key, value in network.state_dict().items()}
        assert any(key.endswith("_u") for key in state)
        network.eval()(torch.randn(4, 5))
        assert equal(state, dict(network.state_dict()))
        network.train()(torch.randn(4, 5))
        assert not equal(state, dict(network.state_dict()))


class TestDistance:
    @pytest.mark.parametrize("seed", [1, 2])
    def test_along_a_line_it_is_that_of_scipy(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        x, y, w = rng.normal(size=300), rng.normal(0.3, 1.5, 300), rng.uniform(0, 2, 300)
        ours = sliced_wasserstein(
            torch.tensor(x)[:, None], torch.tensor(y)[:, None], torch.tensor(w), torch.ones(1, 1).double()
        )
        assert float(ours) == pytest.approx(wasserstein_distance(x, y, w, w), rel=1e-9)

    def test_of_a_shift_is_its_mean_projection(self) -> None:
        torch.manual_seed(1)
        x = torch.randn(500, 2).double()
        directions = directions_of(2, 2_000, like=x)
        assert torch.allclose(directions.norm(dim=0), torch.ones(2_000).double())
        shifted = x + torch.tensor([3.0, 4.0])
        # The mean of |cos| over all angles is 2/π.
        distance = sliced_wasserstein(x, shifted, torch.ones(500).double(), directions)
        assert float(distance) == pytest.approx(5 * 2 / math.pi, rel=0.03)

    def test_of_the_same_is_nothing_with_negative_weights_too(self) -> None:
        x = torch.randn(100, 3)
        weights = torch.ones(100)
        weights[:20] = -0.5
        assert float(sliced_wasserstein(x, x.clone(), weights, directions_of(3, 8, like=x))) == pytest.approx(
            0, abs=1e-5
        )


def ring(n: int, seed: int) -> Tensor:
    """Eight narrow normal distributions on a circle, (n, 2)."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.randint(8, (n,), generator=generator) / 8
    return 1.4 * torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2, generator=generator)


def perceptron(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        *(nn.Linear(inputs, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, outputs))
    )


class Maker(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = perceptron(4, 2)

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        out: Tensor = self.network(torch.randn(len(x), 4))
        return out


class Critic(nn.Module):
    def __init__(self, *, normed: bool = False) -> None:
        super().__init__()
        self.network = perceptron(2, 1)
        if normed:
            spectrally_normed(self.network)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        out: Tensor = self.network(x)
        return out[:, 0]


def distance(model: nn.Module, held_out: Any) -> float:
    """Of what is made to what was held out."""
    assert isinstance(model, Adversaries)
    x, c = held_out.x, held_out.context
    return float(sliced_wasserstein(x, model.made_like(x, c), held_out.weights, directions_of(2, 32, like=x)))


def duel(
    steps: int, *, loss: str = "wasserstein", normed: bool = False, checkpoint: Path | None = None, **more: Any
) -> Trained:
    """A training of both on the ring."""
    torch.manual_seed(0)
    adversaries = Adversaries(Maker(), Critic(normed=normed))
    x = ring(4_000, seed=1)
    optimiser = Adam(learning_rate=2e-3, betas=(0.5, 0.9), schedule="constant", clip=None)
    phases = adversarial_phases(
        adversaries,
        LOSSES[loss],
        of_maker=optimiser,
        of_critic=optimiser,
        penalty=0.3 if loss == "wasserstein" and not normed else 0.0,
        critic_steps=3,
    )
    return train(
        adversaries,
        phases,
        TrainingData(x, torch.zeros(4_000, 0), torch.ones(4_000)),
        TrainingSettings(steps=steps, batch_size=128, ema_decay=0.98, validation_fraction=0.25),
        seed=1,
        rule=BestMetric(distance),
        keep=adversaries.maker,
        averaged=[adversaries.maker],
        checkpoint=checkpoint,
        **more,
    )


def shares(state: dict[str, Tensor]) -> Tensor:
    """How much of what a maker makes is within 0.3 of each of the eight centres."""
    maker = Maker()
    maker.load_state_dict(state)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(5)
        made = maker.made_like(torch.zeros(4_000, 2), torch.zeros(4_000, 0))
    angle = 2 * math.pi * torch.arange(8) / 8
    centres = 1.4 * torch.stack([angle.cos(), angle.sin()], 1)
    return ((made[:, None] - centres).norm(dim=2) < 0.3).float().mean(dim=0)


class TestRing:
    def test_all_modes_are_found_and_a_good_state_is_kept(self) -> None:
        trained = duel(400)
        start = duel(1)
        assert trained.states[0].keys() == Maker().state_dict().keys()
        found = shares(trained.states[0])
        # An eighth each if it were perfect; spread evenly over the disc it were 0.02.
        assert float(found.min()) > 0.035
        assert float(found.sum()) > 0.5
        assert trained.scores[0] < 0.3 * start.scores[0]
        # The epoch of the lowest loss of the critic is none of the good ones.
        by_loss = int(np.argmin(trained.losses["critic"].validation)) + 1
        assert by_loss < trained.best_epochs[0]

    @pytest.mark.parametrize(
        ("loss", "normed"),
        [("wasserstein", False), ("hinge", True), ("least_squares", False), ("non_saturating", True)],
    )
    def test_interrupted_is_uninterrupted(self, loss: str, normed: bool, tmp_path: Path) -> None:
        whole = duel(12, loss=loss, normed=normed)
        path = tmp_path / "state"
        with pytest.raises(InterruptionError):
            duel(12, loss=loss, normed=normed, checkpoint=path, monitor=stop_after(1))
        resumed = duel(12, loss=loss, normed=normed, checkpoint=path)
        assert equal(resumed.to_tree(), whole.to_tree())

    @pytest.mark.slow
    def test_a_longer_training_is_on_the_modes(self) -> None:
        found = shares(duel(6_000).states[0])
        assert float(found.min()) > 0.08
        assert float(found.sum()) > 0.85


def test_critic_has_a_gradient_of_itself_alone_and_the_maker_of_itself() -> None:
    adversaries = Adversaries(Maker(), Critic())
    optimiser = Adam()
    phases = adversarial_phases(
        adversaries, LOSSES["wasserstein"], of_maker=optimiser, of_critic=optimiser, penalty=1.0
    )
    assert [phase.name for phase in phases] == ["critic", "maker"]
    assert [phase.compile for phase in phases] == [False, True]
    everything = Everything(adversaries, phases)
    for phase, own in zip(phases, (adversaries.critic, adversaries.maker), strict=True):
        with everything.moving(phase):
            phase.objective(ring(8, seed=1), torch.zeros(8, 0)).sum().backward()
        moved = {id(p) for p in adversaries.parameters() if p.grad is not None}
        assert moved == {id(p) for p in own.parameters()}
        adversaries.zero_grad(set_to_none=True)


def test_weights_weigh_what_is_made_at_the_same_context_too() -> None:
    """An event of weight zero is none: neither its own term nor that of what is made in its place counts."""
    adversaries = Adversaries(Maker(), Critic())
    phase = adversarial_phases(adversaries, LOSSES["hinge"], of_maker=Adam(), of_critic=Adam())[0]
    x = ring(6, seed=1)
    losses = []
    for wild in (0.0, 1e3):
        torch.manual_seed(1)
        rows = torch.cat([x[:5], x[5:] + wild])
        losses.append((phase.objective(rows, torch.zeros(6, 0)) * torch.tensor([1.0] * 5 + [0.0])).sum())
    assert torch.equal(*losses)


def test_slope_penalty_is_half_of_the_square_and_moves_the_critic() -> None:
    """Of a score that is linear in every image the slope is its vector, whatever the event."""
    torch.manual_seed(1)
    weight = torch.randn(2, 3, requires_grad=True)
    with torch.no_grad():
        x = torch.randn(5, 4, 2, 3)
    penalty = slope_penalty(lambda images: (images * weight).sum(dim=(2, 3)), x)
    torch.testing.assert_close(penalty, (weight.square().sum() / 2).expand(5))
    penalty.mean().backward()
    torch.testing.assert_close(weight.grad, weight.detach())


def test_slope_penalty_goes_through_attention() -> None:
    block = Relations(4, 2)
    penalty = slope_penalty(lambda images: block(images.flatten(2)).sum(dim=2), torch.randn(3, 5, 2, 2))
    penalty.mean().backward()
    assert float(block.ask.weight.grad.abs().max()) > 0  # type: ignore[union-attr]
