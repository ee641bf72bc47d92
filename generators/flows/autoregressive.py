"""Autoregressive transforms: every feature through a map that depends on the features before it."""

from __future__ import annotations

from typing import Any

import torch
from nflows.transforms.base import Transform
from torch import Tensor
from torch.nn import functional

from generators.flows.composed_spline import MINIMUM
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.univariate import Univariate
from generators.networks.made import MADE, Activation


class Autoregressive(Transform):  # type: ignore[misc]
    """A univariate map of every feature, whose parameters a masked network makes of the features before.

    Forward and inverse map (N, D) with context (N, C) or None to (N, D) and log|det| (N,). Forward is one pass of the
    network; inverse computes every hidden unit once too, but feature by feature.
    """

    def __init__(self, autoregressive_net: MADE, univariate: Univariate) -> None:
        super().__init__()
        self.autoregressive_net, self.univariate = autoregressive_net, univariate

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the latent side."""
        parameters = self.autoregressive_net.by_parameter(inputs, context)
        z, log_slope = self.univariate.forward(inputs.t(), parameters)
        return z.t(), log_slope.sum(dim=0)

    def inverse(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the data side."""
        columns = inputs.t()
        log_slopes: list[Tensor] = []

        def solve(index: int, parameters: Tensor) -> Tensor:
            x, log_slope = self.univariate.inverse(columns[index], parameters)
            log_slopes.append(log_slope)
            return x

        return self.autoregressive_net.unroll(solve, inputs, context), torch.stack(log_slopes).sum(dim=0)


class AutoregressiveSpline(Autoregressive):
    """Autoregressive rational-quadratic splines (Durkan et al., 1906.04032) with linear tails.

    The same function of the same weights as `MaskedPiecewiseRationalQuadraticAutoregressiveTransform` of nflows with
    ``tails="linear"``, whose arguments it has and whose state it loads.
    """

    def __init__(
        self,
        features: int,
        hidden_features: int,
        context_features: int | None = None,
        num_bins: int = 10,
        tail_bound: float = 1.0,
        num_blocks: int = 2,
        use_residual_blocks: bool = True,
        random_mask: bool = False,
        activation: Activation = functional.relu,
        dropout_probability: float = 0.0,
        use_batch_norm: bool = False,
        minimum: float = MINIMUM,
        **network: Any,
    ) -> None:
        univariate = RationalQuadratic(num_bins, tail_bound, minimum)
        made = MADE(
            features,
            hidden_features,
            context_features,
            num_blocks=num_blocks,
            output_multiplier=univariate.parameters,
            use_residual_blocks=use_residual_blocks,
            random_mask=random_mask,
            activation=activation,
            dropout_probability=dropout_probability,
            use_batch_norm=use_batch_norm,
            **network,
        )
        super().__init__(made, univariate)


class Inverted(Transform):  # type: ignore[misc]
    """A transform the other way round: an autoregressive one becomes quick to draw from and slow to evaluate."""

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The inverse of the transform."""
        out: tuple[Tensor, Tensor] = self.transform.inverse(inputs, context)
        return out

    def inverse(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The transform."""
        out: tuple[Tensor, Tensor] = self.transform(inputs, context)
        return out
