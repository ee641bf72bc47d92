"""Invertible residual layers: the identity plus a contraction."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from nflows.transforms.base import Transform
from torch import Tensor

from generators.networks.contractive_mlp import Contraction, ContractiveMLPs

#: Terms of the power series that are always there.
_SURE_TERMS = 2


class ResidualBlocks(Transform):  # type: ignore[misc]
    """`blocks` times z = x + g(x, c), each g with a Lipschitz constant below one (Behrmann et al., 1811.00995).

    The log-determinants are those of the whole Jacobians. While training with more than `exact_features` features they
    are estimated without bias by the power series with a random number of terms of Chen et al. (1906.02735). The series
    goes on with a probability above the square of the Lipschitz constant, so the variance is finite.
    """

    def __init__(
        self,
        features: int,
        context: int,
        *,
        blocks: int,
        hidden: int,
        layers: int,
        lipschitz: float,
        exact_features: int,
    ) -> None:
        super().__init__()
        self.estimates = features > exact_features
        self.persistence = (1 + lipschitz**2) / 2
        # Half as many more as the sharpest contractions take that random or aligned weights can make.
        self.steps = 8 + math.ceil(-math.log2(1 - lipschitz))
        self.contractions = ContractiveMLPs(
            blocks, features, context, hidden=hidden, layers=layers, lipschitz=lipschitz
        )

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (N, D) to z (N, D) and log|det dz/dx| (N,)."""
        pushes = []
        for contraction in self.contractions():
            moved, push = contraction.linearised(x, context)
            pushes.append(push)
            x = x + moved
        if self.training and self.estimates:
            return x, torch.stack([self._estimate(x, push) for push in pushes]).sum(dim=0)
        # One call for all blocks: with few features most of its cost is that it is one.
        slopes = torch.stack([_slope(x, push) for push in pushes])
        return x, torch.linalg.slogdet(slopes).logabsdet.sum(dim=0)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map z (N, D) back to x (N, D) and log|det dx/dz| (N,)."""
        total = torch.zeros_like(z[:, 0])
        for contraction in reversed(self.contractions()):
            z = _solve(contraction, z, context, steps=self.steps)
            _, push = contraction.linearised(z, context)
            total = total - torch.linalg.slogdet(_slope(z, push)).logabsdet
        return z, total

    def _estimate(self, x: Tensor, push: Callable[[Tensor], Tensor]) -> Tensor:
        """Unbiased estimate of log|det(1 + J)| = Σ (−1)ᵏ⁺¹ tr(Jᵏ)/k, (N,), by random directions and a random end."""
        # One number for the whole batch, drawn on the host: nothing waits for the device.
        more = int(torch.empty(()).geometric_(1 - self.persistence)) - 1
        direction = v = torch.randn_like(x)[:, None]
        total = torch.zeros_like(x[:, 0])
        for k in range(1, _SURE_TERMS + more + 1):
            v = push(v)
            chance = self.persistence ** max(0, k - _SURE_TERMS)
            total = total - (-1) ** k / (k * chance) * (direction * v).sum(dim=(1, 2))
        return total


def _slope(x: Tensor, push: Callable[[Tensor], Tensor]) -> Tensor:
    """dz/dx (N, D, D) at x (N, D), of which `push` gives the part that is not one."""
    one = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return one + push(one.expand(x.shape[0], -1, -1)).mT


def _solve(contraction: Contraction, z: Tensor, context: Tensor | None, *, steps: int) -> Tensor:
    """The x (N, D) with x + g(x, c) = z.

    Banach's iteration x ← z − g(x, c) brings what is missing down by the Lipschitz constant at least, but no faster.
    Broyden's method (1965), which learns the Jacobian from the steps it takes, replaces it wherever that did better, as
    it does everywhere in the end: the number of steps is fixed.
    """
    with torch.no_grad():
        x = z
        moved, push = contraction.linearised(x, context)
        missing = z - x - moved
        inverse = torch.linalg.inv(_slope(x, push))
        failed = torch.zeros_like(z[:, :1], dtype=torch.bool)
        for _ in range(steps):
            step = torch.where(failed, missing, _times(inverse, missing))
            left = z - x - step - contraction(x + step, context)
            change = _times(inverse, missing - left)
            along = (step * change).sum(dim=1, keepdim=True)
            # Nothing is learned from a step of zero.
            along = torch.where(along == 0, torch.inf, along)
            inverse = inverse + ((step - change) / along)[:, :, None] * (step[:, None] @ inverse)
            before, after = (part.square().sum(dim=1, keepdim=True) for part in (missing, left))
            # Not the other way round, because an inverse that rounding has spoilt ends here as well.
            failed = ~(after < torch.where(failed, 1.0, 0.8) * before)
            x, missing = torch.where(failed, x, x + step), torch.where(failed, missing, left)
    moved, push = contraction.linearised(x, context)
    # A step of Newton carries the derivatives.
    last: Tensor = torch.linalg.solve(_slope(x, push).detach(), z - x - moved)
    return x + last


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    """Products (N, D) of matrices (N, D, D) with vectors (N, D)."""
    return (matrix @ vector[:, :, None])[:, :, 0]
