"""Mean and covariance that follow the context, taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection, spread
from generators.bijections.smooth import least_squares, polynomials, required
from generators.errors import HyperparameterError
from generators.registry import register

#: A conditional variance may be this far, in its logarithm, from the variance of the whole column.
_REACH = 14.0

#: Steps of Fisher scoring; none changes a log-variance by more than one.
_SCORING_STEPS = 30


@register
@dataclass(eq=False, repr=False)
class Whiten(SmoothBijection):
    """x = μ(c) + L(c) z, where z has zero mean and unit covariance at every context c, up to what smooth functions can.

    L is lower triangular: every feature is regressed on the z of the features before it, with coefficients, mean and
    logarithm of the residual variance that are polynomials of degree `order` in each context column (see
    `polynomials`). That is the Cholesky factor of a positive-definite covariance whatever the polynomials are (compare
    Pourahmadi 1999). Mean and coefficients come from weighted least squares, the variances from maximising the normal
    likelihood. All of it is as smooth in the blinded window as in the sidebands and constant outside of the training
    range.

    Moments are moved by outliers: give "quantile_normal" before it.
    """

    kind: ClassVar[str] = "whiten"
    learned: ClassVar[tuple[str, ...]] = ("variance", "low", "high", "mean", "coupling", "log_variance")

    order: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order < 0:
            raise HyperparameterError(f"order = {self.order} of Whiten must not be negative.")

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        spread(x)
        c = required(context, "Whiten")
        low, high = c.amin(dim=0), c.amax(dim=0)
        basis = polynomials(c, low, high, self.order)
        variance = weights.abs() @ (x - weights.abs() @ x / weights.abs().sum()).square() / weights.abs().sum()
        mean = least_squares(basis, x, weights)
        left = x - basis @ mean
        coupling = torch.zeros(basis.shape[1], x.shape[1], x.shape[1], dtype=x.dtype, device=x.device)
        log_variance = torch.zeros_like(mean)
        z = x[:, :0]
        for i in range(x.shape[1]):
            design = (basis[:, :, None] * z[:, None, :]).flatten(1)
            coupling[:, i, :i] = least_squares(design, left[:, i], weights).reshape(basis.shape[1], i)
            own = left[:, i] - _explained(basis, coupling, z)
            log_variance[:, i] = _log_variance(basis, own.square() / variance[i], weights)
            log_scale = _log_scale(basis, variance[i], log_variance[:, i])
            z = torch.cat([z, (own * torch.exp(-log_scale))[:, None]], dim=1)
        return {
            "variance": variance,
            "low": low,
            "high": high,
            "mean": mean,
            "coupling": coupling,
            "log_variance": log_variance,
        }

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        basis, coupling, log_scale = self._factors(context)
        left, inverse_scale = x - basis @ self.get_buffer("mean"), torch.exp(-log_scale)
        z = x[:, :0]
        for i in range(x.shape[1]):
            own = (left[:, i] - _explained(basis, coupling, z)) * inverse_scale[:, i]
            z = torch.cat([z, own[:, None]], dim=1)
        return z, -log_scale.sum(dim=1)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        basis, coupling, log_scale = self._factors(context)
        explained = torch.einsum("nk,kij,nj->ni", basis, coupling, z)
        return basis @ self.get_buffer("mean") + explained + torch.exp(log_scale) * z

    def _factors(self, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """The functions of the context (N, K), the coefficients below the diagonal (K, D, D), log diagonal (N, D)."""
        variance, low, high, _, coupling, log_variance = self._learned()
        basis = polynomials(required(context, "Whiten", len(low)), low, high, self.order)
        return basis, coupling, _log_scale(basis, variance, log_variance)


def _explained(basis: Tensor, coupling: Tensor, z: Tensor) -> Tensor:
    """What the features before it, z (N, i), tell of feature i, (N,)."""
    i = z.shape[1]
    return (basis * (z @ coupling[:, i, :i].T)).sum(dim=1)


def _log_scale(basis: Tensor, variance: Tensor, coefficients: Tensor) -> Tensor:
    return 0.5 * (variance.log() + (basis @ coefficients).clamp(-_REACH, _REACH))


def _log_variance(basis: Tensor, squares: Tensor, weights: Tensor) -> Tensor:
    """Coefficients (K,) of the log-variance under which normal residuals with these squares (N,) are most likely."""
    coefficients = torch.zeros(basis.shape[1], dtype=basis.dtype, device=basis.device)
    for _ in range(_SCORING_STEPS):
        fitted = (basis @ coefficients).clamp(-_REACH, _REACH)
        step = least_squares(basis, squares * torch.exp(-fitted) - 1, weights)
        change = (basis @ step).abs().max()
        coefficients = coefficients + step / change.clamp(min=1)
        if float(change) < 1e-12:
            break
    return coefficients
