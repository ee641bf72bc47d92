"""Bases of distillation: a teacher is trained, and a student that needs fewer steps learns from it."""

from __future__ import annotations

import copy
import math
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
        self.inner, self.teacher = flow_in_time(self.teacher, self.teachers, self.teachers_named, self.kind)
        self.bijection = self.inner.bijection


@dataclass(kw_only=True, eq=False)
class Halving(NetworkGenerator[S]):
    """Progressive distillation (Salimans & Ho, 2202.00512): a trained flow in time in half as many steps, repeatedly.

    `teacher` is trained first. A student of `first_steps` equal angles learns to go as far in one step as the teacher
    in two; then it is the teacher of one with half as many, until `sampling_steps` are left. Every round is a training
    of its own. No noise is put back on the way: an event is a function of its first noise, as for the teacher.
    Few first steps make what is drawn too narrow: half of one is a step of Euler's method for the first teacher.
    """

    #: What a teacher may be, and how that is said.
    teachers: ClassVar[tuple[type[Any], ...]]
    teachers_named: ClassVar[str]

    teacher: dict[str, Any]
    first_steps: int = 16
    sampling_steps: int = 1
    bijection: str | dict[str, Any] = field(init=False)
    training: TrainingSettings

    def __post_init__(self) -> None:
        rounds = self.first_steps / max(self.sampling_steps, 1)
        if self.sampling_steps < 1 or rounds < 1 or not math.log2(rounds).is_integer():
            raise HyperparameterError(
                f"first_steps = {self.first_steps} of {self.kind} must be a power of two times sampling_steps = "
                f"{self.sampling_steps}, which is at least 1."
            )
        self.inner, self.teacher = flow_in_time(self.teacher, self.teachers, self.teachers_named, self.kind)
        self.bijection = self.inner.bijection

    @abstractmethod
    def prepared_teacher(self) -> Any:
        """The unfitted teacher, which knows what of the events it has to know."""

    @abstractmethod
    def student(self, flow: Any, steps: int) -> S:
        """The network of a flow, to be sampled in so many steps; what shall not be learned any more is fixed."""

    @abstractmethod
    def halving_loss(self, student: S, teacher: nn.Module, steps: int) -> nn.Module:
        """The objective of a student of so many steps, from the field of its teacher: losses (N,) of x and context."""

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """First the teacher, then a student of every number of steps."""
        inner = self.prepared_teacher()
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
        student: Any = self.student(flow, self.first_steps)
        for number, steps in enumerate(rounds):
            loss = self.halving_loss(student, copy.deepcopy(student.network), steps)

            def halved(
                monitor: Monitor | None, checkpoint: Path | None, loss: nn.Module = loss, own: int = number
            ) -> Trained:
                phase = Phase(self.kind, loss, trainable(student))
                return self.trained(student, [phase], data, seed=seed + 1 + own, monitor=monitor, checkpoint=checkpoint)

            found = sequence.run(_stage(f"{steps} steps", halved))
            student.load_state_dict(found.states[0])
        return found


def flow_in_time(teacher: Any, known: tuple[type[Any], ...], named: str, kind: str) -> tuple[Any, dict[str, Any]]:
    """The unfitted teacher of a `kind`, and its full specification.

    Raises
    ------
    HyperparameterError
        If it is none of those that are known, which are `named`.
    """
    inner = create(teacher) if isinstance(teacher, Mapping) else teacher
    if not isinstance(inner, known):
        raise HyperparameterError(
            f"teacher of {kind}: '{getattr(inner, 'kind', inner)}' is no flow in time; use {named}."
        )
    return inner, {"kind": inner.kind, **inner.hyperparameters()}


def _stage(name: str, train: Callable[[Monitor | None, Path | None], Trained]) -> Stage[Trained]:
    return Stage(name, train, Trained.to_tree, Trained.from_tree, lambda trained: len(trained.train_losses))


def _epochs(settings: TrainingSettings, data: TrainingData, seed: int) -> int:
    """Epochs of a training with these settings, unless patience ends it."""
    training, _ = data.split(settings.validation_fraction, seed=seed)
    return len(settings.plan(len(training)))
