"""Perceptrons that bring any two points closer together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

#: More than the largest slope of t · sigmoid(t).
_STEEPEST = 1.1


class ContractiveMLPs(nn.Module):
    """`count` functions g(x, c) with |g(x, c) − g(y, c)| ≤ lipschitz · |x − y| for every state of the parameters.

    Every weight on the way of x is divided by an upper bound of its spectral norm where that is too large, and the
    activation t · sigmoid(βt)/1.1 never rises faster than its argument (Chen et al., 1906.02735). The context enters
    the first layer without a limit. Nothing is estimated and nothing is remembered from one call to the next. The
    bounds are those of all networks at once.
    """

    def __init__(self, count: int, features: int, context: int, *, hidden: int, layers: int, lipschitz: float) -> None:
        super().__init__()
        sizes = list(pairwise([features, *[hidden] * layers, features]))
        self.weights = nn.ParameterList(_uniform(n, count, m, n) for n, m in sizes)
        self.biases = nn.ParameterList(_uniform(n, count, m) for n, m in sizes)
        self.given = nn.Parameter(_uniform(context, count, hidden, context)) if context else None
        self.sharpness = nn.Parameter(torch.full((count, layers), 0.5))
        self.largest = lipschitz ** (1 / len(sizes))

    def forward(self) -> list[Contraction]:
        """The functions as they are now."""
        weights = [weight / (spectral_bound(weight) / self.largest).clamp(min=1) for weight in self.weights]
        # What the activation is too steep is taken from the weight behind it.
        weights[1:] = [weight / _STEEPEST for weight in weights[1:]]
        sharpness = functional.softplus(self.sharpness)
        return [
            Contraction(
                [weight[index] for weight in weights],
                [bias[index] for bias in self.biases],
                None if self.given is None else self.given[index],
                sharpness[index],
            )
            for index in range(len(sharpness))
        ]


@dataclass(frozen=True, eq=False)
class Contraction:
    """One of the functions: weights (m, n), biases (m,), the weight of the context, and β of every hidden layer."""

    weights: list[Tensor]
    biases: list[Tensor]
    given: Tensor | None
    sharpness: Tensor

    def __call__(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Map x (N, D) to (N, D)."""
        return self.linearised(x, context)[0]

    def linearised(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The value (N, D) at x (N, D), and the map of directions v (N, R, D) to their derivatives J v (N, R, D)."""
        slopes: list[Tensor] = []
        h = functional.linear(x, self.weights[0], self.biases[0])
        if self.given is not None:
            assert context is not None
            h = h + functional.linear(context, self.given)
        for weight, bias, beta in zip(self.weights[1:], self.biases[1:], self.sharpness, strict=True):
            gate = torch.sigmoid(beta * h)
            h = h * gate
            slopes.append(torch.addcmul(gate, beta * h, 1 - gate))
            h = functional.linear(h, weight, bias)

        def push(v: Tensor) -> Tensor:
            for weight, slope in zip(self.weights[:-1], slopes, strict=True):
                v = functional.linear(v, weight) * slope[:, None]
            return functional.linear(v, self.weights[-1])

        return h, push


def spectral_bound(weight: Tensor) -> Tensor:
    """Upper bounds (…, 1, 1) of the largest singular values of matrices (…, m, n), exact to a factor min(m, n)^(1/256).

    The Frobenius norm of the 64th power of the Gram matrix, to the power 1/64 (Gram iteration, Delattre et al.,
    2305.16173); differentiable.
    """
    wide = weight.shape[-2] < weight.shape[-1]
    gram = weight @ weight.mT if wide else weight.mT @ weight
    # The eighth power of a matrix of norm one is far from underflow, the 64th is not.
    size = _norm(gram)
    eighth = torch.linalg.matrix_power(gram / size, 8)
    growth = _norm(eighth)
    rest = _norm(torch.linalg.matrix_power(eighth / growth, 8))
    bound: Tensor = size.sqrt() * growth.pow(1 / 16) * rest.pow(1 / 128)
    return bound


def _norm(matrix: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.matrix_norm(matrix, keepdim=True)
    # A matrix of zeros has a bound too, and its derivative is a number.
    return norm.clamp(min=1e-30)


def _uniform(inputs: int, *shape: int) -> Tensor:
    """Initial values of a layer with so many inputs, as those of `torch.nn.Linear`."""
    return (2 * torch.rand(shape) - 1) / math.sqrt(inputs)
