"""Progressive distillation of clouds: half as many steps, again and again (Salimans & Ho, 2202.00512)."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.conditional_network import WithStatistics
from generators.continuous.objectives import stratified
from generators.continuous.velocities import AngularVelocity, TimeEmbedding, mix
from generators.errors import HyperparameterError
from generators.jets.base import CloudGenerator, CloudNetwork
from generators.jets.diffusion import CloudDiffusion
from generators.jets.flow import CloudFlow, Masked
from generators.jets.flow_matching import CloudFlowMatching
from generators.jets.lengths import by_length, prefix_mask
from generators.jets.training_range import TrainingRange
from generators.networks.split_linear import weights_once
from generators.objective import Objective
from generators.protocols import Monitor
from generators.registry import create, register
from generators.training.batches import TrainingData
from generators.training.containers import identity_of_container
from generators.training.phases import Phase, trainable
from generators.training.sequence import Stage, TrainingSequence
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained, identity_of


@register
@dataclass(kw_only=True, eq=False)
class CloudProgressive(CloudGenerator["ProgressiveSampler"]):
    """Clouds in few steps by halving those of a trained flow matching or diffusion of clouds, as FPCD does. No density.

    `teacher` is trained first. A student of `first_steps` equal angles learns to go as far in one step as the teacher
    in two; then it is the teacher of one with half as many, until `sampling_steps` are left. Every round is a training
    of its own. No noise is put back on the way: a jet is a function of its first noise, as for the teacher.
    """

    kind: ClassVar[str] = "cloud_progressive"

    teacher: dict[str, Any] = field(default_factory=lambda: {"kind": "fpcd"})
    first_steps: int = 16
    sampling_steps: int = 1
    bijection: str | dict[str, Any] = field(init=False)
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(steps=2_000, batch_size=128, learning_rate=5e-4, ema_decay=0.99)
    )

    def __post_init__(self) -> None:
        rounds = self.first_steps / max(self.sampling_steps, 1)
        if self.sampling_steps < 1 or rounds < 1 or not math.log2(rounds).is_integer():
            raise HyperparameterError(
                f"first_steps = {self.first_steps} of {self.kind} must be a power of two times sampling_steps = "
                f"{self.sampling_steps}, which is at least 1."
            )
        inner = create(self.teacher) if isinstance(self.teacher, Mapping) else self.teacher
        if not isinstance(inner, CloudFlowMatching | CloudDiffusion):
            raise HyperparameterError(
                f"teacher of {self.kind}: '{getattr(inner, 'kind', inner)}' is no flow in time; use 'fpcd', 'epic_fm', "
                "'mdma_fm', 'epic_jedi' or 'pc_jedi'."
            )
        self.inner: Any = inner
        self.teacher = {"kind": inner.kind, **inner.hyperparameters()}
        self.bijection = inner.bijection

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ProgressiveSampler:
        return ProgressiveSampler(self._prepared_teacher().build(shape, context), self.sampling_steps)

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """First the teacher, then a student of every number of steps."""
        inner = self._prepared_teacher()
        rounds = [self.sampling_steps << k for k in range((self.first_steps // self.sampling_steps).bit_length())][::-1]
        names = ("teacher", *(f"{steps} steps" for steps in rounds))
        words, tensors = identity_of_container(data.x)
        identity = identity_of([self.hyperparameters(), seed, *words], *tensors, data.context, data.weights)
        sequence = TrainingSequence(names, identity=identity, monitor=monitor, checkpoint=checkpoint)

        def taught(monitor: Monitor | None, checkpoint: Path | None) -> Trained:
            trained: Trained = inner.learn(data, seed=seed, monitor=monitor, checkpoint=checkpoint)
            return trained

        flow = inner.untrained(data, seed=seed)
        found = sequence.run(_stage("teacher", taught))
        flow.load_state_dict(found.states[0])
        student = ProgressiveSampler(flow, self.first_steps)
        if student.multiplicity is not None:
            student.multiplicity.requires_grad_(False)
        for number, steps in enumerate(rounds):
            loss = HalvingLoss(student, copy.deepcopy(student.network), steps)

            def halved(
                monitor: Monitor | None, checkpoint: Path | None, loss: HalvingLoss = loss, own: int = number
            ) -> Trained:
                phase = Phase(self.kind, loss, trainable(loss.network))
                return self.trained(
                    loss.network, [phase], data, seed=seed + 1 + own, monitor=monitor, checkpoint=checkpoint
                )

            found = sequence.run(_stage(f"{steps} steps", halved))
            student.load_state_dict(found.states[0])
        return found

    def _prepared_teacher(self) -> Any:
        # A copy: the teacher may be one that somebody else uses too.
        return dataclasses.replace(self.inner, multiplicity=self.multiplicity)


class ProgressiveSampler(CloudNetwork, WithStatistics):
    """The network of a flow, sampled in so many equal angles.

    In angles, x = sin φ data + cos φ noise and F = dx/dφ: by Δφ a point goes to cos Δφ x + sin Δφ F, which is DDIM.
    """

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
            with torch.no_grad():
                field = student.field(self.teacher, c, mask)
                middle = turned(x, field(x, now), 0.5 * turn)
                end = turned(middle, field(middle, now + 0.5 * turn), 0.5 * turn)
                wanted = (end - math.cos(turn) * x) / math.sin(turn)
            missed = student.field(student.network, c, mask)(x, now) - wanted
            return missed.square().flatten(1).mean(dim=1) * (z.shape[1] / mean)

        with weights_once(student.network):
            return by_length(part, counts, z, noise, c, step)


def turned(x: Tensor, velocity: Tensor, turn: float) -> Tensor:
    """Points x (N, *event) of a given velocity dx/dφ after a turn by Δφ."""
    return math.cos(turn) * x + math.sin(turn) * velocity


def _stage(name: str, train: Any) -> Stage[Trained]:
    return Stage(name, train, Trained.to_tree, Trained.from_tree, lambda trained: len(trained.train_losses))
