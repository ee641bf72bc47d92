"""Fixed-step solvers of dx/dt = v(x, t)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
Step = Callable[[Velocity, Tensor, float, float], Tensor]


def euler(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """One step of order 1."""
    return x + h * velocity(x, t)


def midpoint(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """One step of order 2 with two evaluations."""
    return x + h * velocity(x + 0.5 * h * velocity(x, t), t + 0.5 * h)


def heun(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """One step of order 2 with two evaluations (trapezoid)."""
    first = velocity(x, t)
    return x + 0.5 * h * (first + velocity(x + h * first, t + h))


def rk4(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """One classical Runge-Kutta step of order 4 with four evaluations."""
    k1 = velocity(x, t)
    k2 = velocity(x + 0.5 * h * k1, t + 0.5 * h)
    k3 = velocity(x + 0.5 * h * k2, t + 0.5 * h)
    k4 = velocity(x + h * k3, t + h)
    return x + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)


STEPS: dict[str, Step] = {"euler": euler, "midpoint": midpoint, "heun": heun, "rk4": rk4}


def integrate(velocity: Velocity, x: Tensor, *, start: float, end: float, steps: int, step: Step) -> Tensor:
    """Carry x (N, D) from time `start` to `end` in equal steps."""
    h = (end - start) / steps
    for i in range(steps):
        x = step(velocity, x, start + i * h, h)
    return x
