"""Consistency: one step from any point of the way to its end (Song et al., 2303.01469), in angles.

The step of a field F is f(x, φ) = sin φ x + cos φ F(x, φ), which leaves data where they are, as it must. With the field
of flow matching or diffusion f is the expected data; with a consistent one it is the end of the path through x.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from generators.continuous.schedules import rowwise
from generators.continuous.velocities import AngularVelocity, mix

#: Carries points x (N, *event) from angles (N,) to later angles (N,).
Advance = Callable[[Tensor, Tensor, Tensor], Tensor]


def jump(field: AngularVelocity, x: Tensor, angle: Tensor) -> Tensor:
    """f(x, φ) for x (N, *event) and angles (N,) or ()."""
    sin, cos = rowwise(torch.sin(angle), x), rowwise(torch.cos(angle), x)
    return sin * x + cos * field(x, angle)


def along_teacher(teacher: AngularVelocity, steps: int) -> Advance:
    """So many steps of the midpoint method along the flow of a trained field: consistency distillation."""

    def advance(x: Tensor, now: Tensor, then: Tensor) -> Tensor:
        turn = (then - now) / steps
        for _ in range(steps):
            middle = x + rowwise(0.5 * turn, x) * teacher(x, now)
            x = x + rowwise(turn, x) * teacher(middle, now + 0.5 * turn)
            now = now + turn
        return x

    return advance


def towards(noise: Tensor, data: Tensor) -> Advance:
    """The path between a pair of noise and data, which is the flow on average: consistency training."""
    return lambda x, now, then: mix(noise, data, then)[0]


def consistency_loss(student: AngularVelocity, advance: Advance, x: Tensor, now: Tensor, then: Tensor) -> Tensor:
    """Mean square difference, (N,), of the steps from two points x (N, *event) of one way, at angles (N,).

    The step from the later point is the target: no gradient goes through it.
    """
    with torch.no_grad():
        target = jump(student, advance(x, now, then), then)
    return (jump(student, x, now) - target).square().flatten(1).mean(dim=1)
