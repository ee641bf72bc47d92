"""Values that many events share exactly, in columns that are continuous otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.bijections.base import spread
from generators.bijections.noise import NoisyBijection
from generators.errors import HyperparameterError
from generators.registry import register

#: A value is an atom if it has this many times the weight of the average distinct value.
_TIMES_THE_AVERAGE = 10

#: What single precision can tell apart, relative to the value.
_RESOLUTION = 2.0**-22


@register
@dataclass(eq=False, repr=False)
class Atoms(NoisyBijection):
    """Room for atoms: the default value of a missing jet, a ratio that is exactly 0, a pile-up at the end of a range.

    A density on a line can not hold a value with a probability of its own: it grows without end there, and every number
    made of it is wrong. Here each atom gets an interval of z, as wide as its share of the events asks for beside the
    rest, and what lies above moves up by that; uniform noise says where in the interval. An atom below or above all
    other values has an interval without an end.

    `values` are the atoms of every column (use "columns" for different ones); by default those with at least `share` of
    the weight. Columns of whole numbers want "dequantise" instead. The probability of an atom takes the place of its
    density, see `NoisyBijection`.

    >>> x = torch.tensor([[0.0]] * 6 + [[0.5], [1.0], [1.5], [2.0]])
    >>> fitted = Atoms(values=[0.0]).fit(x)
    >>> z, log_det = fitted.forward(torch.tensor([[0.0], [0.5]]))
    >>> fitted.inverse(z).tolist(), round(float(log_det[1]), 1)
    ([[0.0], [0.5]], 0.0)
    """

    kind: ClassVar[str] = "atoms"
    learned: ClassVar[tuple[str, ...]] = ("atoms", "widths", "ends", "discrete")

    values: Sequence[float] | None = None
    share: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise HyperparameterError(f"share = {self.share} of Atoms must lie between 0 and 1.")
        if self.values is not None:
            self.values = sorted(set(map(float, self.values)))
            if not all(map(math.isfinite, self.values)):
                raise HyperparameterError(f"values = {self.values} of Atoms must be finite.")

    @property
    @override
    def discrete_columns(self) -> list[int]:
        columns: list[int] = self.get_buffer("discrete").tolist()
        return columns

    def _learn_noisy(self, x: Tensor, weights: Tensor, context: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        spread(x)
        w = weights.abs() / weights.abs().sum()
        found = [self._column(values, w) for values in x.unbind(dim=1)]
        count = max(1, *(len(atoms) for atoms, _ in found))
        atoms, widths = x.new_full((x.shape[1], count), math.inf), x.new_zeros(x.shape[1], count)
        for column, (values, room) in enumerate(found):
            atoms[column, : len(values)], widths[column, : len(values)] = values, room
        last = atoms.masked_fill(torch.isinf(atoms), -math.inf).amax(dim=1)
        return {
            "atoms": atoms,
            "widths": widths,
            # Whether the first and the last atom have nothing beyond them.
            "ends": torch.stack([atoms[:, 0] <= x.amin(dim=0), last >= x.amax(dim=0)], dim=1),
            "discrete": torch.isfinite(atoms[:, 0]).nonzero().flatten(),
        }

    def _column(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Atoms of a column, ascending, and the widths of their intervals."""
        distinct, index = torch.unique(x, return_inverse=True)
        mass = torch.zeros_like(distinct).index_add(0, index, w)
        if self.values is None:
            chosen = mass >= max(self.share, _TIMES_THE_AVERAGE / len(distinct))
        else:
            chosen = torch.isin(distinct, torch.as_tensor(self.values, dtype=x.dtype, device=x.device))
        rest = (~chosen).nonzero().flatten()
        # Between its quartiles lies half of the rest; without one the atoms are all there is.
        quartiles = distinct[rest[[len(rest) // 4, 3 * len(rest) // 4]]] if len(rest) else distinct[[0, -1]]
        room = 2 * (quartiles[1] - quartiles[0])
        room = torch.where(room > 0, room, distinct[-1] - distinct[0])
        return distinct[chosen], room * mass[chosen] / mass[rest].sum().clamp(min=0.01)

    def _spread(self, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        atoms, widths, ends, discrete = self._learned()
        if len(discrete) == 0:
            return x, x.new_zeros(x.shape[0])
        before = _before(widths)
        at = x.T.contiguous()
        nearest = torch.searchsorted((atoms[:, 1:] + atoms[:, :-1]) / 2, at)
        atom, width = atoms.gather(1, nearest), widths.gather(1, nearest)
        is_atom = torch.isfinite(atom) & ((at - atom).abs() <= _RESOLUTION * atom.abs())
        v, last = noise.T, torch.isfinite(atoms).sum(dim=1, keepdim=True) - 1
        margin = (_RESOLUTION * (1 + atom.abs() / width)).clamp(max=0.4)
        v = torch.where(is_atom, torch.minimum(torch.maximum(v, margin), 1 - margin), 0.5)
        below, above = v.log(), torch.log1p(-v)
        down, up = ends[:, :1] & (nearest == 0), ends[:, 1:] & (nearest == last)
        place = torch.where(down, 1 + below, torch.where(up, -above, v))
        slope = torch.where(down, -below, torch.where(up, -above, torch.zeros_like(v)))
        passed = before.gather(1, nearest + ((at > atom) & ~is_atom))
        z = torch.where(is_atom, atom + before.gather(1, nearest) + width * place, at + passed)
        return z.T, torch.where(is_atom, width.log() + slope, torch.zeros_like(v)).sum(dim=0)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        atoms, widths, ends, discrete = self._learned()
        if len(discrete) == 0:
            return z
        before = _before(widths)
        at = z.T.contiguous()
        start = atoms + before[:, :-1]
        passed = torch.searchsorted(start, at, right=True)
        last = torch.isfinite(atoms).sum(dim=1, keepdim=True) - 1
        index = (passed - 1).clamp(min=0)
        down, up = ends[:, :1] & (passed == 0), ends[:, 1:] & (index == last) & (passed > 0)
        within = (at < start.gather(1, index) + widths.gather(1, index)) & (passed > 0)
        return torch.where(within | down | up, atoms.gather(1, index), at - before.gather(1, passed)).T


def _before(widths: Tensor) -> Tensor:
    """How far atoms before each have moved what is above them, and all of them, (D, A + 1)."""
    return torch.cat([torch.zeros_like(widths[:, :1]), widths.cumsum(dim=1)], dim=1)
