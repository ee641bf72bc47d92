"""Couplings of numbers of which some may be absent, as the constituents that a jet does not have."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.flows.univariate import Univariate
from generators.networks.mlp import ParameterMLP


class MaskedCoupling(nn.Module):
    """A univariate map of one half of D numbers, given the other half and a context; absent numbers are zero and stay.

    Which half is drawn at random and kept with the weights. What is absent adds nothing to the log-determinant, so that
    of given numbers this is a bijection, whichever they are. The context has to say which.
    """

    given: Tensor
    moved: Tensor

    def __init__(self, numbers: int, context: int, univariate: Univariate, *, hidden: int, layers: int) -> None:
        super().__init__()
        order = torch.randperm(numbers)
        # One number alone is given nothing and moved.
        self.register_buffer("given", order[: numbers // 2].sort().values)
        self.register_buffer("moved", order[numbers // 2 :].sort().values)
        self.univariate = univariate
        self.net = ParameterMLP(
            numbers // 2,
            context,
            hidden=hidden,
            layers=layers,
            numbers=numbers - numbers // 2,
            parameters=univariate.parameters,
            activation=functional.silu,
        )

    def forward(self, x: Tensor, present: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """To the latent side: x (N, D) with present numbers (N, D) at a context (N, C), and log|det| (N,)."""
        return self._mapped(x, present, context, inverse=False)

    def inverse(self, x: Tensor, present: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """To the data side."""
        return self._mapped(x, present, context, inverse=True)

    def _mapped(self, x: Tensor, present: Tensor, context: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        parameters = self.net.by_parameter(x[:, self.given], context)
        move = self.univariate.inverse if inverse else self.univariate.forward
        y, log_slope = move(x[:, self.moved].t().contiguous(), parameters)
        there = present[:, self.moved].t().to(x.dtype)
        return x.index_copy(1, self.moved, (y * there).t()), (log_slope * there).sum(dim=0)
