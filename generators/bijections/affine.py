"""Shift and scale by declared numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection, spread
from generators.errors import HyperparameterError
from generators.registry import register


@register
@dataclass(eq=False, repr=False)
class Affine(SmoothBijection):
    """z = (x − shift) / scale with numbers that are given, one for all columns or one for each; nothing is learned.

    >>> z, log_det = Affine(shift=100.0, scale=50.0).fit(x := torch.tensor([[100.0], [250.0]])).forward(x)
    >>> z.flatten().tolist(), round(float(log_det[0]), 4)
    ([0.0, 3.0], -3.912)
    """

    kind: ClassVar[str] = "affine"
    learned: ClassVar[tuple[str, ...]] = ("origin", "unit")

    shift: float | Sequence[float] = 0.0
    scale: float | Sequence[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("shift", "scale"):
            numbers = torch.as_tensor(getattr(self, name), dtype=torch.float64)
            if numbers.ndim > 1 or not torch.isfinite(numbers).all() or (name == "scale" and (numbers == 0).any()):
                raise HyperparameterError(
                    f"{name} = {getattr(self, name)} of Affine must be a finite number"
                    f"{' that is not zero' if name == 'scale' else ''}, or a list of one per column."
                )
            setattr(self, name, numbers.tolist())

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        spread(x)
        return {"origin": self._per_column("shift", x), "unit": self._per_column("scale", x)}

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        origin, unit = self._learned()
        return (x - origin) / unit, -unit.abs().log().sum().expand(x.shape[0])

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        origin, unit = self._learned()
        return origin + unit * z

    def _per_column(self, name: str, x: Tensor) -> Tensor:
        numbers = torch.as_tensor(getattr(self, name), dtype=x.dtype, device=x.device)
        if numbers.ndim and len(numbers) != x.shape[1]:
            raise HyperparameterError(f"{name} of Affine has {len(numbers)} numbers, but x has {x.shape[1]} columns.")
        return numbers.expand(x.shape[1]).clone()
