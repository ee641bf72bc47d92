"""Progressive distillation: one step for two (Salimans & Ho, 2202.00512), in angles.

In angles, x = sin φ data + cos φ noise and F = dx/dφ: by Δφ a point goes to cos Δφ x + sin Δφ F, which is DDIM.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from generators.continuous.velocities import AngularVelocity


def turned(x: Tensor, velocity: Tensor, turn: float) -> Tensor:
    """Points x (N, *event) of a given velocity dx/dφ after a turn by Δφ."""
    return math.cos(turn) * x + math.sin(turn) * velocity


def velocity_for_both(teacher: AngularVelocity, x: Tensor, angle: Tensor, turn: float) -> Tensor:
    """The velocity (N, *event) that brings x at angles (N,) as far in one turn as the teacher in two half ones."""
    with torch.no_grad():
        middle = turned(x, teacher(x, angle), 0.5 * turn)
        end = turned(middle, teacher(middle, angle + 0.5 * turn), 0.5 * turn)
        return (end - math.cos(turn) * x) / math.sin(turn)
