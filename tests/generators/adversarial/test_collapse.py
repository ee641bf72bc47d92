"""Signs of collapse: their values where they are known, and toys that do and do not collapse."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from generators.adversarial.collapse import PERSISTENT, Signs, Watch, signs
from generators.adversarial.losses import LOSSES
from generators.adversarial.phases import Adversaries, adversarial_phases
from generators.tabular.gan import Critic, Maker, Nearness
from generators.training.batches import TrainingData
from generators.training.loop import train
from generators.training.optimisers import Adam
from generators.training.rules import BestMetric
from generators.training.settings import TrainingSettings


def test_values_where_they_are_known() -> None:
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(1))
    found = signs(x, 0.01 * x, torch.full((400,), 2.0), torch.full((400,), 2.0))
    assert found.closeness == pytest.approx(0.01, rel=1e-6)
    assert found.flatness == 0
    assert found.certainty == 0.5
    assert found.of_generator
    assert found.of_critic


def test_certainty_is_the_area_under_the_curve() -> None:
    rng = np.random.default_rng(2)
    true, made = torch.tensor(rng.normal(1, 1, 300)), torch.tensor(rng.normal(0, 1, 200))
    pairs = (true[:, None] > made[None]).double().mean()
    assert signs(torch.randn(9, 2), torch.randn(9, 2), true, made).certainty == pytest.approx(float(pairs), abs=1e-12)


def test_only_what_persists_is_said_and_once(caplog: pytest.LogCaptureFixture) -> None:
    watch, bad, good = Watch("toy"), Signs(0.01, 1.0, 0.6), Signs(0.8, 1.0, 0.6)
    for _ in range(PERSISTENT - 1):
        watch.look(bad)
    watch.look(good)
    for _ in range(PERSISTENT - 1):
        watch.look(bad)
    assert not caplog.records
    for _ in range(3):
        watch.look(bad)
    assert len(caplog.records) == 1
    assert "toy: the generator has collapsed" in caplog.text


class Valley(nn.Module):
    """A critic that likes one place best, and hardly learns."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return -(x - self.place).square().sum(dim=1)


def trained(critic: nn.Module, x: Tensor, *, of_maker: float, of_critic: float) -> None:
    maker = Maker(2, 0, 2, hidden=16, layers=1)
    rates = (Adam(learning_rate=rate, schedule="constant", betas=(0.5, 0.9)) for rate in (of_maker, of_critic))
    both = Adversaries(maker, critic)
    phases = adversarial_phases(both, LOSSES["non_saturating"], of_maker=next(rates), of_critic=next(rates))
    settings = TrainingSettings(epochs=32, batch_size=64)
    data = TrainingData(x, torch.zeros(len(x), 0), torch.ones(len(x)))
    train(both, phases, data, settings, seed=1, rule=BestMetric(Nearness(Watch("toy"))), keep=maker)


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(600, 2)


def test_a_generator_that_runs_to_one_place_is_warned_of(x: Tensor, caplog: pytest.LogCaptureFixture) -> None:
    trained(Valley(), x, of_maker=2e-2, of_critic=1e-7)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "the generator has collapsed" in caplog.text


def test_a_critic_that_is_never_wrong_is_warned_of(x: Tensor, caplog: pytest.LogCaptureFixture) -> None:
    trained(Critic(2, 0, hidden=16, layers=1), x + 20, of_maker=1e-7, of_critic=1e-2)
    assert "the critic has collapsed" in caplog.text
    assert "right about 100.00 %" in caplog.text


def test_a_critic_that_says_the_same_of_all_is_warned_of(x: Tensor, caplog: pytest.LogCaptureFixture) -> None:
    critic = Critic(2, 0, hidden=16, layers=1)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.zero_()
    trained(critic, x, of_maker=1e-4, of_critic=1e-12)
    assert "the critic has collapsed" in caplog.text
    assert "differ by" in caplog.text


def test_a_training_that_goes_well_is_not(x: Tensor, caplog: pytest.LogCaptureFixture) -> None:
    trained(Critic(2, 0, hidden=16, layers=1), x, of_maker=3e-3, of_critic=3e-3)
    assert not caplog.records
