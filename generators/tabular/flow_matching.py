"""Conditional flow matching for feature vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.continuous.couplings import COUPLINGS
from generators.continuous.objectives import VelocityMatching, matching_loss, stratified
from generators.continuous.schedules import Schedule, Straight, Trigonometric, VariancePreserving
from generators.continuous.solvers import solver
from generators.continuous.velocities import by_angle
from generators.errors import HyperparameterError
from generators.networks.velocity_mlp import VelocityMLP
from generators.objective import Objective
from generators.one_phase import OneLoss, one_phase
from generators.protocols import Monitor
from generators.registry import register
from generators.tabular.base import ConditionalDensity, FeatureDensity
from generators.tabular.continuous import ContinuousDensity, FlowInTime, density_solver, density_trace
from generators.training.batches import TrainingData
from generators.training.phases import Phase, trainable
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained

PATHS: dict[str, type[Schedule]] = {
    "straight": Straight,
    "trigonometric": Trigonometric,
    "variance_preserving": VariancePreserving,
}


@register
@dataclass(kw_only=True, eq=False)
class FlowMatching(FlowInTime, FeatureDensity, OneLoss[ConditionalDensity]):
    """Continuous normalizing flow trained by conditional flow matching (Lipman et al., 2210.02747).

    `path` is "trigonometric", "straight" or "variance_preserving"; `coupling` of noise and data is "independent" or
    "optimal_transport" (see `OptimalTransport`; no negative weights). The network predicts the angular velocity,
    see `generators.continuous.velocities`.

    Sampling takes `sampling_steps` of `solver` ("euler", "midpoint", "heun", "rk4"), or as many of "dopri5" as its
    `tolerance` needs. `log_prob` integrates with `density_steps` of "rk4", or with "dopri5" if that is the solver, and
    takes the divergence as `log_density` says: "exact", or "hutchinson" with so many `probes`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> mass = rng.uniform(2, 3, (200, 1))
    >>> flow = FlowMatching(sampling_steps=2, density_steps=2, training=TrainingSettings(steps=2, batch_size=64))
    >>> flow = flow.fit(rng.normal(mass, 0.1), mass, seed=1)
    >>> flow.sample(np.array([2.2, 2.8]), seed=2).shape, flow.log_prob(np.zeros((2, 1)), np.array([2.2, 2.8])).shape
    ((2, 1), (2,))
    """

    kind: ClassVar[str] = "flow_matching"

    hidden: int = 64
    layers: int = 4
    frequencies: int = 4
    path: str = "trigonometric"
    coupling: str = "independent"
    solver: str = "midpoint"
    sampling_steps: int = 8
    tolerance: float = 1e-5
    log_density: str = "exact"
    probes: int = 8
    density_steps: int = 8
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=4000, batch_size=2048, learning_rate=1e-2, weight_decay=1e-2, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        for name, value, known in (("path", self.path, PATHS), ("coupling", self.coupling, COUPLINGS)):
            if value not in known:
                raise HyperparameterError(f"{name} '{value}' is not one of {', '.join(known)}.")
        for name in ("hidden", "layers", "frequencies", "sampling_steps", "density_steps", "probes", "tolerance"):
            if not getattr(self, name) > 0:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be positive.")
        solver(self.solver, steps=self.sampling_steps, tolerance=self.tolerance)
        density_trace(self.log_density, self.probes)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> FlowMatchingDensity:
        (features,) = shape
        return FlowMatchingDensity(self, features, context)

    @override
    def objective(self, network: ConditionalDensity) -> FlowMatchingLoss:
        assert isinstance(network, FlowMatchingDensity)
        return FlowMatchingLoss(network)

    @property
    @override
    def plain(self) -> bool:
        """A coupling is no loss of single events."""
        return self.coupling == "independent"

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """The network alone; a coupling has to know the weights, which are hidden in the context for it."""
        if self.coupling == "independent" or bool((data.weights == data.weights[0]).all()):
            return one_phase(self, data, seed=seed, monitor=monitor, checkpoint=checkpoint)
        if bool((data.weights < 0).any()):
            raise HyperparameterError(
                f"coupling '{self.coupling}' can not match events of negative weight, and "
                f"{int((data.weights < 0).sum())} of {len(data)} are. Use coupling 'independent'."
            )
        network = self.untrained(data, seed=seed)
        assert isinstance(network, FlowMatchingDensity)
        widened = TrainingData(data.x, torch.cat([data.context, data.weights[:, None]], dim=1), data.weights)
        phase = Phase(self.kind, FlowMatchingLoss(network, weighted=True), trainable(network))
        return self.trained(network, [phase], widened, seed=seed, monitor=monitor, checkpoint=checkpoint)


class FlowMatchingDensity(ContinuousDensity):
    """The network of `FlowMatching` with its sampler and density."""

    def __init__(self, settings: FlowMatching, features: int, context: int) -> None:
        super().__init__(
            VelocityMLP(
                features, context, hidden=settings.hidden, layers=settings.layers, frequencies=settings.frequencies
            ),
            features,
            schedule=PATHS[settings.path](),
            time_embedding=by_angle,
            sampling_solver=solver(settings.solver, steps=settings.sampling_steps, tolerance=settings.tolerance),
            trace=density_trace(settings.log_density, settings.probes),
            solver=density_solver(settings.solver, steps=settings.density_steps, tolerance=settings.tolerance),
        )
        self.coupling = None if settings.coupling == "independent" else COUPLINGS[settings.coupling]()
        self.time_sampling = VelocityMatching(self.schedule)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        return self.carried(noise, c)


class FlowMatchingLoss(Objective[FlowMatchingDensity]):
    """How far the velocity is from that between noise and data; with `weighted`, the last column of c is the weight."""

    def __init__(self, network: FlowMatchingDensity, *, weighted: bool = False) -> None:
        super().__init__(network)
        self.weighted = weighted

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        network = self.network
        c, weights = (c[:, :-1], c[:, -1]) if self.weighted else (c, torch.ones_like(z[:, 0]))
        noise, u = torch.randn_like(z), stratified(z)

        def lost(z: Tensor, c: Tensor, u: Tensor) -> Tensor:
            return matching_loss(network.network, network.time_sampling, noise, z, c, u, network.time_embedding)

        if network.coupling is None:
            return lost(z, c, u)
        rows = network.coupling(noise, z, c, weights)
        # The times go with the events: the coupling may order its pairs by context.
        pairs = lost(z[rows], c[rows], u[rows])
        # Rows have been taken in proportion to their weights, which the loop applies once more.
        return torch.zeros_like(pairs).index_add(0, rows, pairs) * (weights.mean() / weights)
