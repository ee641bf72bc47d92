"""Networks of sets of points by a mean over them (Deep Sets: Zaheer et al., 1703.06114)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from generators.flows.univariate import Univariate
from generators.networks.split_linear import SplitLinear


class PointSet(nn.Module):
    """Numbers (N, out) of a cloud: layers of `each` for every point, the mean, and layers of `whole`."""

    def __init__(self, features: int, *, each: Sequence[int], whole: Sequence[int]) -> None:
        super().__init__()
        self.each, self.whole = _layers([features, *each]), _layers([each[-1], *whole])

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Of points x (N, P, F) where the mask (N, P) is; their order changes nothing."""
        shares = mask.to(x.dtype) / mask.sum(dim=1, keepdim=True).clamp_min(1).to(x.dtype)
        out: Tensor = self.whole(torch.bmm(shares[:, None], self.each(x))[:, 0])
        return out


class SetCoupling(nn.Module):
    """Some numbers of a point through univariate maps, given its others, those of all points, and what is known.

    Points (N, P, F) follow a permutation; forward and inverse give them and log|det| (N,) of the present ones.
    """

    def __init__(
        self,
        transformed: Sequence[bool],
        known: int,
        univariate: Univariate,
        *,
        each: Sequence[int],
        whole: Sequence[int],
        hidden: Sequence[int],
    ) -> None:
        super().__init__()
        self.moved = [place for place, moved in enumerate(transformed) if moved]
        self.kept = [place for place, moved in enumerate(transformed) if not moved]
        self.univariate = univariate
        self.set = PointSet(len(self.kept), each=each, whole=whole)
        self.enter = SplitLinear(len(self.kept), whole[-1] + known, out=hidden[0])
        self.body = _layers([*hidden, len(self.moved) * univariate.parameters])
        last = self.body[-1]
        assert isinstance(last, nn.Linear)
        # All maps start alike, near the identity.
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.zero_()

    def forward(self, x: Tensor, mask: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """To the side of the noise."""
        moved, slopes = self.univariate.forward(x[..., self.moved], self._maps(x, mask, known))
        return self._put(x, moved), (slopes * mask[..., None]).sum(dim=(1, 2))

    def inverse(self, z: Tensor, mask: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """To the side of the data."""
        moved, slopes = self.univariate.inverse(z[..., self.moved], self._maps(z, mask, known))
        return self._put(z, moved), (slopes * mask[..., None]).sum(dim=(1, 2))

    def _put(self, x: Tensor, moved: Tensor) -> Tensor:
        return x.index_copy(2, torch.tensor(self.moved, device=x.device), moved)

    def _maps(self, x: Tensor, mask: Tensor, known: Tensor) -> Tensor:
        """(P, N, points, T)."""
        kept = x[..., self.kept]
        h = torch.relu(self.enter(kept, torch.cat([self.set(kept, mask), known], dim=1)))
        out: Tensor = self.body(h)
        return out.reshape(*out.shape[:2], len(self.moved), self.univariate.parameters).movedim(-1, 0).contiguous()


def _layers(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of these sizes with rectifiers between them."""
    parts: list[nn.Module] = []
    for inner, outer in pairwise(sizes):
        parts += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*parts[:-1])
