"""Safe expressions on branches: selections, features, weights and labels as text.

    FatJet_pt[0] > 1200 and abs(FatJet_eta[0]) < 2.5
    where(num(Jet_pt[Jet_pt > 30]) >= 3, 1, 0)
    mjj(FatJet)

Names are branches, by their exact name, such as FatJet.pt, or with underscores for what identifiers can not have,
FatJet_pt; branch('Jet/Jet.PT') takes any exact name. `X[i]` is element i of every event in the order of the file and is
missing where an event has fewer; `X[condition]` keeps elements. A number per event combines with every element of a
list. Comparisons may be chained; `and`, `or`, `not` act element by element and know what is missing: False and missing
is False, True or missing is True. `&`, `|`, `^`, `~` do the same to conditions, and act on the bits of whole numbers.

Functions: abs sqrt log log10 exp sin cos tan sinh cosh tanh hypot atan2 isfinite isnan; min and max of one list, or
element by element of several arguments; sum any all num; where(condition, a, b); missing(x) and default(x, y), which is
y where x is missing; and those of two jets in `analysis.features.dijets`. They take a collection (its leading two in
pT), two of its elements, or two groups of branches such as `jet1_pt`, `jet1_eta` …: mjj(FatJet),
mjj(FatJet[0], FatJet[2]), mjj(jet1, jet2).

Whole numbers are exact, of any size, as in Python; everything else is done in double precision, whatever the file
stores. Division by zero gives infinity or NaN.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError, ExpressionError, MissingValueError
from analysis.expressions.arithmetic import as_float
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import Column
from analysis.expressions.grammar import parse
from analysis.expressions.nodes import Node


@dataclass(frozen=True)
class Expression:
    """A compiled expression."""

    text: str
    root: Node

    def branches(self, available: Collection[str]) -> tuple[str, ...]:
        """Identifiers that it reads out of the available ones, each once.

        Raises
        ------
        BranchNotFoundError
            If one is missing; the message names the nearest.
        """
        try:
            return tuple(dict.fromkeys(self.root.branches(available)))
        except AnalysisError as error:
            raise type(error)(f"Expression '{self.text}': {error}") from None

    def evaluate(self, chunk: Chunk | Mapping[str, Any]) -> Column:
        """Value on a chunk, or on numpy or awkward arrays by name: a Column of one or several values per event."""
        columns = chunk if isinstance(chunk, Chunk) else Chunk(chunk)
        try:
            with np.errstate(all="ignore"):
                value = self.root.evaluate(columns)
        except AnalysisError as error:
            raise type(error)(f"Expression '{self.text}': {error}") from None
        except (TypeError, ValueError, OverflowError, IndexError) as error:
            raise ExpressionError(f"Expression '{self.text}' can not be evaluated: {error}.") from error
        if not isinstance(value, Column):
            value = Column(np.repeat(value, columns.entries))
        # Whole numbers of more than 64 bits are for the inside of expressions.
        return replace(value, values=as_float(value.values)) if value.values.dtype == object else value

    def passing(self, chunk: Chunk | Mapping[str, Any]) -> NDArray[np.bool_]:
        """Which events pass it as a selection, (N,): True, and not missing."""
        column = self._per_event(chunk)
        if not column.is_boolean:
            raise ExpressionError(
                f"The selection '{self.text}' gives numbers, not conditions; compare it with something, for example "
                "'nFatJet > 0' or '(jetId & 2) != 0'."
            )
        return column.values if column.missing is None else column.values & ~column.missing

    def values(
        self, chunk: Chunk | Mapping[str, Any], passing: NDArray[np.bool_] | None = None, *, name: str = ""
    ) -> NDArray[Any]:
        """Its value for every event, or for those that are `passing`, (N,).

        Raises
        ------
        MissingValueError
            If it is missing in some of these events; the message names their number.
        """
        column = self._per_event(chunk)
        values = column.values if passing is None else column.values[passing]
        if column.missing is not None:
            missing = column.missing if passing is None else column.missing[passing]
            if missing.any():
                label = f"'{name}' = '{self.text}'" if name else f"'{self.text}'"
                raise MissingValueError(
                    f"{label} does not exist in {int(missing.sum())} of {len(missing)} selected events (first: number "
                    f"{int(np.argmax(missing))}), which have too few elements, or null. Require it in the selection, "
                    f"for example 'num(FatJet) >= 2', or say what to take instead: default({self.text}, -1)."
                )
        return values

    def _per_event(self, chunk: Chunk | Mapping[str, Any]) -> Column:
        column = self.evaluate(chunk)
        if column.offsets is not None:
            raise ExpressionError(
                f"'{self.text}' gives a list per event; take an element, such as [0], or any(...), all(...), sum(...), "
                "min(...), max(...)."
            )
        return column


def compile_expression(text: str) -> Expression:
    """Compile an expression.

    Raises
    ------
    ExpressionError
        If it is malformed or uses anything outside of the language.

    >>> import numpy as np
    >>> compile_expression("1 < x <= 3").passing({"x": np.array([1.0, 2.0, 3.0, np.nan])})
    array([False,  True,  True, False])
    """
    return Expression(text, parse(text))
