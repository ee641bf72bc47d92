"""Base of consistency distillation: a teacher is trained, and a student that needs fewer steps learns from it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from torch import nn

from generators.base import NetworkGenerator
from generators.conditional_network import ConditionalNetwork
from generators.errors import HyperparameterError
from generators.protocols import Monitor
from generators.registry import create
from generators.training.batches import TrainingData
from generators.training.containers import identity_of_container
from generators.training.phases import Phase, trainable
from generators.training.sequence import Stage, TrainingSequence
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained, identity_of

S = TypeVar("S", bound=ConditionalNetwork)


@dataclass(kw_only=True, eq=False)
class TeacherStudent(NetworkGenerator[S]):
    """A generator that learns from another one, which is trained first and then not needed any more.

    `fit` reports the epochs of the teacher and then those of the student, and continues either, see `TrainingSequence`.
    """

    @abstractmethod
    def distillation_loss(self, student: S, teacher: Any) -> nn.Module:
        """The objective of a student, made from the trained network of the teacher: losses (N,) of x and context."""

    @abstractmethod
    def prepared_teacher(self) -> Any:
        """The unfitted teacher, which knows what of the events it has to know."""

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """First the teacher, then the student."""
        inner, names = self.prepared_teacher(), ("teacher", "student")
        second = _epochs(self.training, data, seed)
        words, tensors = identity_of_container(data.x)
        identity = identity_of([self.hyperparameters(), seed, *words], *tensors, data.context, data.weights)
        sequence = TrainingSequence(names, identity=identity, monitor=monitor, checkpoint=checkpoint)

        def taught(monitor: Monitor | None, checkpoint: Path | None) -> Trained:
            trained: Trained = inner.learn(data, seed=seed, monitor=monitor, checkpoint=checkpoint)
            return trained

        teacher, student = inner.untrained(data, seed=seed), self.untrained(data, seed=seed)
        teacher.load_state_dict(sequence.run(_stage("teacher", taught), later=second).states[0])
        loss = self.distillation_loss(student, teacher)

        def distilled(monitor: Monitor | None, checkpoint: Path | None) -> Trained:
            phase = Phase(self.kind, loss, trainable(student))
            return self.trained(student, [phase], data, seed=seed, monitor=monitor, checkpoint=checkpoint)

        return sequence.run(_stage("student", distilled), later=0)


@dataclass(kw_only=True, eq=False)
class Distillation(TeacherStudent[S]):
    """Consistency distillation (Song et al., 2303.01469): a trained flow or diffusion in one step or a few.

    `teacher` is the specification of a flow in time, which is trained first and then not needed any more; its bijection
    is used. The student has its network and starts from its weights. It learns to reach one end from two points of one
    way of the teacher, which are one of `stages` parts of the quarter turn apart; the teacher solves that in
    `teacher_steps`. What the student knows of the end has to travel back from stage to stage, so few long ones are
    learned much faster than many short ones. Sampling takes `sampling_steps`: after the first, noise is put back and
    the rest of the way taken again.
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


def _stage(name: str, train: Callable[[Monitor | None, Path | None], Trained]) -> Stage[Trained]:
    return Stage(name, train, Trained.to_tree, Trained.from_tree, lambda trained: len(trained.train_losses))


def _epochs(settings: TrainingSettings, data: TrainingData, seed: int) -> int:
    """Epochs of a training with these settings, unless patience ends it."""
    training, _ = data.split(settings.validation_fraction, seed=seed)
    return len(settings.plan(len(training)))
