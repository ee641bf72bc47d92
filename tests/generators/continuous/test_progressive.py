"""Steps in angles: exact for one pair of noise and data, and one for two."""

from __future__ import annotations

import math
from typing import Any

import torch

from generators.continuous.progressive import turned, velocity_for_both
from generators.continuous.velocities import AngularVelocity


def test_a_turn_is_exact_where_the_velocity_is_that_of_one_pair() -> None:
    noise, data = torch.randn(2, 7, 3).double()
    x, rate = math.sin(0.3) * data + math.cos(0.3) * noise, math.cos(0.3) * data - math.sin(0.3) * noise
    torch.testing.assert_close(turned(x, rate, math.pi / 2 - 0.3), data)


def test_the_velocity_for_two_steps_ends_where_they_do() -> None:
    network: Any = lambda x, t, c: x.square() + t[:, None]  # noqa: E731
    x, angle, teacher = torch.randn(5, 2).double(), torch.rand(5).double(), AngularVelocity(network, torch.zeros(5, 0))
    wanted = velocity_for_both(teacher, x, angle, 0.2)
    middle = turned(x, teacher(x, angle), 0.1)
    torch.testing.assert_close(turned(x, wanted, 0.2), turned(middle, teacher(middle, angle + 0.1), 0.1))
