"""Showers broken into layers, rings and voxels one after another: exact energies, threshold, empty cells, density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from generators.base import Prepared
from generators.conditional_network import device_of
from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.flows.sizes import require_sizes
from generators.one_phase import OnePhase
from generators.protocols import Array
from generators.registry import register
from generators.showers import tree_kernels
from generators.showers.energy_tree import EnergyTree
from generators.showers.given_energies import refuse_negative
from generators.showers.pieces import NARROWEST, WIDEST, PieceDistribution, TotalDistribution
from generators.showers.presets import photons
from generators.showers.tree_network import LOG_UNIT, ShowerLikelihood, TreeNetwork, Weights
from generators.training.settings import TrainingSettings
from generators.usable_rows import check_rows

#: Numbers of energies that are drawn or evaluated at once; bounds the memory whatever is asked for.
_AT_ONCE = 1 << 21

#: How far energies in the context may be from those of the voxels, relative to them.
_CLOSE = 1e-3

#: Probabilities closer to 0 or 1 are no longer told apart as normal numbers.
_SURE = 1e-12


@register
@dataclass(kw_only=True, eq=False)
class HierarchicalSticks(OnePhase[TreeNetwork]):
    """Showers x (N, V) in GeV, one voxel after another, in a tree of energies (see `EnergyTree`).

    The energy of the shower is broken into `layers` of [angles, rings], taken in `order`; each of these into rings; and
    each ring into angles. Every piece is nothing, all that is left, or a part of it with a mixture of logistics (see
    `PieceDistribution`). No noise is added and nothing is rescaled: energies add up, no voxel lies between zero and the
    `threshold` in GeV, and log_prob is the density of the voxels with energy times the probability that the others have
    none.

    `given` are the columns of the context with energies in GeV that are known, of all voxels above the threshold: none,
    where the energy of the shower is learned given the incident one in column `incident`; one, that of the shower; or
    one for every layer; −1 is the last column. With `symmetric`, every shower is learned rotated by whole
    voxels and mirrored.

    The defaults learn a few thousand showers of a few hundred voxels in minutes on one core.
    """

    kind: ClassVar[str] = "hierarchical_sticks"
    beside = 1

    layers: Sequence[Sequence[int]] = field(default_factory=photons)
    order: Sequence[int] = ()
    threshold: float = 1e-3
    incident: int = 0
    given: Sequence[int] = ()
    symmetric: bool = True
    hidden: int = 384
    local: int = 20
    components: int = 3
    bijection: str | dict[str, Any] = field(init=False)
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=2000,
            batch_size=256,
            learning_rate=3e-3,
            weight_decay=1e-3,
            clip=50.0,
            ema_decay=0.99,
            validation_fraction=0.05,
        )
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, hidden=self.hidden, local=self.local, components=self.components)
        self.layers = [list(layer) for layer in self.layers]
        self.order, self.given = list(self.order), list(self.given)
        # A layer may be empty that never was in training; its energy enters by another way, too.
        self.linear = tuple(self.given)
        if self.incident < 0:
            raise HyperparameterError(f"incident = {self.incident} of {self.kind} is a column, counted from 0.")
        if len(self.given) not in (0, 1, len(self.layers)):
            raise HyperparameterError(
                f"given = {self.given} of {self.kind} must name no column, one with the energy of the shower, or "
                f"{len(self.layers)} with those of the layers."
            )
        by_layers = len(self.given) == len(self.layers) > 1
        order = None if by_layers else self.order or list(range(len(self.layers)))
        self.bijection = {"kind": "readout", "threshold": self.threshold}
        self.tree = EnergyTree(self.layers, order)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> TreeNetwork:
        (features,) = shape
        if features != self.tree.voxels:
            raise ShapeError(f"layers of {self.kind} hold {self.tree.voxels} voxels, but x has {features} columns.")
        return TreeNetwork(
            self.tree,
            context,
            hidden=self.hidden,
            local=self.local,
            pieces=PieceDistribution(self.components),
            total=None if self.given else TotalDistribution(),
            symmetries=self.tree.symmetries() if self.symmetric else torch.arange(features)[None],
        )

    @override
    def objective(self, network: TreeNetwork) -> ShowerLikelihood:
        return ShowerLikelihood(network)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return (self.features_,)

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        self._check(x, context, weights)

    @override
    def prepared(self, x: Tensor, context: Tensor, weights: Tensor, *, seed: int) -> Prepared:
        bijection = self.unfitted_bijection().fit(x, weights)
        z, _ = bijection.forward(x)
        self._check_given(z, context)
        return Prepared(z, self._log_incident(context), bijection)

    @override
    def mapped(self, x: Tensor, context: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        z, _ = self.bijection_.forward(x)
        self._check_given(z, context)
        return z, self._log_incident(context)

    @override
    def one_mapped_back(self, row: Tensor) -> Tensor:
        return self.bijection_.inverse(row)

    @override
    def rows_at_once(self, network: TreeNetwork) -> int:
        return max(1, _AT_ONCE // self.tree.slots)

    @override
    def drawn(self, network: TreeNetwork, raw: Tensor, c: Tensor, generator: torch.Generator) -> Tensor:
        device, nodes = device_of(network), self.tree.nodes
        if network.total is None:
            roots = raw[:, list(self.given)] / self.threshold
            roots = torch.where(roots >= 1, roots, torch.zeros_like(roots))
        else:
            parameters = network.of_total(c.to(device)).cpu()
            roots = network.total.draw(parameters, self._log_incident(raw)[:, 0], generator)[:, None]
        energies = torch.zeros(len(c), self.tree.slots, dtype=torch.float64)
        energies[:, nodes:-1] = roots
        columns = network.columns(c.to(device), roots.to(device, c.dtype))
        layers = (network.first, network.second)
        beside = torch.stack(
            [own(columns) + layer.bias for own, layer in zip(network.beside, layers, strict=True)]
        ).cpu()
        tree = (self.tree.neighbours, self.tree.parent, self.tree.first, self.tree.last)
        tree_kernels.draw(
            np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator))),
            energies.numpy(),
            columns.cpu().numpy(),
            beside.numpy(),
            Weights.of(network).fields(),
            tuple(part.numpy() for part in tree),
            LOG_UNIT,
            (NARROWEST, WIDEST),
        )
        return self.bijection_.inverse(energies[:, self.tree.voxel_nodes])

    def log_prob(self, x: Array, context: Array) -> NDArray[np.float64]:
        """Log p(x | c), (N,), for showers x (N, V) in GeV and context (N, C).

        It is the probability that just these voxels have energy, times their density in 1/GeV. Where energies are
        given, the density is that on the surface of showers with these energies, per GeV of all voxels with energy but
        one for each energy that is given; it is −∞ for a shower that has not got them. So it is for showers with a
        negative energy.
        """
        raw, c = self._context(context)
        rows = np.asarray(x, np.float64)
        self._check(rows, raw.numpy(), np.ones(len(rows)), minimum=0)
        at, parts = torch.as_tensor(rows), []
        with torch.no_grad():
            for chunk in torch.split(torch.arange(len(c)), self.rows_at_once(self.networks_[0])):
                z, _ = self.bijection_.forward(at[chunk])
                roots = self.tree.root_energies(z)
                free = (z > 0).sum(dim=1) - (roots > 0).sum(dim=1) * bool(self.given)
                columns = torch.cat([c[chunk], self._log_incident(raw[chunk]).float()], dim=1)
                each = [
                    network.log_density(z.to(device_of(network)), columns.to(device_of(network))).cpu()
                    for network in self.networks_
                ]
                mean = torch.logsumexp(torch.stack(each), dim=0) - math.log(len(each))
                possible = (at[chunk] >= 0).all(dim=1) & self._as_given(roots, raw[chunk])
                parts.append(torch.where(possible, mean - free * math.log(self.threshold), -torch.inf))
        return torch.cat(parts).double().numpy() if parts else np.empty(0)

    def normal_scores(self, x: Array, context: Array, *, seed: int) -> NDArray[np.float64]:
        """Every piece as a normal number, (N, nodes), NaN where nothing was left to decide.

        For showers of the model they are standard normal and independent of each other and of the context, so that
        sums of their squares say where a shower is unusual, in units that are known. `regions` says of what part of
        the shower each is: 0 of the division into layers, 1 + l of the inside of layer l. What is nothing or all has
        a probability of its own, in which it is placed at random; of several networks the first one is asked.
        """
        raw, c = self._context(context)
        rows = np.asarray(x, np.float64)
        self._check(rows, context, np.ones(len(rows)), minimum=0)
        random, network = torch.Generator().manual_seed(seed), self.networks_[0]
        at, parts = torch.as_tensor(rows), [torch.empty(0, self.tree.nodes, dtype=torch.float64)]
        with torch.no_grad():
            for chunk in torch.split(torch.arange(len(c)), self.rows_at_once(network)):
                z, _ = self.bijection_.forward(at[chunk])
                columns = torch.cat([c[chunk], self._log_incident(raw[chunk]).float()], dim=1)
                uniform = torch.rand(len(z), self.tree.nodes, generator=random, dtype=torch.float64)
                device = device_of(network)
                below = network.cumulative_of_pieces(z.to(device), columns.to(device), uniform.to(device)).cpu()
                parts.append(torch.special.ndtri(below.double().clamp(_SURE, 1 - _SURE)))
        return torch.cat(parts).numpy()

    @property
    def regions(self) -> NDArray[np.int64]:
        """Part of the shower that a piece is of, (nodes,): 0 for layers, 1 + l for the inside of layer l."""
        return self.tree.regions.numpy()

    def _log_incident(self, raw: Tensor) -> Tensor:
        """Logarithm of the incident energy over the threshold (N, 1), or 0 where it is not needed."""
        if self.given:
            return raw.new_zeros(len(raw), 1)
        return (raw[:, self.incident : self.incident + 1] / self.threshold).log()

    def _as_given(self, roots: Tensor, raw: Tensor) -> Tensor:
        """Whether energies of the roots (N, R) are those of the context, (N,)."""
        if not self.given:
            return torch.ones(len(raw), dtype=torch.bool)
        due = raw[:, list(self.given)] / self.threshold
        due = torch.where(due >= 1, due, torch.zeros_like(due))
        return ((roots - due).abs() <= _CLOSE * (1 + due)).all(dim=1)

    def _check_given(self, z: Tensor, context: Tensor) -> None:
        wrong = ~self._as_given(self.tree.root_energies(z), context)
        if bool(wrong.any()):
            raise ShapeError(
                f"context: columns {list(self.given)} should hold energies of voxels above the threshold of "
                f"{self.threshold:g} GeV; in {int(wrong.sum())} of {len(z)} rows they do not (first in row "
                f"{int(wrong.int().argmax())})."
            )

    def _check(self, x: Array, context: Array, weights: NDArray[np.float64], minimum: int | None = None) -> None:
        """Refuse what is no showers of these layers, by name."""
        if len(np.shape(x)) != 2 or np.shape(x)[1] != self.tree.voxels:
            raise ShapeError(
                f"x must be (N, {self.tree.voxels}), the voxels of layers of {self.kind}; it is {np.shape(x)}."
            )
        check_rows(x, context, weights, **({} if minimum is None else {"minimum": minimum}))
        columns = np.shape(context)[1]
        needed = self.given or [self.incident]
        if not all(-columns <= column < columns for column in needed):
            raise ShapeError(f"{self.kind} needs the columns {needed} of the context, which has {columns}.")
        used = weights != 0
        if not self.given and not (np.asarray(context)[used, self.incident] > 0).all():
            raise NonFiniteInputError(f"context, column {self.incident}: incident energies must be positive.")
        if minimum is None:
            refuse_negative(x, used)
