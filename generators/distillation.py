"""The frame of consistency distillation: a teacher is trained, and a student that needs fewer steps learns from it."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from torch import nn

from generators.errors import HyperparameterError
from generators.frame import ConditionalNetwork, NetworkGenerator
from generators.protocols import Monitor, Progress
from generators.registry import create
from generators.training.batches import TrainingData
from generators.training.loop import Phase, Trained
from generators.training.settings import TrainingSettings

S = TypeVar("S", bound=ConditionalNetwork)


@dataclass(kw_only=True, eq=False)
class Distillation(NetworkGenerator[S]):
    """Consistency distillation (Song et al., 2303.01469): a trained flow or diffusion in one step or a few.

    `teacher` is the specification of a flow in time, which is trained first and then not needed any more; its bijection
    is used. The student has its network and starts from its weights. It learns to reach one end from two points of one
    way of the teacher, which are one of `stages` parts of the quarter circle apart; the teacher walks that in
    `teacher_steps`. What the student knows of the end has to travel back from stage to stage, so few long ones are
    learned much faster than many short ones. Sampling takes `sampling_steps`: after the first, noise is put back and
    the rest of the way taken again.

    `fit` reports the epochs of the teacher and then those of the student, and continues either from its `checkpoint`:
    the teacher has its own beside the one that is named, until the student is done.
    """

    #: What a teacher may be, and how that is said.
    teachers: ClassVar[tuple[type[Any], ...]]
    teachers_named: ClassVar[str]

    teacher: dict[str, Any]
    stages: int = 4
    teacher_steps: int = 2
    sampling_steps: int = 1
    bijection: str | dict[str, Any] = field(init=False)
    training: TrainingSettings

    def __post_init__(self) -> None:
        for name in ("stages", "teacher_steps", "sampling_steps"):
            if getattr(self, name) < 1:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be at least 1.")
        inner = create(self.teacher) if isinstance(self.teacher, Mapping) else self.teacher
        if not isinstance(inner, self.teachers):
            raise HyperparameterError(
                f"teacher of {self.kind}: '{getattr(inner, 'kind', inner)}' is no flow in time; use "
                f"{self.teachers_named}."
            )
        self.inner: Any = inner
        self.teacher = {"kind": inner.kind, **inner.hyperparameters()}
        self.bijection = inner.bijection

    @abstractmethod
    def lesson(self, student: S, teacher: Any) -> nn.Module:
        """The objective of a student, made from the trained network of the teacher: losses (N,) of x and context."""

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return {key: copy.deepcopy(value) for key, value in super().hyperparameters().items() if key != "bijection"}

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """See `NetworkGenerator`: first the teacher, then the student."""
        own = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.teacher")
        first, second = (_epochs(settings, data, seed) for settings in (self.inner.training, self.training))
        taught = self.inner.learn(data, seed=seed, monitor=_shifted(monitor, 0, first + second), checkpoint=own)
        teacher, student = self.inner.untrained(data, seed=seed), self.untrained(data, seed=seed)
        teacher.load_state_dict(taught.states[0])
        lesson = self.lesson(student, teacher)
        done = len(taught.train_losses)
        trained = self.trained(
            student,
            Phase(self.kind, lesson, [p for p in student.parameters() if p.requires_grad]),
            data,
            seed=seed,
            monitor=_shifted(monitor, done, done + second),
            checkpoint=checkpoint,
        )
        if own is not None:
            own.unlink(missing_ok=True)
        return trained


def _epochs(settings: TrainingSettings, data: TrainingData, seed: int) -> int:
    """Epochs of a training with these settings, unless patience ends it."""
    training, _ = data.split(settings.validation_fraction, seed=seed)
    return len(settings.plan(len(training)))


def _shifted(monitor: Monitor | None, done: int, epochs: int) -> Monitor | None:
    """A monitor that counts `done` epochs before, of so many in all."""
    if monitor is None:
        return None
    return lambda now: monitor(Progress(now.epoch + done, epochs, now.train_loss, now.validation_loss))
