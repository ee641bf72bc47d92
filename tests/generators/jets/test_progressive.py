"""Progressive distillation: what a step is, what a student has to do, and that it follows its teacher."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from generators.continuous.progressive import turned
from generators.errors import HyperparameterError
from generators.jets.base import PT
from generators.jets.progressive import HalvingLoss, ProgressiveSampler
from generators.registry import create
from tests.generators.contracts import EventContract
from tests.generators.test_clouds import POINTS, clouds, counts

_EPIC = {"hidden": 32, "layers": 2, "latent": 8, "frequencies": 4}
SPECIFICATION: dict[str, Any] = {
    "kind": "cloud_progressive",
    "teacher": {
        "kind": "epic_fm",
        **_EPIC,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 6e-3, "ema_decay": 0.95},
    },
    "first_steps": 4,
    "training": {"steps": 60, "batch_size": 256, "learning_rate": 3e-3, "ema_decay": 0.9},
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*clouds(3_000, seed=10), seed=1)


class TestClouds(EventContract):
    shape = (POINTS, 3)
    fitted_on = 3_000
    events = staticmethod(clouds)

    def test_one_step_follows_the_context_and_moves_constituents_together(self, fitted: Any) -> None:
        _, c = clouds(3_000, seed=30)
        c[:, 0] = np.where(c[:, 0] < 3, 2.1, 3.9)
        drawn = fitted.sample(c, seed=5)
        for at in (2.1, 3.9):
            part = drawn[c[:, 0] == at]
            assert np.log(part[part[..., PT] > 0][:, PT]).mean() == pytest.approx(-1 - 0.5 * at, abs=0.12)
        pairs = drawn[counts(drawn) >= 2][:, :2, 0]
        assert np.corrcoef(pairs.T)[0, 1] > 0.7


def sampler(steps: int) -> ProgressiveSampler:
    torch.manual_seed(1)
    teacher = create({"kind": "epic_fm", **_EPIC, "multiplicity": 1})
    network = ProgressiveSampler(teacher.build((POINTS, 3), 2), steps)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def test_a_student_is_asked_for_the_velocity_that_ends_where_two_half_steps_do() -> None:
    """A teacher of constant velocity turns twice by half: the student that is told to go there in one has no loss."""
    network, constant = sampler(1), torch.tensor([0.5, -1.0, 2.0])
    turn = network.last - network.first
    noise = torch.randn(5, POINTS, 3)
    middle = turned(noise, constant, 0.5 * turn)
    end = turned(middle, constant, 0.5 * turn)
    wanted = (end - math.cos(turn) * noise) / math.sin(turn)
    torch.testing.assert_close(turned(noise, wanted, turn), end)
    # The same from the loss: it is the mean square of what a student of zero velocity lacks.
    teacher, student = _Constant(constant), _Constant(torch.zeros(3))
    network.network = student
    loss = HalvingLoss(network, teacher, 1)
    n = torch.full((5,), POINTS)
    torch.manual_seed(4)
    found = loss(torch.zeros(5, POINTS, 3), torch.cat([torch.zeros(5, 2), n[:, None].float()], dim=1))
    torch.manual_seed(4)
    own = math.cos(network.first) * torch.randn(5, POINTS, 3)
    end = turned(turned(own, constant, 0.5 * turn), constant, 0.5 * turn)
    lacking = (end - math.cos(turn) * own) / math.sin(turn)
    torch.testing.assert_close(found, lacking.square().flatten(1).mean(dim=1), atol=1e-5, rtol=1e-4)


class _Constant(torch.nn.Module):
    """A field that is the same everywhere."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(value)

    def forward(self, x: torch.Tensor, t: torch.Tensor, c: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.value.expand_as(x) * mask[..., None]


def test_sampling_takes_the_steps_that_the_loss_compares() -> None:
    network = sampler(2)
    noise, n, c, mask = torch.randn(5, POINTS, 3), torch.full((5,), POINTS), torch.zeros(5, 2), torch.ones(5, POINTS)
    half = 0.5 * (network.last - network.first)
    field = network.field(network.network, c, mask.bool())
    with torch.no_grad():
        middle = turned(noise, field(noise, torch.tensor(network.first)), half)
        end = turned(middle, field(middle, torch.tensor(network.first + half)), half)
        torch.testing.assert_close(network.transport(noise, n, c), end, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("wrong", [{"first_steps": 6}, {"sampling_steps": 0}, {"first_steps": 1, "sampling_steps": 2}])
def test_steps_are_halved(wrong: dict[str, int]) -> None:
    with pytest.raises(HyperparameterError, match="power of two"):
        create({"kind": "cloud_progressive", **wrong})


def test_a_teacher_that_is_no_flow_in_time() -> None:
    with pytest.raises(HyperparameterError, match="'mpgan' is no flow in time"):
        create({"kind": "cloud_progressive", "teacher": {"kind": "mpgan"}})
