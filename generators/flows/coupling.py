"""Coupling transforms: one half of the features through maps that depend on the context and on the other half."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from nflows.transforms.base import Transform
from torch import Tensor, nn

from generators.flows.composed_spline import MINIMUM
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.univariate import Univariate
from generators.networks.mlp import ParameterMLP


class Coupling(Transform):  # type: ignore[misc]
    """A univariate map of the features with mask 1, whose parameters a network makes of those with mask 0.

    Forward and inverse map (N, D) with context (N, C) or None to (N, D) and log|det| (N,), one pass of the network
    each. Without any feature to be given, the parameters depend on the context alone, or on nothing. `shrunk` says how
    many of the parameters of a feature are multiplied, and by what.
    """

    identity_features: Tensor
    transform_features: Tensor

    def __init__(
        self,
        mask: Sequence[int] | Tensor,
        transform_net: nn.Module,
        univariate: Univariate,
        *,
        shrunk: tuple[int, float] | None = None,
    ) -> None:
        super().__init__()
        self.shrunk = shrunk
        # Also where a network is built without memory, to count it.
        chosen = torch.as_tensor(mask, device="cpu") > 0
        self.register_buffer("identity_features", (~chosen).nonzero().flatten())
        self.register_buffer("transform_features", chosen.nonzero().flatten())
        self.transform_net, self.univariate = transform_net, univariate

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the latent side."""
        part = inputs[:, self.transform_features].t()
        z, log_slope = self.univariate.forward(part, self._parameters_at(inputs, context))
        return inputs.index_copy(1, self.transform_features, z.t()), log_slope.sum(dim=0)

    def inverse(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the data side."""
        part = inputs[:, self.transform_features].t()
        x, log_slope = self.univariate.inverse(part, self._parameters_at(inputs, context))
        return inputs.index_copy(1, self.transform_features, x.t()), log_slope.sum(dim=0)

    def _parameters_at(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Parameters (P, T, N) of the T transformed features."""
        parameters = self._made(x, context)
        if self.shrunk is None:
            return parameters
        first, factor = self.shrunk
        return torch.cat([parameters[:first] * factor, parameters[first:]])

    def _made(self, x: Tensor, context: Tensor | None) -> Tensor:
        given = x[:, self.identity_features]
        if isinstance(self.transform_net, ParameterMLP):
            return self.transform_net.by_parameter(given, context)
        # Any other network gives (N, T · P), as those of nflows do.
        out: Tensor = self.transform_net(given, context)
        return out.view(x.shape[0], -1, self.univariate.parameters).permute(2, 1, 0)


class CouplingSpline(Coupling):
    """Rational-quadratic splines (Durkan et al., 1906.04032) with linear tails, given half of the features.

    The same function of the same weights as `PiecewiseRationalQuadraticCouplingTransform` of nflows with
    ``tails="linear"``, whose arguments it has and whose state it loads.
    """

    def __init__(
        self,
        mask: Sequence[int] | Tensor,
        transform_net_create_fn: Callable[[int, int], nn.Module],
        num_bins: int = 10,
        tail_bound: float = 1.0,
        minimum: float = MINIMUM,
    ) -> None:
        univariate = RationalQuadratic(num_bins, tail_bound, minimum)
        transformed = int((torch.as_tensor(mask) > 0).sum())
        net = transform_net_create_fn(len(mask) - transformed, transformed * univariate.parameters)
        # nflows takes widths and heights of such networks down by the root of their width.
        width = getattr(net, "hidden_features", None)
        shrunk = None if width is None else (2 * num_bins, 1 / math.sqrt(width))
        super().__init__(mask, net, univariate, shrunk=shrunk)


def transformed_features(block: int, features: int) -> list[int]:
    """Mask of a coupling block: halves by the binary digits of a feature's number, each then complemented.

    Any two features are in different halves after 2 log₂ D blocks (i-flow, 2001.05486). A single feature is always
    transformed.

    >>> [transformed_features(block, 4) for block in range(4)]
    [[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]]
    """
    if features == 1:
        return [1]
    digits = (features - 1).bit_length()
    return [(feature >> block // 2 % digits & 1) ^ block % 2 for feature in range(features)]
