"""Functions of two jets inside expressions: where the jets come from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from analysis.errors import BranchNotFoundError, ExpressionError, nearest
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import Column, Operand
from analysis.expressions.fields import fields_of
from analysis.features.dijets import SPELLINGS, DijetFunction


@dataclass(frozen=True)
class Jet:
    """One jet per event: an element of a collection, its leading elements in pT, or single branches `name_*`.

    Exactly one of `index` (position in the file's order) and `rank` (0 leading, 1 subleading in pT) is set for an
    element of a collection; for single branches neither is.
    """

    collection: str
    index: int | None = None
    rank: int | None = None

    def field(self, name: str, chunk: Chunk) -> Column:
        """One field in double precision, (N,), missing where the event has no such jet."""
        branch = find_field(self.collection, name, chunk.names)
        if self.rank is not None:
            order_by = find_field(self.collection, "pt", chunk.names)
            column = chunk.ranked(self.collection, branch, order_by, self.rank)
        elif self.index is not None:
            column = chunk.column(branch).element(self.index)
        else:
            column = chunk.column(branch)
        if column.offsets is not None:
            raise ExpressionError(f"'{branch}' holds a list per event; say which jet: '{self.collection}[0]'.")
        return Column(column.values.astype(np.float64, copy=False), column.missing)


@dataclass(frozen=True)
class DijetCall:
    """A function of two jets, such as `mjj(FatJet)` or `mjj(jet1, jet2)`."""

    function: DijetFunction
    jets: tuple[Jet, Jet]

    def evaluate(self, chunk: Chunk) -> Operand:
        """One value per event, missing where one of the jets is."""
        fields = [{name: jet.field(name, chunk) for name in self.function.fields} for jet in self.jets]
        values = self.function.compute(*({name: c.values for name, c in jet.items()} for jet in fields))
        masks = {id(c.missing): c.missing for jet in fields for c in jet.values() if c.missing is not None}
        return Column(values, np.logical_or.reduce(list(masks.values())) if masks else None)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """The fields of both jets, and pT where the leading ones are looked for."""
        for jet in self.jets:
            ordering = ("pt",) if jet.rank is not None else ()
            for name in (*self.function.fields, *ordering):
                yield find_field(jet.collection, name, available)


def find_field(collection: str, field: str, available: Collection[str]) -> str:
    """Identifier of a field of a collection in the file's own spelling."""
    fields = fields_of(collection, available)
    for spelling in SPELLINGS[field]:
        if spelling in fields:
            return fields[spelling]
    wanted = f"{collection}_{field}"
    raise BranchNotFoundError(
        f"No branch '{wanted}', which a function of '{collection}' needs. {nearest(wanted, available)}"
    )
