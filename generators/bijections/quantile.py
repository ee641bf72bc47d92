"""Quantiles of the training sample to quantiles of the normal distribution."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection, spread
from generators.bijections.monotone import MonotoneSpline, monotone_slopes
from generators.errors import HyperparameterError, WeightError
from generators.registry import register

#: Knots are kept apart by this fraction of the spread of the feature, so that they stay distinct in single precision.
_RESOLUTION = 1e-6

#: From this share of the weight on, a value that events have in common is worth a warning.
_SHARED = 0.02

#: A tail that falls exponentially is one with this Pareto index; no tail is taken for heavier than the second.
_LIGHTEST, _HEAVIEST = 1e-3, 0.5

#: From fewer values than this no index is estimated.
_FEWEST_IN_TAIL = 8

#: Beyond this logarithm of the distance, in its own unit, a tail goes on as a straight line: for what no float32 holds.
_FARTHEST = 80.0

_LOG = logging.getLogger(__name__)


@register
@dataclass(eq=False, repr=False)
class QuantileNormal(SmoothBijection):
    """Rank-based map of every feature to a standard normal, smooth enough to be part of a density.

    The empirical (weighted) distribution function is read off at knots, half of which are spread evenly in probability
    and half evenly in normal quantiles, and interpolated by monotone rational quadratics (Gregory & Delbourgo 1982), so
    that log-determinant and inverse are analytic and the density is continuous. Outside of the training range it falls
    as a Pareto law (Pickands 1975) whose index, between 0 (exponential) and 1/2, is estimated from the events in that
    tail by probability-weighted moments (Hosking & Wallis 1987) and whose width makes the map continuously
    differentiable. A light tail is thereby as good as a straight line, and from a heavy one events at any distance,
    ±1e30 too, keep a moderate z and a density that is right within a few nats, where the line is wrong by thousands.

    `knots` is the number of knots; by default 3 ∛n for n distinct values, because every knot costs about 1/(2n) nats of
    held-out likelihood and buys less the more there are. Ranks make far outliers harmless: an event at any distance is
    the last quantile and no more. Equal values share the middle of their ranks; a feature with few distinct values
    therefore maps to as many distinct z. Signed weights can make the distribution function fall; it is then replaced by
    the monotone function closest to it (in the largest deviation).
    """

    kind: ClassVar[str] = "quantile_normal"
    learned: ClassVar[tuple[str, ...]] = ("centre", "scale", "knots_x", "knots_z", "slopes", "last", "heaviness")

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
            "last": torch.tensor([len(column.x) - 1 for column in columns], device=x.device),
            "heaviness": torch.stack([column.heaviness for column in columns]),
        }

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        centre, scale, knots_x, knots_z, slopes, last, heaviness = self._learned()
        t = ((x - centre) / scale).T.contiguous()
        inside = torch.clamp(t, knots_x[:, :1], knots_x.gather(1, last[:, None]))
        z, log_slope = MonotoneSpline(knots_x, knots_z, slopes).value(inside)
        tail = _Tail.of(t - inside, knots_z, slopes, last, heaviness)
        step, further = tail.forward((t - inside).abs())
        return (z + torch.sign(t - inside) * step).T, (log_slope + further - scale.log()[:, None]).sum(dim=0)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        centre, scale, knots_x, knots_z, slopes, last, heaviness = self._learned()
        s = z.T.contiguous()
        inside = torch.clamp(s, knots_z[:, :1], knots_z.gather(1, last[:, None]))
        t = MonotoneSpline(knots_x, knots_z, slopes).inverse(inside)
        tail = _Tail.of(s - inside, knots_z, slopes, last, heaviness)
        return centre + scale * (t + torch.sign(s - inside) * tail.inverse((s - inside).abs())).T


@dataclass(frozen=True)
class _Tail:
    """The map beyond the last knot on the side of every value, all (D, N).

    A distance d in t becomes q = log(1 + ξ d / β) / ξ, the logarithm of a Pareto law's survival probability, and a
    distance √(r² + 2 q) − r in z, because −log of the normal's is about z² / 2. With r the distance of the last knot
    from the middle of the normal and β = 1 / (slope · r) the slope has no step.
    """

    start: Tensor
    slope: Tensor
    heaviness: Tensor

    @classmethod
    def of(cls, outside: Tensor, knots_z: Tensor, slopes: Tensor, last: Tensor, heaviness: Tensor) -> _Tail:
        below = outside < 0
        final = last[:, None]
        # Nearer to the middle than 1 the normal does not fall as a tail does.
        start = torch.where(below, -knots_z[:, :1], knots_z.gather(1, final)).clamp(min=1)
        slope = torch.where(below, slopes[:, :1], slopes.gather(1, final))
        return cls(start, slope, torch.where(below, heaviness[:, :1], heaviness[:, 1:]))

    def forward(self, distance: Tensor) -> tuple[Tensor, Tensor]:
        """Distance in z, and the logarithm of the slope over that at the last knot."""
        u = self.heaviness * self.slope * self.start * distance
        near = u.clamp(max=math.expm1(_FARTHEST))
        q = (near.log1p() + (u - near) * math.exp(-_FARTHEST)) / self.heaviness
        r = (self.start**2 + 2 * q).sqrt()
        return 2 * q / (r + self.start), self.start.log() - r.log() - near.log1p()

    def inverse(self, distance: Tensor) -> Tensor:
        """Distance in t of a distance in z."""
        far = self.heaviness * distance * (0.5 * distance + self.start)
        near = far.clamp(max=_FARTHEST)
        u = torch.expm1(near) + (far - near) * math.exp(_FARTHEST)
        return u / (self.heaviness * self.slope * self.start)


@dataclass(frozen=True)
class _Column:
    """Knots of one feature: t = (x − centre) / scale and z ascending, slopes dz/dt, Pareto indices of both tails."""

    centre: Tensor
    scale: Tensor
    x: Tensor
    z: Tensor
    slopes: Tensor
    heaviness: Tensor

    @classmethod
    def of(cls, values: Tensor, weights: Tensor, knots: int | None, index: int) -> _Column:
        """Knots of a feature from its values (N,) and weights (N,)."""
        x, u, mass = _distribution(values, weights)
        if len(values) >= 100 and float(mass.max()) > _SHARED:
            _LOG.warning(
                "x, column %d: %.0f %% of the weight has the value %g. A continuous density can neither draw nor hold "
                "it; put the bijection 'dequantise' (whole numbers) or 'atoms' first.",
                index,
                100 * float(mass.max()),
                float(x[mass.argmax()]),
            )
        centre, scale = _location(x, u)
        t = (x - centre) / scale
        z: Tensor = torch.special.ndtri(u)
        if not z[-1] > z[0]:
            raise WeightError(
                f"x, column {index}: with these signed weights the distribution function does not rise from the "
                "smallest to the largest value. Use more events or positive weights."
            )
        heaviness = torch.stack([_heaviness(-t.flip(0), 1 - u.flip(0)), _heaviness(t, u)])
        chosen = _apart(t, z, _evenly(u, z, knots or math.ceil(3 * len(x) ** (1 / 3))))
        t, z = t[chosen], z[chosen]
        return cls(centre, scale, t, z, monotone_slopes(t, z), heaviness)

    def padded(self, count: int) -> _Column:
        """The same with `count` knots, the additional ones, which nothing reaches, on a straight line upwards."""
        step = (self.x[-1] - self.x[0]) / len(self.x)
        further = step * torch.arange(1, count - len(self.x) + 1, dtype=step.dtype, device=step.device)
        slope = self.slopes[-1]
        return _Column(
            self.centre,
            self.scale,
            torch.cat([self.x, self.x[-1] + further]),
            torch.cat([self.z, self.z[-1] + slope * further]),
            torch.cat([self.slopes, slope.expand(len(further))]),
            self.heaviness,
        )


def _distribution(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct values ascending, the distribution function in the middle of their steps, within (0, 1), the steps."""
    x, index = torch.unique(values, return_inverse=True)
    mass = torch.zeros_like(x).index_add(0, index, weights)
    middle = mass.cumsum(0) - mass / 2
    # Where signed weights make it fall: midway between the two monotone envelopes, the closest monotone function.
    upper = middle.cummax(0).values
    lower = middle.flip(0).cummin(0).values.flip(0)
    edge = 0.5 / len(x)
    return x, ((upper + lower) / 2).clamp(edge, 1 - edge), mass


def _heaviness(x: Tensor, u: Tensor) -> Tensor:
    """Pareto index of the upper tail, (), from ascending values (n,) and their distribution function (n,)."""
    count = int(min(3 * math.sqrt(len(x)), len(x) / 4))
    if count < _FEWEST_IN_TAIL:
        return x.new_tensor(_LIGHTEST)
    excess = x[-count:] - x[-count - 1]
    steps = torch.cat([u[-count - 1 :], u.new_ones(1)])
    mass = (steps[2:] - steps[:-2]).clamp(min=0)
    if not mass.sum() > 0:
        return x.new_tensor(_LIGHTEST)
    mass = mass / mass.sum()
    survival = mass.flip(0).cumsum(0).flip(0) - mass / 2
    mean, lighter = mass @ excess, (mass * survival) @ excess
    # Nothing is lighter than excesses that are all the same, whose second difference is zero.
    index = 2 - mean / (mean - 2 * lighter).clamp(min=torch.finfo(x.dtype).tiny)
    return index.clamp(_LIGHTEST, _HEAVIEST)


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
