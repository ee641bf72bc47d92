"""JetFlow: a spline flow of whole jets that knows their mass (Käch et al., 2211.13630)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from generators.bijections.base import FittedBijection
from generators.errors import HyperparameterError
from generators.flows.coupling import Coupling
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.sizes import require_sizes
from generators.jets.base import PT, CloudGenerator, CloudSampler
from generators.jets.flattened import FlattenedFlow
from generators.jets.four_momenta import summed
from generators.jets.lengths import prefix_mask
from generators.jets.multiplicity import Multiplicity
from generators.jets.ordered_points import ordered
from generators.networks.mlp import ParameterMLP
from generators.objective import Objective
from generators.protocols import Monitor
from generators.registry import register
from generators.training.acceleration import standard_normal
from generators.training.batches import TrainingData
from generators.training.phases import Phase, trainable
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained

#: Behind the preprocessing nothing true lies so far; a flow that has learned nothing may draw it, and its pT overflows.
_FARTHEST = 6.0
#: Smallest mass per pT of a jet, of which the logarithm is taken.
_LIGHTEST = 1e-4
#: Jets that say where the masses lie, and how far apart.
_MASSES = 20_000


@register
@dataclass(kw_only=True, eq=False)
class JetFlow(CloudGenerator["MassFlow"]):
    """Spline couplings of all features of all constituents together, conditioned on the mass of the jet and held to it.

    `blocks` couplings of random halves of the 30 × 3 numbers have networks of `layers` hidden layers with `hidden`
    units, `bins` bins and tails from `tail_bound` on. The mass m/pT is drawn first, from a flow given N and c (in the
    paper from the distribution of the training jets with that N). `constraint` times the square of the difference of
    the masses that were asked for and got, in units of pT, is added to the loss. Constituents are in the order of
    falling pT, and absent ones take no part. The mass is a condition and a function of the constituents: no density.
    """

    kind: ClassVar[str] = "jet_flow"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "blocks": 30,
            "hidden": 128,
            "layers": 4,
            "constraint": 500.0,
            "tail_bound": 10.0,
            "training": {
                "steps": None,
                "epochs": 2000,
                "batch_size": 5000,
                "learning_rate": 1e-3,
                "schedule": "constant",
            },
        },
    }

    blocks: int = 8
    hidden: int = 96
    layers: int = 2
    bins: int = 8
    tail_bound: float = 6.0
    constraint: float = 100.0
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(steps=5_000, batch_size=256, learning_rate=1e-3, ema_decay=0.99)
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, blocks=self.blocks, hidden=self.hidden, layers=self.layers, bins=self.bins)
        for name in ("constraint", "tail_bound"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must not be negative.")

    @override
    def build(self, shape: tuple[int, ...], context: int) -> MassFlow:
        points, features = shape
        flow = FlattenedFlow(
            points,
            features,
            context + 1,
            blocks=self.blocks,
            hidden=self.hidden,
            layers=self.layers,
            bins=self.bins,
            tail_bound=self.tail_bound,
        )
        return MassFlow(flow, self.counting(points, context), context)

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """By the likelihood of masses and constituents, and the masses of what is drawn."""
        network = self.untrained(data, seed=seed)
        loss = MassLoss(network, self.bijection_, self.constraint)
        some = slice(0, _MASSES)
        network.know(loss.mass(data.x[some], data.context[some, -1].long()))
        phase = Phase(self.kind, loss, trainable(loss))
        return self.trained(network, [phase], data, seed=seed, monitor=monitor, checkpoint=checkpoint, keep=network)


class MassFlow(CloudSampler):
    """p(n | c), p(m | n, c), and the flow of points given all three."""

    centre: Tensor
    width: Tensor

    def __init__(self, flow: FlattenedFlow, multiplicity: Multiplicity | None, context: int) -> None:
        super().__init__()
        self.flow, self.multiplicity, self.features = flow, multiplicity, flow.features
        univariate = RationalQuadratic(8, 5.0)
        net = ParameterMLP(
            0,
            context + 1,
            hidden=64,
            layers=2,
            numbers=1,
            parameters=univariate.parameters,
            activation=functional.silu,
        )
        self.masses = Coupling([1], net, univariate)
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("width", torch.ones(()))

    def know(self, mass: Tensor) -> None:
        """Where the masses (N,) lie."""
        log = mass.clamp_min(_LIGHTEST).log()
        self.centre.copy_(log.mean())
        self.width.copy_(log.std(correction=0).clamp_min(1e-3))

    def score(self, mass: Tensor) -> Tensor:
        """Masses m/pT (N,) as the networks see them, (N, 1)."""
        return ((mass.clamp_min(_LIGHTEST).log() - self.centre) / self.width)[:, None]

    def known(self, counts: Tensor, c: Tensor) -> Tensor:
        """What the mass depends on, (N, C + 1)."""
        return torch.cat([c, counts.to(c.dtype)[:, None] / max(self.flow.points, 1)], dim=1)

    @override
    def draw(self, counts: Tensor, c: Tensor, points: int, generator: torch.Generator) -> Tensor:
        of_mass = standard_normal((len(c), 1), generator, c.device)
        noise = standard_normal((len(c), points, self.features), generator, c.device)
        score, _ = self.masses.inverse(of_mass, self.known(counts, c))
        mask = prefix_mask(counts, points)[..., None]
        return self.flow.transport(noise * mask, counts, torch.cat([c, score], dim=1)) * mask


class MassLoss(Objective[MassFlow]):
    """−log p of the mass and of the constituents, the latter over the mean of N, and the constraint."""

    def __init__(self, network: MassFlow, bijection: FittedBijection, constraint: float) -> None:
        super().__init__(network)
        self.bijection, self.constraint = bijection, constraint

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Loss (N,) of jets z (N, P, F) at c (N, C + 1), whose last column is N."""
        network, counts, c = self.network, c[:, -1].long(), c[:, :-1]
        mass = self.mass(z, counts)
        score = network.score(mass)
        at, log_det = network.masses.forward(score, network.known(counts, c))
        given = torch.cat([c, score], dim=1)
        of_points = network.flow.log_prob(ordered(z, counts), counts, given)
        loss = 0.5 * at[:, 0].square() - log_det - of_points / counts.to(z.dtype).mean().clamp_min(1)
        if network.multiplicity is not None:
            loss = loss - network.multiplicity.log_prob(counts, c)
        if self.constraint:
            noise = torch.randn_like(z) * prefix_mask(counts, z.shape[1])[..., None]
            drawn = self.mass(network.flow.transport(noise, counts, given), counts)
            loss = loss + self.constraint * (drawn - mass).square()
        return loss

    def mass(self, z: Tensor, counts: Tensor) -> Tensor:
        """m/pT (N,) of clouds z (N, P, F)."""
        mask = prefix_mask(counts, z.shape[1])
        rows = self.bijection.inverse(z[mask].clamp(-_FARTHEST, _FARTHEST).double().cpu())
        x = rows.new_zeros(*z.shape).index_put((mask.cpu(),), rows)
        pt = torch.where(mask.cpu(), x[..., PT].clamp(max=_FARTHEST).exp(), 0.0)
        jets = summed(pt, x[..., 0], x[..., 1])
        # The root has no slope at zero, where a single constituent is.
        square = (jets.mass.square() / jets.pt.square().clamp_min(1e-12)).clamp_min(_LIGHTEST**2)
        return square.sqrt().to(z)
