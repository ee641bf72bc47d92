"""Consistency models of feature vectors: samples in one step."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from generators.continuous.circle import CircleField, mix
from generators.continuous.consistency import Advance, along_teacher, consistency_loss, jump, towards
from generators.continuous.objectives import stratified
from generators.errors import HyperparameterError
from generators.protocols import Monitor, Progress
from generators.registry import create, register
from generators.tabular.continuous import ContinuousDensity, by_rows
from generators.tabular.diffusion import Diffusion
from generators.tabular.flow_matching import FlowMatching
from generators.tabular.frame import ConditionalSampler, TabularGenerator
from generators.training.batches import TrainingData
from generators.training.loop import Phase, Trained
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class Consistency(TabularGenerator["ConsistencySampler"]):
    """Consistency distillation (Song et al., 2303.01469): a trained flow or diffusion in one step. It has no density.

    `teacher` is the specification of a "flow_matching" or a "diffusion", which is trained first and then not needed any
    more; its bijection is used. The student has its network and starts from its weights. It learns to reach one end
    from two points of one way of the teacher, which are one of `stages` parts of the quarter circle apart; the teacher
    walks that in `teacher_steps`. What the student knows of the end has to travel back from stage to stage, so few long
    ones are learned much faster than many short ones. Sampling takes `sampling_steps`: after the first, noise is put
    back and the rest of the way taken again.

    `fit` reports the epochs of the teacher and then those of the student, and continues either from its `checkpoint`:
    the teacher has its own beside the one that is named, until the student is done.
    """

    kind: ClassVar[str] = "consistency"

    teacher: dict[str, Any] = field(default_factory=lambda: {"kind": "flow_matching"})
    stages: int = 4
    teacher_steps: int = 2
    sampling_steps: int = 1
    bijection: str | dict[str, Any] = field(init=False)
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=2000, batch_size=2048, learning_rate=4e-3, weight_decay=0.0, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        for name in ("stages", "teacher_steps", "sampling_steps"):
            if getattr(self, name) < 1:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be at least 1.")
        inner = create(self.teacher) if isinstance(self.teacher, Mapping) else self.teacher
        if not isinstance(inner, FlowMatching | Diffusion):
            raise HyperparameterError(
                f"teacher of {self.kind}: '{getattr(inner, 'kind', inner)}' is no flow in time; use 'flow_matching' or "
                "'diffusion'."
            )
        self.inner: FlowMatching | Diffusion = inner
        self.teacher = {"kind": inner.kind, **inner.hyperparameters()}
        self.bijection = inner.bijection

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return {key: copy.deepcopy(value) for key, value in super().hyperparameters().items() if key != "bijection"}

    def build(self, features: int, context: int) -> ConsistencySampler:
        """See `TabularGenerator`."""
        return ConsistencySampler(self.inner.build(features, context), self.stages, self.sampling_steps)

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """See `TabularGenerator`: first the teacher, then the student."""
        own = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.teacher")
        first, second = (_epochs(settings, data, seed) for settings in (self.inner.training, self.training))
        taught = self.inner.learn(data, seed=seed, monitor=_shifted(monitor, 0, first + second), checkpoint=own)
        teacher, student = self.inner.untrained(data, seed=seed), self.untrained(data, seed=seed)
        assert isinstance(teacher, ContinuousDensity)
        teacher.load_state_dict(taught.states[0])
        student.network.load_state_dict(teacher.network.state_dict())
        done = len(taught.train_losses)
        trained = self.trained(
            student,
            Phase(self.kind, _Distillation(student, teacher, self.teacher_steps), list(student.parameters())),
            data,
            seed=seed,
            monitor=_shifted(monitor, done, done + second),
            checkpoint=checkpoint,
        )
        if own is not None:
            own.unlink(missing_ok=True)
        return trained


class ConsistencySampler(ConditionalSampler):
    """The network of `Consistency` with its loss and sampler, made from that of its teacher."""

    tolerates_bfloat16 = True

    def __init__(self, inner: ContinuousDensity, stages: int, steps: int) -> None:
        super().__init__()
        self.network: nn.Module = inner.network
        self.clock, self.features = inner.clock, inner.features
        ends = inner.schedule.angle(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
        self.first, self.last = ends
        self.stages, self.steps = stages, steps

    def field(self, c: Tensor) -> CircleField:
        """The field given c (N, C)."""
        network: Any = self.network
        return CircleField(network, c, self.clock)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,), without a teacher."""
        noise = torch.randn_like(z)
        return self.loss(noise, z, c, towards(noise, z))

    def loss(self, noise: Tensor, z: Tensor, c: Tensor, advance: Advance) -> Tensor:
        """Loss of every event, (N,), with noise (N, D) and the ways of `advance`."""
        turn = (self.last - self.first) / self.stages
        now = self.first + (self.last - self.first) * stratified(z)
        then = (now + turn).clamp_max(self.last)
        x, _ = mix(noise, z, now)
        return consistency_loss(self.field(c), advance, x, now, then)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """See `ConditionalSampler`: noise for every step."""
        return (self.features,) if self.steps == 1 else (self.steps, self.features)

    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        """See `ConditionalSampler`."""
        angles = torch.linspace(self.first, self.last, self.steps + 1, dtype=torch.float64, device=c.device)

        def part(c: Tensor, *noises: Tensor) -> Tensor:
            field, z = self.field(c), torch.zeros_like(noises[0])
            for angle, noise in zip(angles.to(c.dtype), noises, strict=False):
                z = jump(field, mix(noise, z, angle)[0], angle)
            return z

        own = noise.to(c.dtype)
        return by_rows(part, c, *([own] if self.steps == 1 else own.unbind(dim=1)))


class _Distillation(nn.Module):
    """The loss of a student along the ways of a teacher, which does not change."""

    def __init__(self, student: ConsistencySampler, teacher: ContinuousDensity, steps: int) -> None:
        super().__init__()
        self.student, self.teacher, self.steps = student, teacher.eval().requires_grad_(False), steps

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        return self.student.loss(torch.randn_like(z), z, c, along_teacher(self.teacher.field(c), self.steps))


def _epochs(settings: TrainingSettings, data: TrainingData, seed: int) -> int:
    """Epochs of a training with these settings, unless patience ends it."""
    training, _ = data.split(settings.validation_fraction, seed=seed)
    return len(settings.plan(len(training)))


def _shifted(monitor: Monitor | None, done: int, epochs: int) -> Monitor | None:
    """A monitor that counts `done` epochs before, of so many in all."""
    if monitor is None:
        return None
    return lambda now: monitor(Progress(now.epoch + done, epochs, now.train_loss, now.validation_loss))
