"""CaloFlow (Krause & Shih, 2106.05285 and 2110.11377): an autoregressive teacher, and a student that draws fast."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from nflows.transforms.base import Transform
from torch import Tensor, nn
from typing_extensions import override

from generators.distillation import TeacherStudent
from generators.errors import HyperparameterError
from generators.flows.autoregressive import Autoregressive, Inverted
from generators.flows.permutation import Permutation, within_groups
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.sizes import require_sizes
from generators.flows.univariate import Swapped, Univariate
from generators.networks.made import MADE
from generators.objective import Objective
from generators.registry import create, register
from generators.tabular.base import ConditionalDensity, FeatureDensity, TabularDensity
from generators.tabular.composed import ComposedFlow
from generators.training.settings import TrainingSettings

#: The smallest width, height and slope of a bin in the published networks.
_MINIMUM = 1e-6


@dataclass(kw_only=True, eq=False)
class _CaloFlow(FeatureDensity):
    """What teacher and student share: blocks of one masked network with splines, and voxels in other orders between.

    `groups` are numbers of features next to each other, those of a layer, inside of which the order is changed: after
    every odd block reversed, after every even one at random. Without any, all features are one group.
    """

    groups: Sequence[int] = ()
    blocks: int = 8
    hidden: int = 378
    layers: int = 1
    bins: int = 8
    tail_bound: float = 14.0
    dropout: float = 0.05
    bijection: str | dict[str, Any] = field(default_factory=lambda: {"kind": "affine"})

    @abstractmethod
    def block(self, features: int, context: int, univariate: Univariate) -> Transform:
        """The transform of one block, from data to noise."""

    def checked(self) -> None:
        """Refuse what is no size; and make lists of sequences."""
        require_sizes(self.kind, blocks=self.blocks, hidden=self.hidden, layers=self.layers)
        self.groups = list(self.groups)
        require_sizes(f"groups of {self.kind}", **{f"group {place}": size for place, size in enumerate(self.groups)})
        if not 2 <= self.bins <= 500 or not self.tail_bound > 0 or not 0 <= self.dropout < 1:
            raise HyperparameterError(
                f"bins = {self.bins}, tail_bound = {self.tail_bound} and dropout = {self.dropout} of {self.kind} must "
                "be 2 to 500, positive, and at least 0 but below 1."
            )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        groups = list(self.groups) or [features]
        if sum(groups) != features:
            raise HyperparameterError(f"groups of {self.kind} hold {sum(groups)} features; there are {features}.")
        univariate = RationalQuadratic(self.bins, self.tail_bound, _MINIMUM)
        steps: list[nn.Module] = []
        for number in range(self.blocks):
            steps.append(self.block(features, context, univariate))
            if number < self.blocks - 1:
                steps.append(Permutation(within_groups(groups, reverse=number % 2 == 0)))
        return ComposedFlow(features, steps)

    def masked(self, features: int, context: int, univariate: Univariate) -> Autoregressive:
        """A masked network as the published ones are, of which nothing reaches the first feature."""
        made = MADE(
            features,
            self.hidden,
            context or None,
            num_blocks=self.layers,
            output_multiplier=univariate.parameters,
            use_residual_blocks=False,
            dropout_probability=self.dropout,
        )
        return Autoregressive(made, univariate)


@register
@dataclass(kw_only=True, eq=False)
class CaloFlowTeacher(_CaloFlow, TabularDensity):
    """The masked autoregressive flow of CaloFlow (2106.05285): a density in one pass.

    With 378 units and the 368 voxels of photons in CaloChallenge 1, given their energy and those of 5 layers, it has
    the 27,945,968 parameters of the published one. A sample computes every hidden unit once, voxel by voxel; the
    published program makes a whole pass for each voxel. For showers it is the part of "voxel_shapes" that learns.
    """

    kind: ClassVar[str] = "caloflow_teacher"

    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(epochs=100, batch_size=200, learning_rate=2e-3)
    )

    def __post_init__(self) -> None:
        self.checked()

    @override
    def block(self, features: int, context: int, univariate: Univariate) -> Transform:
        return self.masked(features, context, univariate)


@register
@dataclass(kw_only=True, eq=False)
class CaloFlowStudent(TeacherStudent[ConditionalDensity], _CaloFlow):
    """The inverse autoregressive flow of CaloFlow (2110.11377), which learns from a teacher: a sample in one pass.

    `teacher` is the specification of a "caloflow_teacher", whose bijection, groups, blocks and splines are used, and
    which is trained first. The student learns to do what it does: from data through the teacher to noise and back, and
    from noise to data and through the teacher back to noise; the squared differences of the ends, of all states between
    blocks and of all parameters of the splines are its loss. Its density takes as long as a sample of the teacher.

    `fit` reports the epochs of the teacher and then those of the student, and continues either.
    """

    kind: ClassVar[str] = "caloflow_student"

    teacher: dict[str, Any] = field(default_factory=lambda: {"kind": "caloflow_teacher"})
    hidden: int = 736
    groups: Sequence[int] = field(init=False)
    blocks: int = field(init=False)
    bins: int = field(init=False)
    tail_bound: float = field(init=False)
    bijection: str | dict[str, Any] = field(init=False)
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(epochs=100, batch_size=175, learning_rate=1e-3)
    )

    def __post_init__(self) -> None:
        inner = create(self.teacher) if isinstance(self.teacher, Mapping) else self.teacher
        if not isinstance(inner, CaloFlowTeacher):
            raise HyperparameterError(f"teacher of {self.kind}: {self.teacher!r} is no 'caloflow_teacher'.")
        self.inner = inner
        self.teacher = {"kind": inner.kind, **inner.hyperparameters()}
        for name in ("groups", "blocks", "bins", "tail_bound", "bijection"):
            setattr(self, name, getattr(inner, name))
        self.checked()

    @property
    def plain(self) -> bool:
        """There are two trainings."""
        return False

    @override
    def block(self, features: int, context: int, univariate: Univariate) -> Transform:
        return Inverted(self.masked(features, context, Swapped(univariate)))

    @override
    def prepared_teacher(self) -> CaloFlowTeacher:
        """There is nothing that it would not know."""
        return self.inner

    @override
    def distillation_loss(self, student: ConditionalDensity, teacher: Any) -> nn.Module:
        assert isinstance(student, ComposedFlow)
        return GuidedLoss(student, teacher)


class GuidedLoss(Objective[ComposedFlow]):
    """How far a student is from its teacher, on the way to noise and on the way to data (2110.11377).

    Both have the same blocks; the permutations of the student become those of the teacher. The loss of a shower is the
    mean over both ways of the sum of squared differences of ends, states between blocks and parameters of splines.
    """

    def __init__(self, network: ComposedFlow, teacher: ComposedFlow) -> None:
        super().__init__(network)
        self.teacher = teacher.eval().requires_grad_(False)
        for own, given in zip(network.transforms, teacher.transforms, strict=True):
            if isinstance(own, Permutation):
                own.load_state_dict(given.state_dict())

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        context = c if c.shape[1] else None
        noise, taught = _to_noise(self.teacher, z, context)
        _, followed = _to_data(self.network, noise, context)
        drawn, made = _to_data(self.network, torch.randn_like(z), context)
        _, understood = _to_noise(self.teacher, drawn, context)
        return (_distance(taught, followed) + _distance(understood, made)) / 2


#: States before and after every block, (N, D), and parameters of its splines, (P, D, N), from data to noise.
Steps = list[tuple[Tensor, Tensor, Tensor]]


def _to_noise(flow: ComposedFlow, x: Tensor, c: Tensor | None) -> tuple[Tensor, Steps]:
    """The noise of data x (N, D), and the steps of a flow of autoregressive blocks."""
    steps: Steps = []
    for transform in flow.transforms:
        if isinstance(transform, Autoregressive):
            parameters = transform.autoregressive_net.by_parameter(x, c)
            z = transform.univariate.forward(x.t(), parameters)[0].t()
            steps.append((x, z, parameters))
            x = z
        else:
            x, _ = transform(x, c)
    return x, steps


def _to_data(flow: ComposedFlow, z: Tensor, c: Tensor | None) -> tuple[Tensor, Steps]:
    """The data of noise z (N, D), and the steps of a flow of inverted autoregressive blocks."""
    steps: Steps = []
    for transform in reversed(flow.transforms):
        if isinstance(transform, Inverted):
            block = transform.transform
            parameters = block.autoregressive_net.by_parameter(z, c)
            x = block.univariate.forward(z.t(), parameters)[0].t()
            steps.append((x, z, parameters))
            z = x
        else:
            inverse: Any = transform.inverse
            z, _ = inverse(z, c)
    return z, steps[::-1]


def _distance(one: Steps, other: Steps) -> Tensor:
    """Sum of squared differences of all that was on the way, (N,)."""
    total = torch.zeros(len(one[0][0]), device=one[0][0].device)
    for (x, z, parameters), (x_other, z_other, parameters_other) in zip(one, other, strict=True):
        total = total + (x - x_other).square().sum(dim=1) + (z - z_other).square().sum(dim=1)
        total = total + (parameters - parameters_other).square().sum(dim=(0, 1))
    return total
