"""Dequantisation with noise whose density follows the levels and the context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from generators.bijections.dequantise import Dequantisation, inner
from generators.bijections.monotone import MonotoneSpline, monotone_slopes
from generators.bijections.smooth import polynomials, required
from generators.errors import HyperparameterError
from generators.registry import register

#: Stands for infinity where an interval is open: its sigmoid is exactly 0 or 1, its derivatives are finite.
_FAR = 1e4

#: Borders of levels that become knots of a column's link, at most, and rows to which a noise model is fitted.
_KNOTS, _ROWS = 18, 20_000

#: Both keep the noise model finite where few rows, or the context alone, tell the level.
_RIDGE, _REACH = 1e-4, 5.0


@register
@dataclass(eq=False, repr=False)
class VariationalDequantise(Dequantisation):
    """Noise from the part within the level of a smooth density that was fitted to the column (Ho et al., 1902.00275).

    That density is logistic in (T(z) − μ(c)) / σ(c): ordinal regression (McCullagh 1980) with a free threshold T at
    borders of levels, interpolated monotonically, and polynomials μ and log σ of degree `order` in the context. Its
    parameters maximise the likelihood of the levels, and with q(z | level, c) proportional to it within the interval
    the variational bound of the column under it is tight. Where it fits, z has no step at the borders of the levels, as
    it has with uniform noise. Every noise gives an exact model, a good one an easier z.

    See `Dequantisation` for the other hyperparameters. From many rows the noise is learned from 20,000, evenly spread
    over the first context column.
    """

    kind: ClassVar[str] = "variational_dequantise"
    learned: ClassVar[tuple[str, ...]] = (
        *Dequantisation.learned,
        *("knots", "thresholds", "context_low", "context_high", "location", "log_scale"),
    )

    order: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order < 0:
            raise HyperparameterError(f"order = {self.order} of VariationalDequantise must not be negative.")

    def _learn_noise(self, level: Tensor, last: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        # Any noise is exact, so signed weights need no care.
        w = weights.abs() / weights.abs().sum()
        knots, start = _thresholds(level, last, w)
        c = level[:, :0] if context is None else context
        low, high = (c.amin(dim=0), c.amax(dim=0)) if c.shape[1] else (c.new_zeros(0), c.new_zeros(0))
        basis = polynomials(c, low, high, self.order)[:, 1:]
        location = torch.zeros(basis.shape[1], level.shape[1], dtype=level.dtype, device=level.device)
        log_scale = location.clone()
        first, steps = start[:, :1], start.diff().log()
        if basis.shape[1]:
            rows = _spread_over(c[:, 0])
            level, basis, w = level[rows], basis[rows], w[rows] / w[rows].sum()

            def loss(first: Tensor, further: Tensor, location: Tensor, log_scale: Tensor) -> Tensor:
                link = _Link(knots, _ascending(first, steps + _bounded(further)))
                a, b = _standard(*link.borders(level, last), basis @ location, _bounded(basis @ log_scale))
                small = further.square().sum() + location.square().sum() + log_scale.square().sum()
                return -(w @ _log_mass(a, b)).sum() + _RIDGE * small

            first, further, location, log_scale = _minimised(loss, first, torch.zeros_like(steps), location, log_scale)
            steps = steps + _bounded(further)
        return {
            "knots": knots,
            "thresholds": _ascending(first, steps),
            "context_low": low,
            "context_high": high,
            "location": location,
            "log_scale": log_scale,
        }

    def _place(self, level: Tensor, last: Tensor, noise: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        link, centre, log_scale = self._noise_model(level, context)
        a, b = _standard(*link.borders(level, last), centre, log_scale)
        v = inner(noise, level)
        # The logit of (1 − v) σ(a) + v σ(b), with nothing in it that could cancel.
        near, far = torch.log1p(-v), v.log()
        y = torch.logaddexp(near + logsigmoid(a), far + logsigmoid(b)) - torch.logaddexp(
            near + logsigmoid(-a), far + logsigmoid(-b)
        )
        z = link.inverse(centre + y * torch.exp(log_scale))
        z = torch.where(level > 0, torch.maximum(z, level), z)
        z = torch.where(level < last, torch.minimum(z, level + inner(torch.ones_like(v), level)), z)
        log_slope = _log_mass(a, b) - logsigmoid(y) - logsigmoid(-y) + log_scale - link.value(z)[1]
        return z, log_slope.sum(dim=1)

    def _noise_model(self, level: Tensor, context: Tensor | None) -> tuple[_Link, Tensor, Tensor]:
        """T, and μ and log σ for every row, (N, M)."""
        knots, thresholds, low, high, location, log_scale = (self.get_buffer(name) for name in self.learned[-6:])
        c = level[:, :0] if len(low) == 0 else required(context, type(self).__name__, len(low))
        basis = polynomials(c, low, high, self.order)[:, 1:]
        return _Link(knots, thresholds), basis @ location, _bounded(basis @ log_scale)


class _Link:
    """T of every column: monotone through knots and thresholds (M, K), straight outside; arguments are (N, M)."""

    def __init__(self, knots: Tensor, thresholds: Tensor) -> None:
        self.spline = MonotoneSpline(knots, thresholds, monotone_slopes(knots, thresholds))

    def value(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """T and the logarithm of its slope."""
        at = z.T.contiguous()
        inside = torch.clamp(at, self.spline.x[:, :1], self.spline.x[:, -1:])
        y, log_slope = self.spline.value(inside)
        return (y + (at - inside) * self._end_slope(at < inside)).T, log_slope.T

    def inverse(self, y: Tensor) -> Tensor:
        """Where T has the value y."""
        at = y.T.contiguous()
        inside = torch.clamp(at, self.spline.y[:, :1], self.spline.y[:, -1:])
        return (self.spline.inverse(inside) + (at - inside) / self._end_slope(at < inside)).T

    def borders(self, level: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """T at both ends of the intervals of `level` (N, M); the first begins at −∞ and the last ends at ∞."""
        lower, upper = self.value(level)[0], self.value(level + 1)[0]
        return torch.where(level > 0, lower, -_FAR), torch.where(level < last, upper, _FAR)

    def _end_slope(self, below: Tensor) -> Tensor:
        return torch.where(below, self.spline.slopes[:, :1], self.spline.slopes[:, -1:])


def _thresholds(level: Tensor, last: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Borders of levels spread evenly in probability, and the logits of the probabilities below them, (M, K) each."""
    columns = []
    for values, highest in zip(level.unbind(dim=1), last.long().tolist(), strict=True):
        mass = weights.new_zeros(highest + 1).index_add(0, values.long(), weights)
        below = mass.cumsum(0)[:-1]
        targets = torch.cat([(torch.arange(_KNOTS - 2) + 0.5) / (_KNOTS - 2), torch.tensor([0.01, 0.99])])
        nearest = torch.searchsorted(below, targets.to(below)).clamp(max=highest - 1)
        # The first of several borders with nothing between them.
        chosen = torch.unique(torch.searchsorted(below, below[nearest]))
        above = mass.flip(0).cumsum(0).flip(0)[1:]
        columns.append((chosen.to(below) + 1, below[chosen].log() - above[chosen].log()))
    count = max(2, *(len(x) for x, _ in columns))
    knots, thresholds = zip(*(_padded(x, y, count) for x, y in columns), strict=True)
    return torch.stack(knots), torch.stack(thresholds)


def _padded(x: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`count` knots, those that are missing one apart on a straight line upwards."""
    further = torch.arange(1, count - len(x) + 1, dtype=x.dtype, device=x.device)
    slope = (y[-1] - y[0]) / (x[-1] - x[0]) if len(x) > 1 else y.new_ones(())
    return torch.cat([x, x[-1] + further]), torch.cat([y, y[-1] + slope * further])


def _ascending(first: Tensor, log_steps: Tensor) -> Tensor:
    return torch.cat([first, first + log_steps.exp().cumsum(dim=1)], dim=1)


def _bounded(values: Tensor) -> Tensor:
    return _REACH * torch.tanh(values / _REACH)


def _spread_over(values: Tensor) -> Tensor:
    """Indices of at most `_ROWS` rows that are spread evenly over the ranks of `values`."""
    stride = -(-len(values) // _ROWS)
    return values.argsort(stable=True)[::stride]


def _standard(lower: Tensor, upper: Tensor, centre: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
    scale = torch.exp(-log_scale)
    return (lower - centre) * scale, (upper - centre) * scale


def _log_mass(a: Tensor, b: Tensor) -> Tensor:
    """Log of σ(b) − σ(a) for b > a, however far out."""
    return logsigmoid(b) + logsigmoid(-a) + torch.log(-torch.expm1(a - b))


def _minimised(loss: Callable[..., Tensor], *start: Tensor) -> list[Tensor]:
    """Where `loss` is least, found from `start`; nothing in it is random."""
    parameters = [part.clone().requires_grad_() for part in start]
    optimiser = torch.optim.LBFGS(
        parameters, max_iter=50, tolerance_grad=1e-5, tolerance_change=1e-7, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(*parameters)
        torch.autograd.backward(value)
        return value

    with torch.enable_grad():
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    return [part.detach() for part in parameters]
