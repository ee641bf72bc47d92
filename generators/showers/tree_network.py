"""The network of the pieces of a tree of energies: a masked network of all, and a small one of its own for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from generators.conditional_network import ConditionalNetwork
from generators.networks.made import MaskedLinear
from generators.objective import Objective
from generators.showers.energy_tree import PART, REST, EnergyTree, Pieces
from generators.showers.pieces import PieceDistribution, TotalDistribution

#: What is known of an energy: whether there is any, its logarithm, and that of what was left after it.
CHANNELS = 3

#: Logarithms of energies over the threshold are divided by this, so that they are of order one.
LOG_UNIT = 4.0

#: Share of hidden units that see the context alone.
_OF_CONTEXT = 6

#: Hidden units of the network of the energy of the shower.
_TOTAL_HIDDEN = 64

#: Columns that a piece is told beside its neighbours and the context: what is left, its square, the whole.
OWN = 3


class TreeNetwork(ConditionalNetwork):
    """Parameters of all pieces given the context, the roots and the pieces before, and the loss −log p.

    Rows z (N, V) are showers in units of the threshold with nothing below it. The last column of c (N, C + 1) is the
    logarithm of the incident energy in these units, which only `total` looks at, where the energy of the shower is
    learned. `hidden` units of two masked layers see all pieces before, `local` units for each piece
    its neighbours.
    """

    def __init__(
        self,
        tree: EnergyTree,
        context: int,
        *,
        hidden: int,
        local: int,
        pieces: PieceDistribution,
        total: TotalDistribution | None,
        symmetries: Tensor,
    ) -> None:
        super().__init__()
        self.tree, self.pieces, self.total = tree, pieces, total
        self.symmetries = symmetries
        columns, nodes, numbers = context + 2 * tree.roots, tree.nodes, pieces.parameters
        few = max(1, hidden // _OF_CONTEXT)
        degrees = torch.cat([torch.zeros(few), torch.linspace(0, nodes - 1, hidden - few)]).sort().values.long()
        inputs = torch.arange(1, nodes + 1)
        self.first = MaskedLinear(inputs.repeat_interleave(CHANNELS), degrees)
        self.second = MaskedLinear(degrees, degrees)
        self.outputs = MaskedLinear(degrees, inputs.repeat_interleave(numbers), strict=True)
        self.beside = nn.ModuleList([nn.Linear(columns, hidden, bias=False) for _ in range(2)])
        features = tree.neighbours.shape[1] * CHANNELS + columns + OWN
        self.inner = nn.Parameter(torch.randn(nodes, features, local) / features**0.5)
        self.inner_bias = nn.Parameter(torch.zeros(nodes, local))
        self.outer = nn.Parameter(torch.zeros(nodes, local, numbers))
        self.direct = nn.Parameter(torch.zeros(nodes, features, numbers))
        with torch.no_grad():
            self.outputs.weight.zero_()
            self.outputs.bias.copy_(pieces.initial().repeat(nodes))
        if total is not None:
            last = nn.Linear(_TOTAL_HIDDEN, total.parameters)
            with torch.no_grad():
                last.weight.mul_(0.1)
                last.bias.copy_(total.initial())
            first, second = nn.Linear(context, _TOTAL_HIDDEN), nn.Linear(_TOTAL_HIDDEN, _TOTAL_HIDDEN)
            self.of_total = nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), last)

    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        """Log-density (N,) per unit of energy of every piece that is a part, and of the shower where it is learned."""
        out = self.log_density_of_pieces(z, c).sum(dim=1)
        if self.total is not None:
            roots = self.tree.root_energies(z.double())
            out = out + self.total.log_prob(self.of_total(c[:, :-1]), roots[:, 0], c[:, -1].double())
        return out

    def log_density_of_pieces(self, z: Tensor, c: Tensor) -> Tensor:
        """Log-density (N, nodes) of every piece given those before it, 0 where nothing is left to decide."""
        found, parameters = self._of_showers(z, c)
        of_pieces = self.pieces.log_prob(parameters, found.energies[:, : self.tree.nodes], found.before, found.choice)
        return torch.where(self._undecided(found), of_pieces, torch.zeros_like(of_pieces))

    def cumulative_of_pieces(self, z: Tensor, c: Tensor, uniform: Tensor) -> Tensor:
        """Probability (N, nodes) of a smaller piece given those before it, NaN where nothing is left to decide.

        `uniform` (N, nodes) is the part that is added of the probability of an equal piece.
        """
        found, parameters = self._of_showers(z, c)
        energies = found.energies[:, : self.tree.nodes]
        below = self.pieces.cumulative(parameters, energies, found.before, found.choice, uniform)
        return torch.where(self._undecided(found), below, torch.full_like(below, torch.nan))

    def _of_showers(self, z: Tensor, c: Tensor) -> tuple[Pieces, Tensor]:
        """Pieces of showers in double precision, and their parameters."""
        found = self.tree.split(z.double())
        roots = found.energies[:, self.tree.nodes : -1]
        pieces = Pieces(found.energies.to(c.dtype), found.before.to(c.dtype), found.choice)
        return found, self.parameters_of(pieces, self.columns(c[:, :-1], roots.to(c.dtype)))

    def _undecided(self, found: Pieces) -> Tensor:
        return (found.before > 0) & ~self.tree.last.to(found.before.device)

    def columns(self, known: Tensor, roots: Tensor) -> Tensor:
        """What all pieces are told: the context, and of every root whether it has energy, and how much."""
        return torch.cat([known, (roots > 0).to(known.dtype), roots.log1p() / LOG_UNIT], dim=1)

    def parameters_of(self, pieces: Pieces, columns: Tensor) -> Tensor:
        """Parameters (N, nodes, P), of each piece by those before it."""
        nodes, batch = self.tree.nodes, len(columns)
        channels = self._channels(pieces)
        h = self.first(channels[:, :nodes].flatten(1)) + self.beside[0](columns)
        h = self.second(functional.silu(h)) + self.beside[1](columns)
        shared: Tensor = self.outputs(functional.silu(h)).reshape(batch, nodes, self.pieces.parameters)
        near = channels[:, self.tree.neighbours.to(columns.device)].flatten(2)
        whole = pieces.energies[:, self.tree.parent.to(columns.device)]
        rest, whole = (values.clamp_min(0).log1p() / LOG_UNIT for values in (pieces.before, whole))
        own = torch.stack([rest, rest.square(), whole], dim=2)
        features = torch.cat([near, columns[:, None].expand(batch, nodes, -1), own], dim=2).transpose(0, 1)
        inner = functional.silu(torch.bmm(features, self.inner) + self.inner_bias[:, None])
        alone = torch.bmm(inner, self.outer) + torch.bmm(features, self.direct)
        return shared + alone.transpose(0, 1)

    def _channels(self, pieces: Pieces) -> Tensor:
        """What is known of every slot, (N, slots, 3)."""
        energies, nodes = pieces.energies, self.tree.nodes
        after = torch.zeros_like(energies)
        rest = pieces.before - energies[:, :nodes]
        after[:, :nodes] = torch.where(
            pieces.choice == PART, rest, torch.where(pieces.choice == REST, 0, pieces.before)
        )
        logarithms = (values.clamp_min(0).log1p() / LOG_UNIT for values in (energies, after))
        return torch.stack([(energies > 0).to(energies.dtype), *logarithms], dim=2)


class ShowerLikelihood(Objective[TreeNetwork]):
    """Maximum likelihood of showers; in training each is rotated and mirrored at random."""

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        symmetries = self.network.symmetries
        if self.training and len(symmetries) > 1:
            chosen = torch.randint(len(symmetries), (len(z),), device=z.device)
            z = z.gather(1, symmetries.to(z.device)[chosen])
        return -self.network.log_density(z, c)


@dataclass(frozen=True, eq=False)
class Weights:
    """Those of a `TreeNetwork` as the compiled sampler reads them, in single precision."""

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    outputs: NDArray[np.float32]
    bias: NDArray[np.float32]
    inner: NDArray[np.float32]
    inner_bias: NDArray[np.float32]
    outer: NDArray[np.float32]
    direct: NDArray[np.float32]
    known: NDArray[np.int64]

    @classmethod
    def of(cls, network: TreeNetwork) -> Weights:
        """`known[i]` is the number of hidden units that see no more than the first i pieces."""
        tree, numbers = network.tree, network.pieces.parameters

        def plain(values: Tensor) -> NDArray[np.float32]:
            return np.ascontiguousarray(values.detach().cpu().float().numpy())

        return cls(
            plain(network.first.weight * network.first.mask),
            plain(network.second.weight * network.second.mask),
            plain(network.outputs.weight.reshape(tree.nodes, numbers, -1)),
            plain(network.outputs.bias.reshape(tree.nodes, numbers)),
            plain(network.inner.transpose(1, 2)),
            plain(network.inner_bias),
            plain(network.outer.transpose(1, 2)),
            plain(network.direct.transpose(1, 2)),
            np.searchsorted(network.first.degrees.cpu().numpy(), np.arange(tree.nodes), side="right"),
        )

    def fields(self) -> tuple[NDArray[np.generic], ...]:
        """All arrays, in the order in which they are named."""
        return (
            self.first,
            self.second,
            self.outputs,
            self.bias,
            self.inner,
            self.inner_bias,
            self.outer,
            self.direct,
            self.known,
        )
