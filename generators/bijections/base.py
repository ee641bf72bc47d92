"""The base of all fitted bijections: checks, buffers and the state live here, a map implements three methods."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from generators.errors import (
    ConstantFeatureError,
    NonFiniteInputError,
    NotFittedError,
    ShapeError,
    TooFewRowsError,
    WeightError,
)


@dataclass(eq=False, repr=False)
class FittedBijection(nn.Module, ABC):
    """Invertible map of feature vectors that is learned from data, with the log-determinant of the map applied.

    Hyperparameters are the dataclass fields; what `fit` learns are buffers, so `state_dict` and `load_state_dict`
    restore a map completely, into an unfitted one too. Learning is in double precision, and so is every later
    evaluation unless the module was cast; results have the type of the input. Both directions are differentiable and
    never wait for the device. A row with NaN maps to NaN and harms no other row.

    A new bijection names its buffers in `learned`, the first of floating type with features as its first axis. It is a
    `SmoothBijection` with `_learn`, `_map` and `_unmap`, or a `NoisyBijection` if it spreads out discrete values.
    """

    kind: ClassVar[str]
    learned: ClassVar[tuple[str, ...]] = ()
    #: Whether a column may have a single value, such as a flag of what is rare, because several are drawn together.
    takes_constants: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__init__()
        for name in self.learned:
            self.register_buffer(name, torch.empty(0, dtype=torch.float64))

    @abstractmethod
    def _learn_noisy(self, x: Tensor, weights: Tensor, context: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        """Values of the buffers from x (N, D), weights (N,), noise (N, D) and, if there is any, context (N, C).

        All are finite and in double precision, the weights sum to 1; most maps ignore the context.

        A feature with a single value raises ConstantFeatureError naming its column.
        """

    @abstractmethod
    def _spread(self, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives with noise (N, D): z (N, D) and log|det dz/dx| (N,)."""

    @abstractmethod
    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """What `forward` gives without noise."""

    @abstractmethod
    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        """What `inverse` gives: x (N, D)."""

    @property
    @abstractmethod
    def discrete_columns(self) -> list[int]:
        """The columns of which `forward` looks at the noise."""

    def fit(
        self,
        x: Tensor,
        weights: Tensor | None = None,
        context: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Self:
        """Learn from x (N, D), optional weights (N,), which may be negative but must have a positive sum, and context.

        Rows of weight zero are ignored; a weight of two counts as two rows; the order of rows does not matter. Only
        what follows a discrete column in a chain depends on `noise` (N, D), see `NoisyBijection`.

        Raises
        ------
        ShapeError, NonFiniteInputError, WeightError, TooFewRowsError, ConstantFeatureError
            Before anything changes.
        """
        used, rows, w, c = _usable(x, weights, context)
        own = uniform(x) if noise is None else noise.double()
        own = own if len(rows) == len(own) else own[used]
        for name, value in self._learn_noisy(rows, w, c, own).items():
            setattr(self, name, value)
        return self

    def forward(self, x: Tensor, context: Tensor | None = None, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (N, D), given the context (N, C) of its rows, to z (N, D) and log|det dz/dx| (N,).

        Only a map with discrete columns looks at `noise`, see `NoisyBijection`.
        """
        own = self._own(x)
        z, log_det = self._map(own, context) if noise is None else self._spread(own, context, noise.to(own.dtype))
        return z.to(x.dtype), log_det.to(x.dtype)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Map z (N, D) back to x (N, D)."""
        return self._unmap(self._own(z), context).to(z.dtype)

    @property
    def features(self) -> int:
        """Number of columns D that the map was fitted with."""
        buffer = self._first_buffer()
        if buffer.numel() == 0:
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a state.")
        return len(buffer)

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return dataclasses.asdict(self)

    def specification(self) -> dict[str, Any]:
        """Kind and hyperparameters, from which `create` makes an unfitted copy."""
        return {"kind": self.kind, **self.hyperparameters()}

    def extra_repr(self) -> str:
        """Hyperparameters, for the printed form of a model."""
        return ", ".join(f"{name}={value!r}" for name, value in self.hyperparameters().items())

    def _learned(self) -> tuple[Tensor, ...]:
        """The buffers in the order of `learned`."""
        return tuple(self.get_buffer(name) for name in self.learned)

    def _first_buffer(self) -> Tensor:
        return next(self.buffers())

    def _own(self, values: Tensor) -> Tensor:
        """`values` in the type of the buffers, refused if they do not have the fitted number of columns."""
        if values.ndim != 2 or values.shape[1] != self.features:
            raise ShapeError(f"{type(self).__name__} was fitted with (N, {self.features}); got {tuple(values.shape)}.")
        return values.to(self._first_buffer().dtype)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        # An unfitted map has empty buffers: give them the shape of what is about to be copied into them.
        for name in self.learned:
            value = state_dict.get(prefix + name)
            if isinstance(value, Tensor):
                setattr(self, name, torch.empty_like(value, device=getattr(self, name).device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


@dataclass(eq=False, repr=False)
class SmoothBijection(FittedBijection):
    """A map to which noise is nothing: all columns are continuous."""

    @abstractmethod
    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        """As `_learn_noisy`, without noise."""

    @property
    def discrete_columns(self) -> list[int]:
        """None."""
        return []

    def _learn_noisy(self, x: Tensor, weights: Tensor, context: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        return self._learn(x, weights, context)

    def _spread(self, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        return self._map(x, context)


def uniform(x: Tensor, *, seed: int = 0) -> Tensor:
    """Numbers in [0, 1) of the shape of x, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(x.shape, generator=generator, dtype=torch.float64).to(x.device)


def _usable(x: Tensor, weights: Tensor | None, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Which rows have non-zero weight; those rows, their normalised weights and context, all in double precision."""
    if x.ndim != 2:
        raise ShapeError(f"x must be (N, D); it is {tuple(x.shape)}.")
    w = torch.ones(len(x), dtype=torch.float64, device=x.device) if weights is None else weights.double()
    if w.shape != (len(x),):
        raise ShapeError(f"weights must be ({len(x)},), one per row of x; they are {tuple(w.shape)}.")
    if context is not None and (context.ndim != 2 or len(context) != len(x)):
        raise ShapeError(f"context must be ({len(x)}, C), one row per row of x; it is {tuple(context.shape)}.")
    rows, c = x.double(), None if context is None else context.double()
    for name, values in (("x", rows), ("weights", w[:, None]), *(() if c is None else (("context", c),))):
        counts = (~torch.isfinite(values)).sum(dim=0)
        if bool(counts.any()):
            column = int(counts.argmax())
            raise NonFiniteInputError(
                f"{name}, column {column}: {int(counts[column])} of {len(values)} values are NaN or infinite. "
                "Remove these rows or repair the feature before fitting."
            )
    total = float(w.sum())
    used = w != 0
    if int(used.sum()) < 2:
        raise TooFewRowsError(f"{int(used.sum())} rows with non-zero weight; a bijection needs at least two.")
    if not total > 0:
        raise WeightError(f"The weights sum to {total:g}; their sum must be positive.")
    if bool(used.all()):  # without a copy
        return used, rows, w / total, c
    return used, rows[used], w[used] / total, None if c is None else c[used]


def spread(x: Tensor, *, constants: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of every column of x (N, D), each (D,); refuses columns with one value.

    Those that are named in `constants` may have one.

    Raises
    ------
    ConstantFeatureError
        Names the first such column by its index.
    """
    low, high = x.amin(dim=0), x.amax(dim=0)
    constant = [column for column in (high <= low).nonzero().flatten().tolist() if column not in constants]
    if constant:
        column = constant[0]
        raise ConstantFeatureError(
            f"x, column {column}: every row has the value {float(low[column]):g}, so no density exists. Leave it out."
        )
    return low, high
