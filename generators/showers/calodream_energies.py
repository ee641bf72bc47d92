"""The first network of CaloDREAM (Favaro et al., 2405.09629): numbers one after another, each by flow matching."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.continuous.densities import Exact, log_density
from generators.continuous.objectives import VelocityMatching, matching_loss, stratified
from generators.continuous.schedules import Straight
from generators.continuous.solvers import STEPS, FixedSteps
from generators.continuous.velocities import AngularVelocity, ScheduleVelocity, by_angle
from generators.errors import HyperparameterError
from generators.flows.sizes import require_sizes
from generators.networks.energy_transformer import NumberReader, NumberVelocity
from generators.objective import Objective
from generators.registry import register
from generators.tabular.base import ConditionalDensity, NoiseSampler, OneLossDensity
from generators.tabular.continuous import by_rows
from generators.training.settings import TrainingSettings

#: Numbers whose density is found together; bounds the memory whatever is asked for.
_NUMBERS = 4096


@register
@dataclass(kw_only=True, eq=False)
class CaloDreamEnergies(OneLossDensity):
    """Feature vectors one feature after another: a transformer reads those before, a flow in time makes the next.

    With the defaults and the ratios of the energies of 45 layers it has the 2,384,705 parameters of the published one.
    Every feature is a flow of one number, so that its density is exact but for the steps of the solver: `log_prob` asks
    the transformer once for all features, a sample once for every feature. `steps` of Runge-Kutta 4 solve each.
    """

    kind: ClassVar[str] = "calodream_energies"

    width: int = 64
    heads: int = 4
    layers: int = 4
    feed: int = 512
    times: int = 64
    hidden: int = 512
    head_layers: int = 8
    steps: int = 20
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(epochs=500, batch_size=4000, learning_rate=2e-3)
    )

    def __post_init__(self) -> None:
        names = ("width", "heads", "layers", "feed", "times", "hidden", "head_layers", "steps")
        require_sizes(self.kind, **{name: getattr(self, name) for name in names})
        if self.width % self.heads or self.times % 2 or self.head_layers < 2:
            raise HyperparameterError(
                f"{self.kind}: width = {self.width} must be a multiple of heads = {self.heads}, times = {self.times} "
                f"even, and head_layers = {self.head_layers} at least 2."
            )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        if max(features, context) + 1 > self.width:
            raise HyperparameterError(
                f"width = {self.width} of {self.kind} must be at least {max(features, context) + 1}: every feature and "
                "every column of the context has a column of its own."
            )
        return NumbersDensity(self, features, context)

    @override
    def objective(self, network: ConditionalDensity) -> NumbersMatching:
        assert isinstance(network, NumbersDensity)
        return NumbersMatching(network)


class NumbersDensity(NoiseSampler, ConditionalDensity):
    """The networks of `CaloDreamEnergies` with their sampler and density."""

    def __init__(self, settings: CaloDreamEnergies, features: int, context: int) -> None:
        super().__init__()
        self.features, width = features, settings.width
        sizes = {"width": width, "heads": settings.heads, "layers": settings.layers, "hidden": settings.feed}
        self.reader = NumberReader(features, context, **sizes)
        self.head = NumberVelocity(width, times=settings.times, hidden=settings.hidden, layers=settings.head_layers)
        self.schedule = Straight()
        self.time_sampling = VelocityMatching(self.schedule)
        self.solver = FixedSteps(STEPS["rk4"], settings.steps)

    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z | c), (N,)."""
        return by_rows(self._log_density, z, c, rows=max(1, _NUMBERS // self.features))

    def _log_density(self, z: Tensor, c: Tensor) -> Tensor:
        known, one = self.reader(z[:, :-1], c).flatten(0, 1), z.reshape(-1, 1)
        trace = Exact()
        found = log_density(
            self._velocity(known), one, directions=trace.directions(one), trace=trace, solver=self.solver
        )
        return found.reshape(z.shape).sum(dim=1)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        noise = noise.to(c.dtype)
        made = noise[:, :0]
        for feature in range(self.features):
            velocity = self._velocity(self.reader(made, c)[:, -1])
            made = torch.cat([made, self.solver(velocity, noise[:, feature : feature + 1], start=0.0, end=1.0)], dim=1)
        return made

    def _velocity(self, known: Tensor) -> ScheduleVelocity:
        return ScheduleVelocity(AngularVelocity(self.head, known, by_angle), self.schedule)


class NumbersMatching(Objective[NumbersDensity]):
    """How far the velocity of every number is from that of the straight way, given the numbers before it."""

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        network = self.network
        known, one = network.reader(z[:, :-1], c).flatten(0, 1), z.reshape(-1, 1)
        noise = torch.randn_like(one)
        # In random order: times of the features of one event have nothing to do with each other.
        u = stratified(one)
        lost = matching_loss(network.head, network.time_sampling, noise, one, known, u, by_angle)
        return lost.reshape(z.shape).mean(dim=1)
