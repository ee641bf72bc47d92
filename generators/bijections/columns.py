"""Different bijections for different columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.bijections.base import FittedBijection, spread
from generators.bijections.chain import as_bijection
from generators.bijections.noise import NoisyBijection
from generators.errors import GeneratorError, HyperparameterError, ShapeError
from generators.registry import register


@register
@dataclass(eq=False, repr=False)
class Columns(NoisyBijection):
    """Each of `maps` acts on its own columns; columns that no map names pass unchanged.

    A key is the index of a column, counted from 0, or several separated by commas for a map of several columns. A value
    is a bijection, its kind, a mapping of kind and hyperparameters, or a list of those, which makes a chain:
    ``{"kind": "columns", "maps": {"1": "logit", "2": "periodic", "3": ["dequantise", "standardise"]}}``.
    """

    kind: ClassVar[str] = "columns"
    learned: ClassVar[tuple[str, ...]] = ("identity",)

    maps: Mapping[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        groups = {_indices(key): value for key, value in self.maps.items()}
        named = [index for group in groups for index in group]
        repeated = sorted({index for index in named if named.count(index) > 1})
        if repeated:
            raise HyperparameterError(
                f"maps of Columns names column {repeated[0]} twice; give it a list, which makes a chain."
            )
        steps = [_step(value, group) for group, value in groups.items()]
        self._groups = [list(group) for group in groups]
        self.maps = {_key(group): step.specification() for group, step in zip(groups, steps, strict=True)}
        self.steps = nn.ModuleList(steps)

    @property
    @override
    def discrete_columns(self) -> list[int]:
        pairs = zip(self._groups, self._steps(), strict=True)
        return sorted(group[column] for group, step in pairs for column in step.discrete_columns)

    def _learn_noisy(self, x: Tensor, weights: Tensor, context: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        pairs = zip(self._groups, self._steps(), strict=True)
        spread(x, constants=[column for group, step in pairs if step.takes_constants for column in group])
        last = max((index for group in self._groups for index in group), default=0)
        if last >= x.shape[1]:
            raise ShapeError(f"maps of Columns names column {last}, but x has {x.shape[1]} columns, counted from 0.")
        for group, step in zip(self._groups, self._steps(), strict=True):
            try:
                step.fit(x[:, group], weights, context, noise[:, group])
            except GeneratorError as error:
                raise type(error)(f"Columns {_key(group)}, counted from 0 in the map: {error}") from error
        identity = torch.ones(x.shape[1], dtype=x.dtype, device=x.device)
        identity[[index for group in self._groups for index in group]] = 0
        return {"identity": identity}

    def _spread(self, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros(x.shape[0], dtype=x.dtype, device=x.device)
        parts = []
        for group, step in zip(self._groups, self._steps(), strict=True):
            z, log_det = step.forward(x[:, group], context, noise[:, group])
            parts.append(z)
            total = total + log_det
        return self._assembled(x, parts), total

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        pairs = zip(self._groups, self._steps(), strict=True)
        return self._assembled(z, [step.inverse(z[:, group], context) for group, step in pairs])

    def _assembled(self, values: Tensor, parts: list[Tensor]) -> Tensor:
        """`values` (N, D) with the columns of every group replaced by its part."""
        named = [index for group in self._groups for index in group]
        others = [index for index in range(values.shape[1]) if index not in named]
        order = [0] * values.shape[1]
        for place, index in enumerate(named + others):
            order[index] = place
        return torch.cat([*parts, values[:, others]], dim=1)[:, order]

    def _steps(self) -> list[FittedBijection]:
        return [step for step in self.steps if isinstance(step, FittedBijection)]


def _step(value: Any, group: Sequence[int]) -> FittedBijection:
    spec = {"kind": "chain", "bijections": value} if isinstance(value, list | tuple) else value
    return as_bijection(spec, f"column {_key(group)} of Columns")


def _indices(key: Any) -> tuple[int, ...]:
    try:
        group = tuple(int(part) for part in str(key).split(","))
    except ValueError:
        group = ()
    if not group or min(group) < 0 or len(set(group)) < len(group):
        raise HyperparameterError(
            f"maps of Columns has the key {key!r}; a key is the index of a column, such as 2, or several: '0,3'."
        )
    return group


def _key(group: Sequence[int]) -> str:
    return ",".join(map(str, group))
