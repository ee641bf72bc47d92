"""The density of a cloud, point after point."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from generators.jets.base import PT, CloudDensity, CloudObjective
from generators.jets.lengths import by_length, prefix_mask
from generators.jets.multiplicity import Multiplicity
from generators.networks import truncated_logistic
from generators.networks.normal_mixture import NormalMixture

#: Place of the two coordinates among the features of a point.
_POSITION = 2
#: A bound for points that have none, and how far behind the preprocessing a network looks.
_NO_BOUND, _FARTHEST = 1e4, 8.0
#: Numbers in which a point and one before it meet.
_PAIR = 32
#: Clouds of a part when learning and when drawing: every point is a step, which costs few clouds as much as many.
_LEARNED, _DRAWN = 512, 2048


class OrderedPoints(CloudDensity):
    """p(z₁ | c) p(z₂ | z₁, c) … for points by falling pT.

    A recurrent network (GRU; Cho et al., 1406.1078) remembers the points before. Ln pT of the next is a mixture of
    logistic distributions that ends at the pT of the last, and its other features, given that, a mixture of normal
    distributions. Some components of the latter lie around the positions of the hardest points before, `anchors` of
    them: what is radiated lies near to what radiates.
    """

    def __init__(
        self,
        features: int,
        context: int,
        points: int,
        multiplicity: Multiplicity | None,
        *,
        width: int,
        layers: int,
        components: int,
        anchors: int,
    ) -> None:
        super().__init__()
        # Both mixtures choose a component and draw from it.
        self.random_numbers = features + 2
        self.features, self.points, self.anchors, self.multiplicity = features, points, anchors, multiplicity
        self.others = [index for index in range(features) if index != PT]
        self.enter = nn.Linear(features, width)
        self.know = nn.Linear(context + 1, width)
        self.left = nn.Linear(2, width)
        self.place = nn.Parameter(0.1 * torch.randn(max(points, 1), width))
        self.memory = nn.GRU(width, width, num_layers=layers, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.of_pt = nn.Linear(width, components * truncated_logistic.PARAMETERS)
        self.mixture = NormalMixture(features - 1, components + anchors, farthest=_FARTHEST)
        self.body = nn.Linear(width, 2 * width)
        self.beside = nn.Linear(3, 2 * width, bias=False)
        self.of_free = nn.Linear(2 * width, components * self.mixture.parameters_of_one)
        self.here, self.there = nn.Linear(2 * width, _PAIR), nn.Linear(features, _PAIR)
        self.of_pair = nn.Linear(_PAIR, self.mixture.parameters_of_one)
        self._start(components)

    def _start(self, components: int) -> None:
        """Components at different places and of different widths, so that no two learn the same."""
        widths = slice(self.features, 2 * self.features - 1)
        with torch.no_grad():
            self.of_pt.bias.view(components, -1)[:, 1] = torch.linspace(-1.5, 1.5, components)
            self.of_free.weight.zero_()
            start = torch.zeros(components, self.mixture.parameters_of_one)
            start[:, widths] = -torch.linspace(-4.0, 0.5, components)[:, None]
            self.of_free.bias.copy_(start.flatten())
            self.of_pair.weight.mul_(0.1)
            self.of_pair.bias.zero_()
            self.of_pair.bias[widths] = 3.0

    @override
    def log_density(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Any order of the points is as likely as that by falling pT."""
        return self.in_order(counts, z, c) - torch.lgamma(counts.to(z.dtype) + 1)

    @override
    def transport(self, noise: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        return by_length(self._drawn, counts, noise, c, rows=_DRAWN)

    def in_order(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Log-density (N,) of points (N, P, F) in the order of falling pT."""
        return by_length(self._log_density, counts, ordered(z, counts), c, rows=_LEARNED)

    def _log_density(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Of points (N, P, F) that are in order."""
        length = z.shape[1]
        before = self.enter(z[:, :-1].clamp(-_FARTHEST, _FARTHEST))
        before = functional.pad(before, (0, 0, 1, 0)) + self._known(counts, c, torch.arange(length, device=z.device))
        remembered, _ = self.memory(self.norms[0](before))
        h = self.norms[1](before + remembered)
        pt = z[..., PT]
        bound = functional.pad(pt[:, :-1], (1, 0), value=_NO_BOUND)
        each = truncated_logistic.log_prob(pt, bound, self.of_pt(h)) + self.mixture.log_prob(
            z[..., self.others], *self._others(h, pt, bound, self._anchors(z), torch.arange(length, device=z.device))
        )
        return (each * prefix_mask(counts, length)).sum(dim=1)

    def _drawn(self, counts: Tensor, noise: Tensor, c: Tensor) -> Tensor:
        """Points (N, P, F) from noise (N, P, F + 2)."""
        rows, length = noise.shape[:2]
        z = noise.new_zeros(rows, length, self.features)
        bound = noise.new_full((rows,), _NO_BOUND)
        before, memory = noise.new_zeros(rows, self.place.shape[1]), None
        for index in range(length):
            at = torch.full((1,), index, device=z.device)
            before = before + self._known(counts, c, at)[:, 0]
            remembered, memory = self.memory(self.norms[0](before)[:, None], memory)
            h = self.norms[1](before + remembered[:, 0])
            own = noise[:, index]
            pt = truncated_logistic.draw(own[:, :2], bound, self.of_pt(h))
            share, *rest = self._others(h[:, None], pt[:, None], bound[:, None], self._anchors(z), at)
            chosen = torch.special.ndtr(own[:, 2:3])
            drawn = self.mixture.draw(chosen, own[:, 3:], share[:, 0], *(part[:, 0] for part in rest))
            z[:, index, self.others], z[:, index, PT] = drawn, pt
            before, bound = self.enter(z[:, index].clamp(-_FARTHEST, _FARTHEST)), pt
        return z * prefix_mask(counts, length)[..., None]

    def _known(self, counts: Tensor, c: Tensor, at: Tensor) -> Tensor:
        """What points at places (L,) know beside those before: context, size of the cloud and place, (N, L, W)."""
        n = counts.to(c.dtype)[:, None]
        cloud = self.know(torch.cat([c, n / self.points], dim=1))[:, None]
        # After the last point of a cloud nothing is asked.
        left = (n - at).clamp_min(1)
        known: Tensor = cloud + self.place[at] + self.left(torch.stack([left / self.points, 1 / left], dim=-1))
        return known

    def _anchors(self, z: Tensor) -> Tensor:
        """The hardest points (N, anchors, F), of which there may be fewer."""
        first = z[:, : self.anchors]
        return functional.pad(first, (0, 0, 0, self.anchors - first.shape[1]))

    def _others(
        self, h: Tensor, pt: Tensor, bound: Tensor, anchors: Tensor, at: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The mixture (N, L, K, …) of the other features of points at places (L,), given ln pT and its bound (N, L).

        Its last components lie around points before them.
        """
        pt, bound = (value.clamp(-_FARTHEST, _FARTHEST) for value in (pt, bound))
        given = torch.stack([pt, pt.square() / _FARTHEST, bound], dim=-1)
        state = functional.silu(self.body(h) + self.beside(given))
        known = self.there(anchors.clamp(-_FARTHEST, _FARTHEST))
        pairs = self.of_pair(functional.silu(self.here(state)[:, :, None] + known[:, None]))
        share, mean, log_scale, below = self.mixture.split(torch.cat([self.of_free(state), pairs.flatten(2)], dim=2))
        free = mean.shape[2] - self.anchors
        exists = torch.arange(-free, self.anchors, device=at.device) < at[:, None]
        share = share.masked_fill(~exists, -math.inf).log_softmax(dim=-1)
        around = functional.pad(anchors[..., :_POSITION], (0, self.features - 1 - _POSITION, free, 0))[:, None]
        # In units of the width: components are much narrower than the distance of points.
        below = below * log_scale.exp()[..., self.mixture.columns]
        return share, mean + around, log_scale, below


def ordered(z: Tensor, counts: Tensor) -> Tensor:
    """Points (N, P, F), of which the first `counts` (N,) are present, by falling pT, absent ones last."""
    key = z[..., PT].masked_fill(~prefix_mask(counts, z.shape[1]), -math.inf)
    return z.gather(1, key.argsort(dim=1, descending=True, stable=True)[..., None].expand_as(z))


class OrderedLikelihood(CloudObjective[OrderedPoints]):
    """Maximum likelihood of points in order; every point counts the same, whatever the size of its cloud."""

    @override
    def points_loss(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        loss = -self.network.in_order(counts, z, c)
        return loss / counts.to(z.dtype).mean().clamp_min(1)
