"""Solvers of dx/dt = v(x, t) for x of any shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from typing_extensions import override

from generators.errors import ExportError, HyperparameterError, MissingExtraError
from generators.recording import recording

Velocity = Callable[[Tensor, float], Tensor]
Step = Callable[[Velocity, Tensor, float, float], Tensor]


def euler(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """One step of order 1."""
    return torch.add(x, velocity(x, t), alpha=h)


def midpoint(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """One step of order 2 with two evaluations."""
    middle = torch.add(x, velocity(x, t), alpha=0.5 * h)
    return torch.add(x, velocity(middle, t + 0.5 * h), alpha=h)


def heun(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """One step of order 2 with two evaluations (trapezoid)."""
    first = velocity(x, t)
    return torch.add(x, first + velocity(torch.add(x, first, alpha=h), t + h), alpha=0.5 * h)


def rk4(velocity: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """One classical Runge-Kutta step of order 4 with four evaluations."""
    k1 = velocity(x, t)
    k2 = velocity(torch.add(x, k1, alpha=0.5 * h), t + 0.5 * h)
    k3 = velocity(torch.add(x, k2, alpha=0.5 * h), t + 0.5 * h)
    k4 = velocity(torch.add(x, k3, alpha=h), t + h)
    return torch.add(x, k1 + 2 * (k2 + k3) + k4, alpha=h / 6)


STEPS: dict[str, Step] = {"euler": euler, "midpoint": midpoint, "heun": heun, "rk4": rk4}

#: Solvers that choose their steps themselves.
ADAPTIVE = ("dopri5",)

SOLVERS = (*STEPS, *ADAPTIVE)


class Solver(Protocol):
    """Carries a state along a velocity field."""

    def __call__(self, velocity: Velocity, x: Tensor, *, start: float, end: float) -> Tensor:
        """The state at time `end` of what is x at time `start`."""
        ...


@dataclass(frozen=True)
class FixedSteps(Solver):
    """Equal steps of one kind."""

    step: Step
    steps: int

    @override
    def __call__(self, velocity: Velocity, x: Tensor, *, start: float, end: float) -> Tensor:
        h = (end - start) / self.steps
        for i in range(self.steps):
            x = self.step(velocity, x, start + i * h, h)
        return x


@dataclass(frozen=True)
class Adaptive(Solver):
    """Steps chosen by torchdiffeq so that the error per step stays below `tolerance`, absolute and relative.

    The error is a mean over the rows that are carried together, so a row depends a little on its company.
    """

    method: str
    tolerance: float

    @override
    def __call__(self, velocity: Velocity, x: Tensor, *, start: float, end: float) -> Tensor:
        if recording():
            raise ExportError(f"solver '{self.method}' chooses its steps by the events, {', '.join(STEPS)} would not")
        if not len(x):
            return x
        # Times in double precision, because steps may become shorter than single precision can add.
        times = torch.tensor([start, end], dtype=torch.float64, device=x.device)
        states: Tensor = _torchdiffeq().odeint(
            lambda t, state: velocity(state, float(t)),
            x,
            times,
            rtol=self.tolerance,
            atol=self.tolerance,
            method=self.method,
        )
        return states[-1]


def solver(name: str, *, steps: int, tolerance: float) -> Solver:
    """The solver of that name; `steps` is for the fixed ones, `tolerance` for the adaptive ones.

    Raises
    ------
    HyperparameterError
        If the name is unknown.
    MissingExtraError
        If it needs torchdiffeq, which is not installed.
    """
    if name in STEPS:
        return FixedSteps(STEPS[name], steps)
    if name not in ADAPTIVE:
        raise HyperparameterError(f"solver '{name}' is not one of {', '.join(SOLVERS)}.")
    _torchdiffeq()
    return Adaptive(name, tolerance)


def _torchdiffeq() -> Any:
    try:
        import torchdiffeq
    except ImportError as error:
        raise MissingExtraError(
            f"The solvers {', '.join(ADAPTIVE)} need torchdiffeq, which is not installed: "
            f"pip install 'cathode-hep[flows]', or use one of {', '.join(STEPS)}."
        ) from error
    return torchdiffeq
