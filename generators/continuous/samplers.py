"""Samplers of diffusion: from noise to data by a denoiser, in coordinates where the data keep their size.

In y = x / α = data + σ noise every schedule is a list of falling noise levels σ, and every sampler serves all of them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.continuous.schedules import Schedule

#: The expected data given y (N, *event) at a noise level σ.
Denoiser = Callable[[Tensor, float], Tensor]


def noise_levels(schedule: Schedule, steps: int) -> list[float]:
    """σ/α at `steps` equal distances of the schedule's time, and 0: the levels of so many steps."""
    signal, noise = schedule.alpha_sigma(torch.linspace(0, 1, steps, dtype=torch.float64))
    return [*(noise / signal).tolist(), 0.0]


@dataclass(frozen=True)
class Memory:
    """What the step before found: the expected data and its level."""

    denoised: Tensor
    level: float


class Sampler(ABC):
    """Carries noise along falling levels; a new sampler fills `step`, and is `noisy` if that takes fresh noise."""

    noisy: ClassVar[bool] = False

    @abstractmethod
    def step(
        self, denoiser: Denoiser, y: Tensor, now: float, then: float, last: Memory | None, noise: Iterator[Tensor]
    ) -> tuple[Tensor, Memory | None]:
        """From y (N, *event) at level `now` to the level `then`, and what the next step should know."""

    def __call__(self, denoiser: Denoiser, y: Tensor, levels: Sequence[float], noise: Iterator[Tensor]) -> Tensor:
        """Events (N, *event) from y at the first level; a noisy sampler takes normal `noise` of that shape per step."""
        memory: Memory | None = None
        for now, then in pairwise(levels):
            y, memory = self.step(denoiser, y, now, then, memory, noise)
        return y


class Euler(Sampler):
    """The probability flow in steps of order 1, which is DDIM (Song et al., 2010.02502) without noise."""

    @override
    def step(
        self, denoiser: Denoiser, y: Tensor, now: float, then: float, last: Memory | None, noise: Iterator[Tensor]
    ) -> tuple[Tensor, Memory | None]:
        return torch.lerp(denoiser(y, now), y, then / now), None


class Heun(Sampler):
    """The probability flow in steps of order 2 with two evaluations (EDM: Karras et al., 2206.00364, algorithm 1)."""

    @override
    def step(
        self, denoiser: Denoiser, y: Tensor, now: float, then: float, last: Memory | None, noise: Iterator[Tensor]
    ) -> tuple[Tensor, Memory | None]:
        return _heun(denoiser, y, now, then), None


class DPMPlusPlus2M(Sampler):
    """The probability flow in exponential steps of order 2 with one evaluation (Lu et al., 2211.01095)."""

    @override
    def step(
        self, denoiser: Denoiser, y: Tensor, now: float, then: float, last: Memory | None, noise: Iterator[Tensor]
    ) -> tuple[Tensor, Memory | None]:
        denoised = denoiser(y, now)
        target = denoised
        # The last step, to no noise at all, is infinitely long in ln σ and can not be extrapolated to.
        if last is not None and then > 0:
            ratio = math.log(last.level / now) / math.log(now / then)
            target = torch.lerp(last.denoised, denoised, 1 + 0.5 / ratio)
        return torch.lerp(target, y, then / now), Memory(denoised, now)


@dataclass(frozen=True)
class StochasticHeun(Sampler):
    """Heun's steps with fresh noise before each (EDM: Karras et al., 2206.00364, algorithm 2).

    `churn` is the share by which the level is raised before a step, at most √2 − 1.
    """

    noisy: ClassVar[bool] = True

    churn: float = 0.2

    @override
    def step(
        self, denoiser: Denoiser, y: Tensor, now: float, then: float, last: Memory | None, noise: Iterator[Tensor]
    ) -> tuple[Tensor, Memory | None]:
        raised = now * (1 + self.churn)
        y = torch.add(y, next(noise), alpha=math.sqrt(raised**2 - now**2))
        return _heun(denoiser, y, raised, then), None


class Ancestral(Sampler):
    """The reverse diffusion with the noise of its exact posterior (DDPM: Ho et al., 2006.11239)."""

    noisy: ClassVar[bool] = True

    @override
    def step(
        self, denoiser: Denoiser, y: Tensor, now: float, then: float, last: Memory | None, noise: Iterator[Tensor]
    ) -> tuple[Tensor, Memory | None]:
        kept = (then / now) ** 2
        y = torch.lerp(denoiser(y, now), y, kept)
        if then == 0:
            return y, None
        return torch.add(y, next(noise), alpha=then * math.sqrt(1 - kept)), None


SAMPLERS: dict[str, type[Sampler]] = {
    "euler": Euler,
    "heun": Heun,
    "dpm++2m": DPMPlusPlus2M,
    "stochastic_heun": StochasticHeun,
    "ancestral": Ancestral,
}


def _heun(denoiser: Denoiser, y: Tensor, now: float, then: float) -> Tensor:
    slope = (y - denoiser(y, now)) / now
    ahead = torch.add(y, slope, alpha=then - now)
    if then == 0:
        return ahead
    return torch.add(y, slope + (ahead - denoiser(ahead, then)) / then, alpha=0.5 * (then - now))
