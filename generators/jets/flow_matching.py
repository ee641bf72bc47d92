"""Base of flow matching for clouds: a system is a file that says which network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from generators.continuous.objectives import VelocityMatching
from generators.continuous.solvers import solver
from generators.continuous.velocities import by_angle
from generators.errors import HyperparameterError
from generators.jets.base import CloudDensity, CloudDensityGenerator
from generators.jets.flow import CloudFlow, CloudMatching, cloud_matching
from generators.tabular.continuous import density_solver, density_trace
from generators.tabular.flow_matching import PATHS


@dataclass(kw_only=True, eq=False)
class CloudFlowMatching(CloudDensityGenerator):
    """Continuous normalizing flow of clouds trained by conditional flow matching (Lipman et al., 2210.02747).

    `path` is "trigonometric", "straight" or "variance_preserving". Sampling takes `sampling_steps` of `solver`
    ("euler", "midpoint", "heun", "rk4"), or as many of "dopri5" as its `tolerance` needs. `log_prob` integrates with
    `density_steps` of "rk4", and takes the divergence as `log_density` says: "hutchinson" with so many `probes`, or
    "exact", which needs one derivative per constituent and feature.
    """

    path: str = "trigonometric"
    solver: str = "midpoint"
    sampling_steps: int = 8
    tolerance: float = 1e-4
    log_density: str = "hutchinson"
    probes: int = 8
    density_steps: int = 8

    @abstractmethod
    def velocity(self, features: int, context: int) -> nn.Module:
        """An untrained network of clouds, see `generators.jets.flow.Velocity`."""

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise HyperparameterError(f"path '{self.path}' is not one of {', '.join(PATHS)}.")
        for name in ("sampling_steps", "density_steps", "probes", "tolerance"):
            if not getattr(self, name) > 0:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be positive.")
        solver(self.solver, steps=self.sampling_steps, tolerance=self.tolerance)
        density_trace(self.log_density, self.probes)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudFlow:
        points, features = shape
        schedule = PATHS[self.path]()
        return CloudFlow(
            self.velocity(features, context),
            features,
            self.counting(points, context),
            schedule=schedule,
            time_sampling=VelocityMatching(schedule),
            time_embedding=by_angle,
            sampling_solver=solver(self.solver, steps=self.sampling_steps, tolerance=self.tolerance),
            trace=density_trace(self.log_density, self.probes),
            solver=density_solver(self.solver, steps=self.density_steps, tolerance=self.tolerance),
        )

    @override
    def objective(self, network: CloudDensity) -> CloudMatching:
        return cloud_matching(network)
