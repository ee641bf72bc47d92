"""Progressive distillation of feature vectors: half as many steps, again and again (Salimans & Ho, 2202.00512)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.conditional_network import ConditionalNetwork
from generators.continuous.objectives import stratified
from generators.continuous.progressive import turned, velocity_for_both
from generators.continuous.velocities import AngularVelocity, mix
from generators.distillation import Halving
from generators.objective import Objective
from generators.registry import register
from generators.tabular.base import NoiseSampler, TabularGenerator
from generators.tabular.continuous import TEACHERS, ContinuousDensity, FlowInTime, by_rows
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class Progressive(Halving["HalvedSampler"], TabularGenerator["HalvedSampler"]):
    """Feature vectors in one step, by halving those of a flow matching or a diffusion (see `Halving`). No density."""

    kind: ClassVar[str] = "progressive"
    teachers: ClassVar[tuple[type[Any], ...]] = (FlowInTime,)
    teachers_named: ClassVar[str] = TEACHERS

    teacher: dict[str, Any] = field(default_factory=lambda: {"kind": "diffusion"})
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=1000, batch_size=2048, learning_rate=2e-3, weight_decay=0.0, ema_decay=0.99
        )
    )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> HalvedSampler:
        return HalvedSampler(self.inner.build(shape, context), self.sampling_steps)

    @override
    def prepared_teacher(self) -> Any:
        """There is nothing that it would not know."""
        return self.inner

    @override
    def student(self, flow: ContinuousDensity, steps: int) -> HalvedSampler:
        return HalvedSampler(flow, steps)

    @override
    def halving_loss(self, student: HalvedSampler, teacher: nn.Module, steps: int) -> nn.Module:
        return HalvingLoss(student, teacher, steps)


class HalvedSampler(NoiseSampler, ConditionalNetwork):
    """The network of a flow, sampled in so many equal angles."""

    tolerates_bfloat16 = True

    def __init__(self, inner: ContinuousDensity, steps: int) -> None:
        super().__init__()
        self.network: nn.Module = inner.network
        self.time_embedding, self.features, self.steps = inner.time_embedding, inner.features, steps
        self.rows_at_once = inner.rows_at_once
        self.first, self.last = inner.schedule.angle(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()

    def field(self, network: Any, c: Tensor) -> AngularVelocity:
        """The field of a network given c (N, C)."""
        return AngularVelocity(network, c, self.time_embedding)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        turn = (self.last - self.first) / self.steps

        def part(x: Tensor, c: Tensor) -> Tensor:
            field = self.field(self.network, c)
            for step in range(self.steps):
                angle = torch.tensor(self.first + step * turn, dtype=torch.float64, device=x.device)
                x = turned(x, field(x, angle), turn)
            return x

        return by_rows(part, noise.to(c.dtype), c, rows=self.rows_at_once)


class HalvingLoss(Objective[HalvedSampler]):
    """How far a step of a student ends from two half steps of its teacher, in units of the velocity that it needs."""

    def __init__(self, network: HalvedSampler, teacher: nn.Module, steps: int) -> None:
        super().__init__(network)
        self.teacher, self.steps = teacher.eval().requires_grad_(False), steps

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        student, turn = self.network, (self.network.last - self.network.first) / self.steps
        now = student.first + (self.steps * stratified(z)).floor().clamp_max(self.steps - 1) * turn
        x, _ = mix(torch.randn_like(z), z, now)
        wanted = velocity_for_both(student.field(self.teacher, c), x, now, turn)
        return (student.field(student.network, c)(x, now) - wanted).square().mean(dim=1)
