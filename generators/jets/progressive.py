"""Progressive distillation of clouds: half as many steps, again and again (Salimans & Ho, 2202.00512)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.conditional_network import WithStatistics
from generators.continuous.objectives import stratified
from generators.continuous.progressive import turned, velocity_for_both
from generators.continuous.velocities import AngularVelocity, TimeEmbedding, mix
from generators.distillation import Halving
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
class CloudProgressive(Halving["ProgressiveSampler"], CloudGenerator["ProgressiveSampler"]):
    """Clouds in few steps by halving those of a trained flow matching or diffusion of clouds, as FPCD does. No density.

    See `Halving`. `multiplicity` is that of the student and of its teacher.
    """

    kind: ClassVar[str] = "cloud_progressive"
    teachers: ClassVar[tuple[type[Any], ...]] = (CloudFlowMatching, CloudDiffusion)
    teachers_named: ClassVar[str] = "'fpcd', 'epic_fm', 'mdma_fm', 'epic_jedi' or 'pc_jedi'"

    teacher: dict[str, Any] = field(default_factory=lambda: {"kind": "fpcd"})
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(steps=2_000, batch_size=128, learning_rate=5e-4, ema_decay=0.99)
    )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ProgressiveSampler:
        return ProgressiveSampler(self.prepared_teacher().build(shape, context), self.sampling_steps)

    @override
    def prepared_teacher(self) -> Any:
        """Where the numbers of points are."""
        # A copy: the teacher may be one that somebody else uses too.
        return dataclasses.replace(self.inner, multiplicity=self.multiplicity)

    @override
    def student(self, flow: CloudFlow, steps: int) -> ProgressiveSampler:
        """What the teacher knows of the number of points is taken over."""
        made = ProgressiveSampler(flow, steps)
        if made.multiplicity is not None:
            made.multiplicity.requires_grad_(False)
        return made

    @override
    def halving_loss(self, student: ProgressiveSampler, teacher: nn.Module, steps: int) -> nn.Module:
        return HalvingLoss(student, teacher, steps)


class ProgressiveSampler(CloudNetwork, WithStatistics):
    """The network of a flow, sampled in so many equal angles."""

    tolerates_bfloat16 = True

    def __init__(self, inner: CloudFlow, steps: int) -> None:
        super().__init__()
        self.network, self.multiplicity = inner.network, inner.multiplicity
        self.features, self.steps = inner.features, steps
        self.time_embedding: TimeEmbedding = inner.time_embedding
        self.range = TrainingRange(inner.features)
        self.first, self.last = inner.schedule.angle(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()

    def field(self, network: nn.Module, c: Tensor, mask: Tensor) -> AngularVelocity:
        """The field of a network given c (N, C) and the present points (N, P)."""
        return AngularVelocity(Masked(network, mask), c, self.time_embedding)

    @override
    def after_epoch(self, z: Tensor, c: Tensor) -> None:
        self.range.know(z)

    @override
    def transport(self, noise: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        turn = (self.last - self.first) / self.steps

        def part(counts: Tensor, x: Tensor, c: Tensor) -> Tensor:
            field = self.field(self.network, c, prefix_mask(counts, x.shape[1]))
            for step in range(self.steps):
                angle = torch.tensor(self.first + step * turn, dtype=torch.float64, device=x.device)
                x = turned(x, field(x, angle), turn)
            out: Tensor = self.range(x)
            return out

        with weights_once(self.network):
            return by_length(part, counts, noise, c)


class HalvingLoss(Objective[ProgressiveSampler]):
    """How far a step of a student ends from two half steps of its teacher, in units of the velocity that it needs."""

    def __init__(self, network: ProgressiveSampler, teacher: nn.Module, steps: int) -> None:
        super().__init__(network)
        self.teacher, self.steps = teacher.eval().requires_grad_(False), steps

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        counts, c = c[:, -1].long(), c[:, :-1]
        student, turn = self.network, (self.network.last - self.network.first) / self.steps
        noise = torch.randn_like(z) * prefix_mask(counts, z.shape[1])[..., None]
        step = (self.steps * stratified(z)).floor().clamp_max(self.steps - 1)
        mean = counts.to(z.dtype).mean().clamp_min(1)

        def part(counts: Tensor, z: Tensor, noise: Tensor, c: Tensor, step: Tensor) -> Tensor:
            mask = prefix_mask(counts, z.shape[1])
            now = student.first + step * turn
            x, _ = mix(noise[:, : z.shape[1]], z, now)
            wanted = velocity_for_both(student.field(self.teacher, c, mask), x, now, turn)
            missed = student.field(student.network, c, mask)(x, now) - wanted
            return missed.square().flatten(1).mean(dim=1) * (z.shape[1] / mean)

        with weights_once(student.network):
            return by_length(part, counts, z, noise, c, step)
