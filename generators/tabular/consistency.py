"""Consistency models of feature vectors: samples in one step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.conditional_network import ConditionalNetwork
from generators.continuous.consistency import along_teacher, consistency_loss, jump
from generators.continuous.objectives import stratified
from generators.continuous.velocities import AngularVelocity, mix
from generators.distillation import Distillation
from generators.objective import Objective
from generators.registry import register
from generators.tabular.base import NoiseSampler, TabularGenerator
from generators.tabular.continuous import TEACHERS, ContinuousDensity, FlowInTime, by_rows
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class Consistency(Distillation["ConsistencySampler"], TabularGenerator["ConsistencySampler"]):
    """Feature vectors in one step: a flow matching or a diffusion, distilled (see `Distillation`). No density."""

    kind: ClassVar[str] = "consistency"
    teachers: ClassVar[tuple[type[Any], ...]] = (FlowInTime,)
    teachers_named: ClassVar[str] = TEACHERS

    teacher: dict[str, Any] = field(default_factory=lambda: {"kind": "flow_matching"})
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=2000, batch_size=2048, learning_rate=4e-3, weight_decay=0.0, ema_decay=0.99
        )
    )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConsistencySampler:
        return ConsistencySampler(self.inner.build(shape, context), self.stages, self.sampling_steps)

    @override
    def prepared_teacher(self) -> Any:
        """There is nothing that it would not know."""
        return self.inner

    @override
    def distillation_loss(self, student: ConsistencySampler, teacher: Any) -> nn.Module:
        student.network.load_state_dict(teacher.network.state_dict())
        return ConsistencyLoss(student, teacher, self.teacher_steps)


class ConsistencySampler(NoiseSampler, ConditionalNetwork):
    """The network of `Consistency` with its sampler, made from that of its teacher."""

    tolerates_bfloat16 = True

    def __init__(self, inner: ContinuousDensity, stages: int, steps: int) -> None:
        super().__init__()
        self.network: nn.Module = inner.network
        self.time_embedding, self.features = inner.time_embedding, inner.features
        self.rows_at_once = inner.rows_at_once
        ends = inner.schedule.angle(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
        self.first, self.last = ends
        self.stages, self.steps = stages, steps
        if steps > 1:
            # Fresh noise for every step.
            self.random_numbers = (steps, inner.features)

    def field(self, c: Tensor) -> AngularVelocity:
        """The field given c (N, C)."""
        network: Any = self.network
        return AngularVelocity(network, c, self.time_embedding)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        angles = torch.linspace(self.first, self.last, self.steps + 1, dtype=torch.float64, device=c.device)

        def part(c: Tensor, *noises: Tensor) -> Tensor:
            field, z = self.field(c), torch.zeros_like(noises[0])
            for angle, noise in zip(angles.to(c.dtype), noises, strict=False):
                z = jump(field, mix(noise, z, angle)[0], angle)
            return z

        own = noise.to(c.dtype)
        return by_rows(part, c, *([own] if self.steps == 1 else own.unbind(dim=1)), rows=self.rows_at_once)


class ConsistencyLoss(Objective[ConsistencySampler]):
    """The loss of a student along the ways of a teacher, which does not change."""

    def __init__(self, network: ConsistencySampler, teacher: ContinuousDensity, steps: int) -> None:
        super().__init__(network)
        self.teacher, self.steps = teacher.eval().requires_grad_(False), steps

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        student, noise = self.network, torch.randn_like(z)
        advance = along_teacher(self.teacher.field(c), self.steps)
        turn = (student.last - student.first) / student.stages
        now = student.first + (student.last - student.first) * stratified(z)
        then = (now + turn).clamp_max(student.last)
        x, _ = mix(noise, z, now)
        return consistency_loss(student.field(c), advance, x, now, then)
