"""What a monotone map of one number has to offer to become a flow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.nn import functional
from typing_extensions import override


class Univariate(Protocol):
    """A monotone map of numbers x (…), each with its own `parameters` (P, …)."""

    @property
    def parameters(self) -> int:
        """P, the number of parameters of one number."""
        ...

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Give y (…) and log dy/dx (…)."""
        ...

    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Give x (…) and log dx/dy (…)."""
        ...


@dataclass(frozen=True)
class Affine(Univariate):
    """y = scale x + shift with scale = softplus(first parameter + `offset`) + `minimum`, at most `maximum`.

    The affine maps of nflows are those with offset 0; with the default, parameters of zero are the identity.
    """

    minimum: float = 1e-3
    maximum: float = 1e4
    offset: float = math.log(math.expm1(1 - 1e-3))
    parameters: int = 2

    @override
    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        scale = self._scale(parameters)
        return scale * x + parameters[1], scale.log()

    @override
    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        scale = self._scale(parameters)
        return (y - parameters[1]) / scale, -scale.log()

    def _scale(self, parameters: Tensor) -> Tensor:
        return (functional.softplus(parameters[0] + self.offset) + self.minimum).clamp(max=self.maximum)


@dataclass(frozen=True)
class Swapped(Univariate):
    """A univariate map the other way round, of the same parameters."""

    univariate: Univariate

    @property
    def parameters(self) -> int:
        """Those of the map."""
        return self.univariate.parameters

    @override
    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return self.univariate.inverse(x, parameters)

    @override
    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return self.univariate.forward(y, parameters)
