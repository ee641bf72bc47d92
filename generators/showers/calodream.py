"""CaloDREAM and vit4hep (Favaro et al., 2405.09629): flow matching of all voxels by a transformer on patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor
from typing_extensions import override

from generators.continuous.objectives import VelocityMatching
from generators.continuous.solvers import solver
from generators.continuous.velocities import by_angle
from generators.errors import HyperparameterError, ShapeError
from generators.flows.sizes import require_sizes
from generators.networks.vision_transformer import VisionTransformer
from generators.registry import create, register
from generators.showers.blocks import LayersBlock
from generators.showers.blockwise import Part
from generators.showers.energy_tree import EnergyTree
from generators.showers.given_layers import GivenLayersDensity
from generators.tabular.base import ConditionalDensity, OneLossDensity
from generators.tabular.continuous import (
    ContinuousDensity,
    FlowInTime,
    MatchingObjective,
    density_solver,
    density_trace,
    matching_objective,
)
from generators.tabular.flow_matching import PATHS
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class PatchFlow(FlowInTime, OneLossDensity):
    """Flow matching of the cells of `layers` = [angles, rings], with the velocity of a `VisionTransformer`.

    With the defaults and 45 layers of 16 × 9 voxels it has the 26,042,688 parameters of CaloDREAM for CaloChallenge 2.
    `path`, `solver`, `sampling_steps`, `tolerance`, `log_density`, `probes` and `density_steps` are those of
    "flow_matching": the density takes the divergence of the velocity along the way, "exact" where there are a few
    cells, or by "hutchinson".
    """

    kind: ClassVar[str] = "patch_flow"

    layers: Sequence[Sequence[int]] = ((1, 2),)
    patch: Sequence[int] = (3, 16, 1)
    width: int = 480
    depth: int = 6
    heads: int = 6
    ratio: int = 4
    path: str = "straight"
    solver: str = "rk4"
    sampling_steps: int = 20
    tolerance: float = 1e-5
    log_density: str = "hutchinson"
    probes: int = 4
    density_steps: int = 10
    bijection: str | dict[str, Any] = "standardise"
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=800, batch_size=64, learning_rate=1e-3, weight_decay=1e-5, clip=100.0
        )
    )

    def __post_init__(self) -> None:
        EnergyTree(self.layers, None)
        self.layers, self.patch = [list(layer) for layer in self.layers], list(self.patch)
        names = ("width", "depth", "heads", "ratio", "sampling_steps", "density_steps", "probes")
        require_sizes(self.kind, **{name: getattr(self, name) for name in names})
        if len(self.patch) != 3 or min(self.patch) < 1 or self.width % self.heads or self.width < 6:
            raise HyperparameterError(
                f"{self.kind}: patch = {self.patch} must be three sizes, of layers, angles and rings, and width = "
                f"{self.width} at least 6 and a multiple of heads = {self.heads}."
            )
        if self.path not in PATHS:
            raise HyperparameterError(f"path '{self.path}' is not one of {', '.join(PATHS)}.")
        solver(self.solver, steps=self.sampling_steps, tolerance=self.tolerance)
        density_trace(self.log_density, self.probes)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> PatchDensity:
        (features,) = shape
        sizes = {"width": self.width, "depth": self.depth, "heads": self.heads, "ratio": self.ratio}
        network = VisionTransformer(self.layers, context, patch=self.patch, **sizes)
        if network.voxels != features:
            raise ShapeError(f"layers of {self.kind} hold {network.voxels} cells, but there are {features} features.")
        return PatchDensity(self, network, features)

    @override
    def objective(self, network: ConditionalDensity) -> MatchingObjective:
        return matching_objective(network)


class PatchDensity(ContinuousDensity):
    """The network of `PatchFlow` with its sampler and density."""

    def __init__(self, flow: PatchFlow, network: VisionTransformer, features: int) -> None:
        super().__init__(
            network,
            features,
            schedule=PATHS[flow.path](),
            time_embedding=by_angle,
            sampling_solver=solver(flow.solver, steps=flow.sampling_steps, tolerance=flow.tolerance),
            trace=density_trace(flow.log_density, flow.probes),
            solver=density_solver(flow.solver, steps=flow.density_steps, tolerance=flow.tolerance),
        )
        self.time_sampling = VelocityMatching(self.schedule)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        return self.carried(noise, c)


@register
@dataclass(kw_only=True, eq=False)
class CaloDream(GivenLayersDensity):
    """Voxels of all layers at once, given their energies, by a "patch_flow": the second network of CaloDREAM.

    The first one is "calodream_energies", in the place of the energies of the chain "showers". None of the public
    programs has a density; here it is that of the flow in time.
    """

    kind: ClassVar[str] = "calodream"

    flow: dict[str, Any] = field(default_factory=lambda: {"kind": "patch_flow"})

    @override
    def complete(self) -> None:
        if self.flow.get("kind") != PatchFlow.kind:
            raise HyperparameterError(f"flow of {self.kind}: {self.flow!r} is no 'patch_flow'.")
        self.flow = self.completed({**self.flow, "layers": self.layers}, "flow")

    @override
    def parts(self) -> list[Part]:
        return [Part([LayersBlock(self.known, range(len(self.layers)))], create(self.flow))]
