"""What both trees have in common: the maker, which branches, and how it knows the number of points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.errors import HyperparameterError
from generators.jets.adversarial_cloud import AdversarialCloud, CloudMaker
from generators.networks.branching_tree import BranchingTree


@dataclass(kw_only=True, eq=False)
class TreeOfPoints(AdversarialCloud):
    """Hyperparameters of a tree that branches into constituents.

    A root of `root` normal numbers branches `branches` times at every level, the last time as often as the largest
    cloud needs; `features` are the numbers of a node at the levels between. All nodes of a level have `overall` numbers
    of it together; `hidden` is the size of all layers but larger ones. Leaves beyond N are cut. The tree sees N once,
    and not in the column `multiplicity` of the context as well.
    """

    root: int = 64
    branches: list[int] = field(default_factory=lambda: [2, 3, 5])
    features: list[int] = field(default_factory=lambda: [33, 20])
    overall: int = 3
    hidden: int = 100

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudMaker:
        points, features = shape
        sizes = (self.root, *self.features, features)
        # The tree is told N in its own way, and not twice.
        beside = [k for k in range(context) if self.multiplicity is None or k != self.multiplicity % context]
        maker = Maker(sizes, branches_for(self.branches, points), points, beside, self.overall, hidden=self.hidden)
        return CloudMaker(maker, features, self.counting(points, context), point_numbers=0, cloud_numbers=self.root)

    def sizes_of_tree(self) -> dict[str, int]:
        """Those that must be at least one."""
        if len(self.features) != len(self.branches) - 1:
            raise HyperparameterError(
                f"features of {self.kind} are those between {len(self.branches)} branchings: "
                f"{len(self.branches) - 1} numbers, not {len(self.features)}."
            )
        many = {
            f"{name}[{place}]": size
            for name in ("branches", "features")
            for place, size in enumerate(getattr(self, name))
        }
        return {"root": self.root, "overall": self.overall, "hidden": self.hidden, **many}


def branches_for(branches: Sequence[int], points: int) -> list[int]:
    """The same, but for the last, which is as many as it takes to have so many leaves."""
    *inner, last = branches
    return [*inner, max(last, math.ceil(points / math.prod(inner)))]


class Maker(nn.Module):
    """A tree of normal numbers whose first leaves are the points; it sees N and columns `beside` of the context."""

    def __init__(
        self,
        features: Sequence[int],
        branches: Sequence[int],
        points: int,
        beside: Sequence[int],
        overall: int,
        *,
        hidden: int,
    ) -> None:
        super().__init__()
        self.points, self.beside = points, list(beside)
        self.tree = BranchingTree(features, branches, 1 + len(self.beside), overall, hidden=hidden)

    def forward(self, noise: Tensor, of_cloud: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Points (N, P, F)."""
        known = torch.cat([number_on_a_line(counts, self.points), c[:, self.beside]], dim=1)
        out: Tensor = self.tree(of_cloud, known)[:, : noise.shape[1]]
        return out


def number_on_a_line(counts: Tensor, points: int) -> Tensor:
    """A number (N,) from 0 to `points` as one without bounds, (N, 1)."""
    return ((counts.float() + 0.5) / (points + 1)).logit()[:, None]
