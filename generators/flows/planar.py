"""Planar flow: what lies along one direction is squeezed or stretched across a hyperplane."""

from __future__ import annotations

import torch
from nflows.transforms.base import Transform
from torch import Tensor
from torch.nn import functional

from generators.flows.root import increasing_root
from generators.networks.context_mlp import ContextMLP

#: Smallest slope across the hyperplane, and the longest that w and u can become.
_MINIMUM_SLOPE = 0.1
_LONGEST = 4.0

#: Newton steps of the inverse; its bracket is at most 32 wide.
_STEPS = 16


class Planar(Transform):  # type: ignore[misc]
    """z = x + û tanh(w·x + b) (Rezende & Mohamed, 1505.05770), from the data to the latent side.

    w, u and b are functions of the context. û is u with its part along w changed such that w·û > −1, as there, but by a
    function that leaves a positive w·u alone, so that nothing is singular at w = 0. With bounded lengths the slope lies
    in [0.1, 17] whatever the network says. The inverse solves for the one number w·x.
    """

    def __init__(self, features: int, context: int, *, hidden: int, layers: int) -> None:
        super().__init__()
        self.features = features
        start = torch.randn(2 * features + 1)
        start[:features] *= 0.1
        self.network = ContextMLP(context, start, hidden=hidden, layers=layers)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (N, D) to z (N, D) and log|det dz/dx| (N,)."""
        u, w, b, excess = self._parameters_at(context, x.shape[0])
        t = torch.tanh((w * x).sum(dim=1) + b)
        return x + u * t[:, None], torch.log1p(excess * (1 - t.square()))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map z (N, D) back to x (N, D) and log|det dx/dz| (N,)."""
        u, w, b, excess = self._parameters_at(context, z.shape[0])
        wanted = (w * z).sum(dim=1)

        def beyond(along: Tensor) -> tuple[Tensor, Tensor]:
            t = torch.tanh(along + b)
            return along + excess * t - wanted, 1 + excess * (1 - t.square())

        reach = excess.abs()
        t = torch.tanh(increasing_root(beyond, wanted - reach, wanted + reach, steps=_STEPS) + b)
        return z - u * t[:, None], -torch.log1p(excess * (1 - t.square()))

    def _parameters_at(self, context: Tensor | None, rows: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """û and w (N, D), b and w·û (N,)."""
        parameters = self.network(context, rows)
        u = _no_longer(parameters[:, : self.features])
        w = _no_longer(parameters[:, self.features : -1])
        product, square = (w * u).sum(dim=1), w.square().sum(dim=1)
        room = 1 - _MINIMUM_SLOPE
        excess = room * functional.elu(product / room)
        # 0/0 at w = 0 stands for 0: the numerator vanishes like |w|².
        along = (excess - product) / square.clamp(min=torch.finfo(square.dtype).tiny)
        return u + along[:, None] * w, w, parameters[:, -1], excess


def _no_longer(v: Tensor) -> Tensor:
    """Vectors (N, D) in their directions, none as long as the bound."""
    return v / (1 + v.square().sum(dim=1, keepdim=True) / _LONGEST**2).sqrt()
