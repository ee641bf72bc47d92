"""Quantiles of the training sample to quantiles of the normal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.frame import FittedBijection, spread
from generators.errors import HyperparameterError, WeightError
from generators.registry import register

#: Knots are kept apart by this fraction of the spread of the feature, so that they stay distinct in single precision.
_RESOLUTION = 1e-6

#: Knots over which the slope of a tail is taken.
_TAIL = 3


@register
@dataclass(eq=False, repr=False)
class QuantileNormal(FittedBijection):
    """Rank-based map of every feature to a standard normal, smooth enough to be part of a density.

    The empirical (weighted) distribution function is read off at knots, half of which are spread evenly in probability
    and half evenly in normal quantiles, and interpolated by monotone rational quadratics (Gregory & Delbourgo 1982), so
    that log-determinant and inverse are analytic and the density is continuous. Outside of the training range the map
    goes on as a straight line.

    `knots` is the number of knots; by default 3 ∛n for n distinct values, because every knot costs about 1/(2n) nats of
    held-out likelihood and buys less the more there are. Ranks make far outliers harmless: an event at any distance is
    the last quantile and no more. Equal values share the middle of their ranks; a feature with few distinct values
    therefore maps to as many distinct z. Signed weights can make the distribution function fall; it is then replaced by
    the monotone function closest to it (in the largest deviation).
    """

    kind: ClassVar[str] = "quantile_normal"
    learned: ClassVar[tuple[str, ...]] = ("centre", "scale", "knots_x", "knots_z", "slopes")

    knots: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.knots is not None and self.knots < 2:
            raise HyperparameterError(f"knots = {self.knots} of QuantileNormal must be at least 2.")

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        spread(x)
        columns = [_Column.of(values, weights, self.knots, index) for index, values in enumerate(x.unbind(dim=1))]
        count = max(len(column.x) for column in columns)
        padded = [column.padded(count) for column in columns]
        return {
            "centre": torch.stack([column.centre for column in columns]),
            "scale": torch.stack([column.scale for column in columns]),
            "knots_x": torch.stack([column.x for column in padded]),
            "knots_z": torch.stack([column.z for column in padded]),
            "slopes": torch.stack([column.slopes for column in padded]),
        }

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        centre, scale, knots_x, knots_z, slopes = self._learned()
        t = ((x - centre) / scale).T.contiguous()
        t0, width, z0, height, r0, r1 = _interval(knots_x, t, knots_x, knots_z, slopes)
        outside = t - torch.clamp(t, knots_x[:, :1], knots_x[:, -1:])
        theta = ((t - outside - t0) / width).clamp(0, 1)
        bend = theta * (1 - theta)
        below = 1 + (r0 + r1 - 2) * bend
        slope = height / width * (r1 * theta**2 + 2 * bend + r0 * (1 - theta) ** 2) / below**2
        z = z0 + height * (theta**2 + r0 * bend) / below + slope * outside
        return z.T, (slope.log() - scale.log()[:, None]).sum(dim=0)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        centre, scale, knots_x, knots_z, slopes = self._learned()
        s = z.T.contiguous()
        t0, width, z0, height, r0, r1 = _interval(knots_z, s, knots_x, knots_z, slopes)
        outside = s - torch.clamp(s, knots_z[:, :1], knots_z[:, -1:])
        eta = ((s - outside - z0) / height).clamp(0, 1)
        # The quadratic a θ² + b θ = η in the form of its root that never cancels.
        b = r0 - eta * (r0 + r1 - 2)
        a = 1 - b
        root = (b**2 + 4 * a * eta).clamp(min=0).sqrt()
        theta = 2 * eta / (b + root)
        edge_slope = torch.where(outside < 0, slopes[:, :1], slopes[:, -1:])
        t = t0 + width * theta + outside / edge_slope
        return centre + scale * t.T


@dataclass(frozen=True)
class _Column:
    """Knots of one feature: t = (x − centre) / scale and z ascending, slopes dz/dt."""

    centre: Tensor
    scale: Tensor
    x: Tensor
    z: Tensor
    slopes: Tensor

    @classmethod
    def of(cls, values: Tensor, weights: Tensor, knots: int | None, index: int) -> _Column:
        """Knots of a feature from its values (N,) and weights (N,)."""
        x, u = _distribution(values, weights)
        centre, scale = _location(x, u)
        t = (x - centre) / scale
        z: Tensor = torch.special.ndtri(u)
        if not z[-1] > z[0]:
            raise WeightError(
                f"x, column {index}: with these signed weights the distribution function does not rise from the "
                "smallest to the largest value. Use more events or positive weights."
            )
        chosen = _apart(t, z, _evenly(u, z, knots or math.ceil(3 * len(x) ** (1 / 3))))
        t, z = t[chosen], z[chosen]
        return cls(centre, scale, t, z, _monotone_slopes(t, z))

    def padded(self, count: int) -> _Column:
        """The same map with `count` knots, the additional ones on its upper straight line."""
        step = (self.x[-1] - self.x[0]) / len(self.x)
        further = step * torch.arange(1, count - len(self.x) + 1, dtype=step.dtype, device=step.device)
        slope = self.slopes[-1]
        return _Column(
            self.centre,
            self.scale,
            torch.cat([self.x, self.x[-1] + further]),
            torch.cat([self.z, self.z[-1] + slope * further]),
            torch.cat([self.slopes, slope.expand(len(further))]),
        )


def _interval(
    boundaries: Tensor, values: Tensor, x: Tensor, z: Tensor, slopes: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Left knot, width, lower end, height, and the slopes at both ends over the mean slope, of every value's interval.

    All (D, N); `boundaries`, `x`, `z` and `slopes` are (D, K).
    """
    right = torch.searchsorted(boundaries, values, right=True).clamp(1, boundaries.shape[1] - 1)
    left = right - 1
    x0, z0 = x.gather(1, left), z.gather(1, left)
    width, height = x.gather(1, right) - x0, z.gather(1, right) - z0
    mean = height / width
    return x0, width, z0, height, slopes.gather(1, left) / mean, slopes.gather(1, right) / mean


def _distribution(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct values ascending and the distribution function in the middle of each one's step, within (0, 1)."""
    x, index = torch.unique(values, return_inverse=True)
    mass = torch.zeros_like(x).index_add(0, index, weights)
    middle = mass.cumsum(0) - mass / 2
    # Where signed weights make it fall: midway between the two monotone envelopes, the closest monotone function.
    upper = middle.cummax(0).values
    lower = middle.flip(0).cummin(0).values.flip(0)
    edge = 0.5 / len(x)
    return x, ((upper + lower) / 2).clamp(edge, 1 - edge)


def _location(x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Median and a positive measure of spread that outliers do not move."""
    for tail in (0.25, 0.05, 0.0):
        levels = torch.tensor([tail, 0.5, 1 - tail], dtype=u.dtype, device=u.device)
        low, median, high = x[torch.searchsorted(u, levels).clamp(max=len(x) - 1)]
        if high > low:
            break
    return median, high - low


def _evenly(u: Tensor, z: Tensor, count: int) -> Tensor:
    """Indices of `count` values or fewer, half of the density even in u and half even in z, both ends included."""
    if len(u) <= count:
        return torch.arange(len(u), device=u.device)
    along = (u - u[0]) / (u[-1] - u[0]) + (z - z[0]) / (z[-1] - z[0])
    targets = torch.linspace(0, 2, count, dtype=u.dtype, device=u.device)
    chosen = torch.searchsorted(along, targets).clamp(max=len(u) - 1)
    chosen[0], chosen[-1] = 0, len(u) - 1
    distinct: Tensor = torch.unique(chosen)
    return distinct


def _apart(t: Tensor, z: Tensor, chosen: Tensor) -> Tensor:
    """Those of the chosen knots that are distinct from the one before in t and z; both ends are kept."""
    points = list(zip(chosen.tolist(), t[chosen].tolist(), z[chosen].tolist(), strict=True))
    last = points[-1]

    def distinct(a: tuple[int, float, float], b: tuple[int, float, float]) -> bool:
        return b[1] - a[1] > _RESOLUTION * max(1.0, abs(b[1])) and b[2] - a[2] > _RESOLUTION

    kept = points[:1]
    for point in points[1:-1]:
        if distinct(kept[-1], point) and distinct(point, last):
            kept.append(point)
    return torch.tensor([index for index, _, _ in [*kept, last]], device=t.device)


def _monotone_slopes(t: Tensor, z: Tensor) -> Tensor:
    """Slopes at the knots: weighted harmonic means inside (Fritsch & Butland 1984), the flattest near secant outside.

    The gap between the last two events can be small by chance; a tail as steep as that would throw every later event
    that lies outside far into the tail of the normal.
    """
    width = t.diff()
    secant = z.diff() / width
    before, after = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    inner = (before + after) / (before / secant[:-1] + after / secant[1:])
    reach = min(_TAIL, len(t) - 1)
    first = ((z[1 : reach + 1] - z[0]) / (t[1 : reach + 1] - t[0])).min()
    final = ((z[-1] - z[-reach - 1 : -1]) / (t[-1] - t[-reach - 1 : -1])).min()
    return torch.cat([first[None], inner, final[None]])
