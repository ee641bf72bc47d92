"""Training events, noised a part of the way and denoised at another context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.bijections.base import uniform
from generators.conditional_network import device_of
from generators.continuous.velocities import ScheduleVelocity
from generators.errors import HyperparameterError
from generators.protocols import Array
from generators.tabular.base import TabularGenerator
from generators.tabular.continuous import ContinuousDensity, by_rows
from generators.tabular.event_mixing import EventMixing
from generators.training.acceleration import standard_normal


@dataclass(frozen=True, eq=False)
class PartialDiffusion:
    """Events near a mass, noised up to a time and denoised at that mass (Drapes, Sengupta et al., 2312.10130).

    `generator` is a fitted flow along a velocity, `events` those that are chosen from, and `start` the share of the
    way to pure noise: 1 generates from nothing, and towards 0 events come back as they were.
    """

    generator: TabularGenerator[Any]
    events: EventMixing
    start: float = field(default=0.5)

    def __post_init__(self) -> None:
        if not 0 < self.start <= 1:
            raise HyperparameterError(f"start = {self.start} of a partial diffusion must lie above 0 and up to 1.")
        if not all(isinstance(network, ContinuousDensity) for network in self.generator.networks_):
            raise HyperparameterError(
                f"'{self.generator.kind}' has no velocity that could be followed from in between; take "
                "flow_matching or diffusion."
            )

    def sample(self, context: Array, *, seed: int) -> NDArray[np.float32]:
        """One event per mass: (T, 1) -> (T, D)."""
        chosen = self.origins(context, seed=seed)
        x, mass = self.events.events_[chosen], self.events.bracketing_.mass[chosen, None]
        return self.denoised(x, mass, context, seed=seed)

    def origins(self, context: Array, *, seed: int) -> NDArray[np.int64]:
        """Which event `sample` noises with this seed: (T, 1) -> (T,)."""
        return self.events.origins(context, seed=seed)

    def denoised(self, x: Array, start: Array, end: Array, *, seed: int) -> NDArray[np.float32]:
        """Events x (N, D) of contexts `start` (N, C), noised and then denoised at `end` (N, C): (N, D)."""
        generator, network = self.generator, self.generator.networks_[0]
        (raw_start, _), (raw_end, c) = generator._context(start), generator._context(end)
        rows = torch.as_tensor(np.asarray(x, np.float64))
        spread = uniform(rows) if generator.bijection_.discrete_columns else None
        with torch.no_grad():
            z, _ = generator.bijection_.forward(rows, raw_start, spread)
            device = device_of(network)
            noise = standard_normal(z.shape, torch.Generator().manual_seed(seed), device, torch.float64)
            moved = by_rows(self._denoise(network), z.to(device, c.dtype), noise.to(device, c.dtype), c.to(device))
            out = generator.bijection_.inverse(moved.double().cpu(), raw_end)
        denoised: NDArray[np.float32] = out.float().numpy()
        return denoised

    def _denoise(self, network: ContinuousDensity) -> Any:
        """What the flow makes of data and noise that are mixed as at the time of the start."""
        time, last = 1 - self.start, network.schedule.ends[1]

        def part(z: Tensor, noise: Tensor, c: Tensor) -> Tensor:
            mixed, _ = network.schedule.point(noise, z * last, torch.tensor(time, dtype=z.dtype))
            velocity = ScheduleVelocity(network.field(c), network.schedule)
            return network.sampling_solver(velocity, mixed, start=time, end=1.0) / last

        return part
