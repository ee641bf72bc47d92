"""Consistency models of clouds: jets in one step or a few."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.conditional_network import WithStatistics
from generators.continuous.consistency import along_teacher, consistency_loss, jump
from generators.continuous.objectives import stratified
from generators.continuous.velocities import AngularVelocity, mix
from generators.distillation import Distillation
from generators.jets.base import CloudGenerator, CloudNetwork
from generators.jets.diffusion import CloudDiffusion
from generators.jets.flow import CloudFlow, Masked
from generators.jets.flow_matching import CloudFlowMatching
from generators.jets.lengths import by_length, prefix_mask
from generators.jets.training_range import TrainingRange
from generators.networks.split_linear import weights_once
from generators.objective import Objective
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class CloudConsistency(Distillation["CloudConsistencySampler"], CloudGenerator["CloudConsistencySampler"]):
    """Clouds in few steps: any flow matching or diffusion of clouds, distilled (see `Distillation`). No density.

    `multiplicity` is that of the student and of its teacher. See `TrainingRange` for what noise that is put
    back does without it.
    """

    kind: ClassVar[str] = "cloud_consistency"
    teachers: ClassVar[tuple[type[Any], ...]] = (CloudFlowMatching, CloudDiffusion)
    teachers_named: ClassVar[str] = "'epic_fm', 'mdma_fm', 'epic_jedi', 'pc_jedi' or 'calo_clouds_2'"

    teacher: dict[str, Any] = field(default_factory=lambda: {"kind": "epic_fm"})
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=5_000, batch_size=512, learning_rate=1e-3, weight_decay=0.0, clip=0.5, ema_decay=0.999
        )
    )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudConsistencySampler:
        return CloudConsistencySampler(self.prepared_teacher().build(shape, context), self.stages, self.sampling_steps)

    @override
    def prepared_teacher(self) -> Any:
        """Where the numbers of points are."""
        # A copy: the teacher may be one that somebody else uses too.
        return dataclasses.replace(self.inner, multiplicity=self.multiplicity)

    @override
    def distillation_loss(self, student: CloudConsistencySampler, teacher: Any) -> nn.Module:
        """What the teacher knows of the number of points is taken over."""
        student.network.load_state_dict(teacher.network.state_dict())
        if student.multiplicity is not None:
            student.multiplicity.load_state_dict(teacher.multiplicity.state_dict())
            student.multiplicity.requires_grad_(False)
        return CloudConsistencyLoss(student, teacher, self.teacher_steps)


class CloudConsistencySampler(CloudNetwork, WithStatistics):
    """The network of `CloudConsistency` with its sampler, made from that of its teacher.

    Where a step ends lie data, so what lies beyond those of the training is taken back to them, see `TrainingRange`.
    """

    tolerates_bfloat16 = True

    def __init__(self, inner: CloudFlow, stages: int, steps: int) -> None:
        super().__init__()
        self.network, self.multiplicity = inner.network, inner.multiplicity
        self.time_embedding, self.features = inner.time_embedding, inner.features
        ends = inner.schedule.angle(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
        self.first, self.last = ends
        self.stages, self.steps = stages, steps
        self.range = TrainingRange(inner.features)
        # Fresh noise for every step.
        self.random_numbers = steps * inner.features

    def field(self, c: Tensor, mask: Tensor) -> AngularVelocity:
        """The field given c (N, C) and the present points (N, P)."""
        return AngularVelocity(Masked(self.network, mask), c, self.time_embedding)

    @override
    def after_epoch(self, z: Tensor, c: Tensor) -> None:
        self.range.know(z)

    @override
    def transport(self, noise: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        angles = torch.linspace(self.first, self.last, self.steps + 1, dtype=torch.float64, device=c.device)

        def part(counts: Tensor, noise: Tensor, c: Tensor) -> Tensor:
            field = self.field(c, prefix_mask(counts, noise.shape[1]))
            noises = noise.chunk(self.steps, dim=2)
            z = torch.zeros_like(noises[0])
            for angle, fresh in zip(angles.to(c.dtype), noises, strict=False):
                z = self.range(jump(field, mix(fresh, z, angle)[0], angle))
            return z

        with weights_once(self.network):
            return by_length(part, counts, noise, c)


class CloudConsistencyLoss(Objective[CloudConsistencySampler]):
    """The loss of a student along the ways of a teacher, which does not change."""

    def __init__(self, network: CloudConsistencySampler, teacher: CloudFlow, steps: int) -> None:
        super().__init__(network)
        self.teacher, self.steps = teacher.eval().requires_grad_(False), steps

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        student, counts, c = self.network, c[:, -1].long(), c[:, :-1]
        noise = torch.randn_like(z) * prefix_mask(counts, z.shape[1])[..., None]
        turn = (student.last - student.first) / student.stages
        now = student.first + (student.last - student.first) * stratified(z)
        mean = counts.to(z.dtype).mean().clamp_min(1)

        def part(counts: Tensor, z: Tensor, noise: Tensor, c: Tensor, now: Tensor) -> Tensor:
            mask, noise = prefix_mask(counts, z.shape[1]), noise[:, : z.shape[1]]
            x, _ = mix(noise, z, now)
            then = (now + turn).clamp_max(student.last)
            advance = along_teacher(self.teacher.field(c, mask), self.steps)
            return consistency_loss(student.field(c, mask), advance, x, now, then) * (z.shape[1] / mean)

        with weights_once(student.network):
            return by_length(part, counts, z, noise, c, now)
