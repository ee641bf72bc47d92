"""A cloud as the leaves of a tree whose nodes branch, and hear of all their ancestors (DeepTreeGAN: 2311.12616)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from generators.networks.three_layers import three_layers


class WholeLevel(nn.Module):
    """A few numbers (N, G) of all nodes (N, K, F) of a level together, and of what is known of the cloud (N, C)."""

    def __init__(self, features: int, known: int, outputs: int, *, hidden: int) -> None:
        super().__init__()
        # The harmonic mean of both numbers, which lies nearer to the smaller one.
        between = 2 * features * outputs // (features + outputs)
        self.of_nodes = three_layers(features, between, hidden=max(hidden, features), linear=False)
        self.of_sum = three_layers(between + known, outputs, hidden=max(hidden, between + known), linear=False)

    def forward(self, nodes: Tensor, known: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.of_sum(torch.cat([self.of_nodes(nodes).sum(dim=1), known], dim=1))
        return out


class Branching(nn.Module):
    """Every node (N, K, F) becomes `branches` nodes, (N, K · branches, G), each of which starts from its parent.

    After that a node hears the sum of itself and all its ancestors, of which the first G numbers are told.
    """

    def __init__(self, features: int, outputs: int, branches: int, known: int, overall: int, *, hidden: int) -> None:
        super().__init__()
        self.branches, self.outputs = branches, outputs
        beside, many = known + overall, features * branches
        self.level = WholeLevel(features, known, overall, hidden=hidden)
        self.split = three_layers(features + beside, many, hidden=max(hidden, features + beside, many))
        self.reduce = three_layers(features, outputs, hidden=max(hidden, features))
        self.hear = three_layers(outputs + beside, outputs, hidden=max(hidden, outputs + beside))

    def forward(self, nodes: Tensor, ancestors: Tensor, depth: int, known: Tensor) -> tuple[Tensor, Tensor]:
        """Children, and the sum of each with all its ancestors; `ancestors` are the sums for the nodes, `depth` their
        number.
        """
        rows, count, features = nodes.shape
        beside = torch.cat([known, self.level(nodes, known)], dim=1)
        everywhere = beside[:, None].expand(-1, count, -1)
        children = self.split(torch.cat([nodes, everywhere], dim=2)).view(rows, count * self.branches, features)
        children = self.reduce(children + nodes.repeat_interleave(self.branches, dim=1))
        sums = ancestors.repeat_interleave(self.branches, dim=1)[..., : self.outputs] + children
        # What belongs to the cloud is told by each of them.
        told = torch.cat([sums, ((depth + 1) * beside)[:, None].expand(-1, sums.shape[1], -1)], dim=2)
        grown = children + self.hear(told)
        return grown, sums - children + grown


class BranchingTree(nn.Module):
    """A root (N, features[0]) that branches into points (N, ∏ branches, features[-1])."""

    def __init__(
        self, features: Sequence[int], branches: Sequence[int], known: int, overall: int, *, hidden: int
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            Branching(inner, outer, many, known, overall, hidden=hidden)
            for inner, outer, many in zip(features[:-1], features[1:], branches, strict=True)
        )

    def forward(self, root: Tensor, known: Tensor) -> Tensor:
        """What is known of the cloud is (N, C)."""
        nodes = sums = root[:, None]
        for depth, level in enumerate(self.levels, start=1):
            nodes, sums = level(nodes, sums, depth, known)
        return nodes
