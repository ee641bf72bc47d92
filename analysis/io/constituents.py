"""Constituents of the leading jets out of jagged branches: `Constituents`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from analysis.errors import BranchNotFoundError, ConstituentError, MissingValueError, NonFiniteError, nearest
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import Column
from analysis.expressions.fields import fields_of
from analysis.features.constituents import wrap
from analysis.features.dijets import SPELLINGS
from analysis.io.padding import hardest_first
from analysis.io.reading_options import ConstituentOptions

COLUMNS = ("pt", "eta", "phi")
NO_JET = -1


@dataclass(frozen=True, kw_only=True)
class Constituents(ConstituentOptions):
    """Which constituents of which jets become the `x` of an event: (jets_per_event, leading, 3) of pT, η, φ.

    The jets of an event are its hardest by `jets`_pt, the constituents of a jet its hardest by `collection`_pt; both
    fall in pT, whatever the order of the file. GeV, φ in [−π, π). Absent constituents are zeros; a constituent without
    momentum counts as absent.

    Without `links`, `jets` + `collection` joins both if `collection` has no `jet_index` itself or a `constituent_index`
    is named, for files in which constituents are in several jets or in none: it has `jet_index` and
    `constituent_index`, as in FatJetPFCands_jetIdx and FatJetPFCands_pFCandsIdx.

    >>> Constituents(leading=30).jets_per_event
    2
    """

    @classmethod
    def of(cls, options: ConstituentOptions) -> Constituents:
        """These options, with what becomes of them."""
        names = (each.name for each in fields(ConstituentOptions))
        return options if isinstance(options, cls) else cls(**{name: getattr(options, name) for name in names})

    def __post_init__(self) -> None:
        for name in ("leading", "jets_per_event"):
            if getattr(self, name) < 1:
                raise ConstituentError(f"{name}={getattr(self, name)}: at least one is needed.")

    @property
    def columns(self) -> tuple[str, ...]:
        """("pt", "eta", "phi")."""
        return COLUMNS

    @property
    def shape(self) -> tuple[int, ...]:
        """(jets_per_event, leading, 3)."""
        return self.jets_per_event, self.leading, len(COLUMNS)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Identifiers of pT of the jets, of pT, η, φ of the constituents, and of what joins them.

        Raises
        ------
        BranchNotFoundError
            If one is missing; the message names the nearest.
        """
        yield self._branch(self.jets, "pt", available)
        for field in COLUMNS:
            yield self._branch(self.collection, field, available)
        yield from self._joining(available)

    def positions(self, available: Collection[str]) -> Collection[str]:
        """Identifiers of what joins constituents and jets."""
        return self._joining(available)

    def values(self, chunk: Chunk, passing: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        """(n, jets_per_event, leading, 3) of the events that are `passing`, or of all.

        Raises
        ------
        MissingValueError
            If an event has fewer jets, or one of these jets has no constituent at all.
        ConstituentError
            If an index points outside of its event, or the branches do not fit each other.
        NonFiniteError
            If a momentum or an angle of a kept jet is NaN or infinite.
        """
        pt_of_jets, *names = self.branches(chunk.names)
        jets = _listed(chunk, pt_of_jets)
        cell_of_jet = self._cells(jets, pt_of_jets, passing)
        cell, source = self._members(chunk, names, jets, cell_of_jet)
        momenta = [_kept(chunk, name, source) for name in names[: len(COLUMNS)]]
        if (momenta[0] < 0).any():
            raise ConstituentError(f"'{names[0]}' is negative for {int((momenta[0] < 0).sum())} constituents.")
        momenta[2] = wrap(momenta[2])
        n = chunk.entries if passing is None else int(np.count_nonzero(passing))
        x, counts = hardest_first(cell, momenta, momenta[0], cells=n * self.jets_per_event, leading=self.leading)
        self._refuse_empty(counts)
        return x.reshape(n, *self.shape)

    def _branch(self, collection: str, field: str, available: Collection[str]) -> str:
        fields = fields_of(collection, available)
        for spelling in SPELLINGS.get(field, (field.lower(),)):
            if spelling in fields:
                return fields[spelling]
        wanted = f"{collection}_{field}"
        raise BranchNotFoundError(
            f"No branch '{wanted}', which constituents of '{self.jets}' need. {nearest(wanted, available)}"
        )

    def _joining(self, available: Collection[str]) -> tuple[str, ...]:
        """The index branch of the constituents, or both branches of the links."""
        own = fields_of(self.collection, available)
        if self.links is None and self.constituent_index is None and self.jet_index.lower() in own:
            return (own[self.jet_index.lower()],)
        links = self.links or f"{self.jets}{self.collection}"
        index = self.constituent_index or f"{self.collection}Idx"
        linking = fields_of(links, available)
        wanted = (self.jet_index.lower(), index.lower())
        if all(field in linking for field in wanted):
            return linking[wanted[0]], linking[wanted[1]]
        missing = " and ".join(f"'{links}_{field}'" for field in (self.jet_index, index))
        either = "" if self.links else f"neither '{self.collection}_{self.jet_index}' nor "
        raise BranchNotFoundError(
            f"Nothing says which jet a constituent is in: there is {either or 'no '}{missing}. Name the branches by "
            f"jet_index, links and constituent_index. {nearest(f'{links}_{self.jet_index}', available)}"
        )

    def _cells(self, jets: Column, name: str, passing: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Place of every jet of the chunk in the (n, jets_per_event) that are wanted, NO_JET if it is not; one more."""
        assert jets.offsets is not None
        counts, pt = jets.counts, jets.values
        selected = np.ones(len(jets), dtype=bool) if passing is None else passing
        few = counts[selected] < self.jets_per_event
        if few.any():
            raise MissingValueError(
                f"{int(few.sum())} of {len(few)} selected events (first: number {int(np.argmax(few))}) have fewer than "
                f"{self.jets_per_event} '{self.jets}'. Require them in the selection: "
                f"'num({self.jets}) >= {self.jets_per_event}'."
            )
        event = np.repeat(np.arange(len(jets)), counts)
        _refuse_non_finite(pt[selected[event]], name)
        # The negative of an unsigned number would be a large one.
        order = np.lexsort((-pt.astype(np.float64), event))
        rank = np.arange(len(pt)) - jets.offsets[event]
        row = (np.cumsum(selected) - 1)[event]
        wanted = selected[event] & (rank < self.jets_per_event)
        cells = np.full(len(pt) + 1, NO_JET, dtype=np.int64)
        cells[order[wanted]] = (row * self.jets_per_event + rank)[wanted]
        return cells

    def _members(
        self, chunk: Chunk, names: list[str], jets: Column, cell_of_jet: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Cell and position in the flat collection of every constituent of a wanted jet."""
        assert jets.offsets is not None
        constituents = _listed(chunk, names[0])
        for name in names[1 : len(COLUMNS)]:
            _refuse_other_lengths(constituents, _listed(chunk, name), names[0], name)
        joining = names[len(COLUMNS) :]
        index = _listed(chunk, joining[0])
        jet = _flat(index, jets, joining[0], self.jets)
        if len(joining) == 1:
            _refuse_other_lengths(constituents, index, names[0], joining[0])
            member = np.flatnonzero(cell_of_jet[jet] != NO_JET)
            return cell_of_jet[jet[member]], member
        index = _listed(chunk, joining[1])
        _refuse_other_lengths(_listed(chunk, joining[0]), index, *joining)
        source = _flat(index, constituents, joining[1], self.collection)
        member = np.flatnonzero((cell_of_jet[jet] != NO_JET) & (source < len(constituents.values)))
        return cell_of_jet[jet[member]], source[member]

    def _refuse_empty(self, counts: NDArray[np.int64]) -> None:
        empty = (counts.reshape(-1, self.jets_per_event) == 0).any(axis=1)
        if empty.any():
            raise MissingValueError(
                f"{int(empty.sum())} of {len(empty)} selected events (first: number {int(np.argmax(empty))}) have one "
                f"of the {self.jets_per_event} leading '{self.jets}' without any constituent in '{self.collection}'. "
                "Exclude them in the selection, or write out the constituents of all of these jets."
            )


def _listed(chunk: Chunk, name: str) -> Column:
    """A column with a list per event and nothing missing in it."""
    column = chunk.column(name)
    if column.offsets is None or column.missing is not None:
        raise ConstituentError(
            f"'{name}' {'has one value per event' if column.offsets is None else 'has missing values'}; a list of "
            "numbers per event is needed."
        )
    return column


def _flat(index: Column, of: Column, name: str, collection: str) -> NDArray[np.int64]:
    """Positions in the flat collection out of positions in the event; one past its end where there is none (-1)."""
    assert index.offsets is not None
    assert of.offsets is not None
    if index.values.dtype.kind not in "iu":
        raise ConstituentError(f"'{name}' holds {index.values.dtype} values; positions are integers.")
    own = index.values.astype(np.int64)
    outside = (own >= np.repeat(of.counts, index.counts)) | (own < NO_JET)
    if outside.any():
        first = int(np.argmax(outside))
        event = int(np.searchsorted(index.offsets, first, side="right")) - 1
        raise ConstituentError(
            f"'{name}' points outside of its event {int(outside.sum())} times, first {own[first]} in event number "
            f"{event} of this range, which has {of.counts[event]} '{collection}'. Does it count another collection?"
        )
    return np.where(own == NO_JET, len(of.values), own + np.repeat(of.offsets[:-1], index.counts))


def _kept(chunk: Chunk, name: str, source: NDArray[np.int64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        values = chunk.column(name).values[source].astype(np.float32)
    _refuse_non_finite(values, name)
    return values


def _refuse_non_finite(values: NDArray[np.floating], name: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        raise NonFiniteError(
            f"'{name}': {int(bad.sum())} of {len(bad)} values in selected events are NaN or infinite. Exclude these "
            "events in the selection, or mend the file."
        )


def _refuse_other_lengths(a: Column, b: Column, name_a: str, name_b: str) -> None:
    if not np.array_equal(a.offsets, b.offsets):  # type: ignore[arg-type]
        raise ConstituentError(f"'{name_a}' and '{name_b}' have different numbers of elements per event.")
