"""`Events`: what every stage after the reader works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError, NonFiniteError
from analysis.feature_names import check_feature_names

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]


SHA256, PAGES = "SHA-256", "checksums of its pages"


@dataclass(frozen=True)
class SourceFile:
    """One input file, or a range of its entries, as it was when it was read.

    `entries` counts all entries of the range, `selected` those that passed, and `start` is the first entry of the
    range in the file (0 for a whole file); `uuid` is the file's own identifier if its format has one, `sha256` the hash
    of its bytes if it was asked for. `identifiers` are the expressions that number its events, ("entry",) if that is
    the position in the file, and none where nobody knows. `verified` says whether all that was read of it agreed with
    a checksum, and `verified_by` which: the listed "SHA-256" of the file, or "checksums of its pages". `error` says why
    the file was left out; "" if it was not. `layout` is the one that was declared for it.
    """

    path: str
    tree: str
    entries: int
    selected: int
    uuid: str = ""
    sha256: str = ""
    start: int = 0
    identifiers: tuple[str, ...] = ()
    verified: bool = False
    error: str = ""
    verified_by: str = ""
    layout: str = "auto"

    def __post_init__(self) -> None:
        # What comes back from JSON is a list.
        object.__setattr__(self, "identifiers", tuple(self.identifiers))

    def continued_by(self, other: SourceFile) -> bool:
        """Whether `other` is the range of the same file that begins where this one ends."""
        same_file = (self.path, self.tree, self.uuid, self.sha256) == (other.path, other.tree, other.uuid, other.sha256)
        return same_file and other.start == self.start + self.entries

    def same_content(self, other: SourceFile) -> bool:
        """Whether both are one file by its own identifier or by its bytes, whatever its name."""
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        return bool(self.uuid) and self.uuid == other.uuid


@dataclass(frozen=True, eq=False)
class Events:
    """Selected events: features with names, the resonant mass, weights, identifiers, truth if there is one.

    Attributes
    ----------
    x : (N, *event) float32, the features; for feature vectors `columns` names the last axis.
    mass : (N,) float64, the resonant variable in GeV.
    columns : names of the features.
    weights : (N,) float64, event weights, negative ones allowed; default 1.
    ids : (N, 3) uint64, run, luminosity block and event number.
    truth : (N,) bool, True for signal, or None where nobody knows.
    entry : (N,) int64, position of the event in the concatenation of all `sources`, before the selection.
    sources : the files, or ranges of files, that the events came from.

    Raises
    ------
    AnalysisError
        If the lengths disagree.
    FeatureNameError
        If a name can be no file, is not visible, or can not be told from another one.
    NonFiniteError
        If a feature, the mass or a weight is NaN or infinite; the message names column, count and first row.
    """

    x: FloatArray
    mass: FloatArray
    columns: tuple[str, ...]
    weights: FloatArray = field(default_factory=lambda: np.empty(0))
    ids: NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 3), dtype=np.uint64))
    truth: BoolArray | None = None
    entry: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    sources: tuple[SourceFile, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.x)
        put = object.__setattr__
        put(self, "x", np.asarray(self.x, dtype=np.float32))
        put(self, "mass", np.asarray(self.mass, dtype=np.float64))
        put(self, "columns", tuple(self.columns))
        check_feature_names(self.columns)
        if len(self.weights) == 0:
            put(self, "weights", np.ones(n))
        if len(self.entry) == 0:
            put(self, "entry", np.arange(n, dtype=np.int64))
        if len(self.ids) == 0:
            ids = np.ones((n, 3), dtype=np.uint64)
            ids[:, 2] = self.entry
            put(self, "ids", ids)
        if self.truth is not None:
            put(self, "truth", np.asarray(self.truth, dtype=bool))
        for name in ("mass", "weights", "ids", "entry", "truth"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise AnalysisError(f"Events: x has {n} rows but {name} has {len(value)}.")
        if self.x.ndim == 2 and self.x.shape[1] != len(self.columns):
            raise AnalysisError(
                f"Events: x has {self.x.shape[1]} columns but {len(self.columns)} names {self.columns}."
            )
        self._refuse_non_finite()

    def _refuse_non_finite(self) -> None:
        named: list[tuple[str, FloatArray]] = [("mass", self.mass), ("weight", self.weights)]
        if self.x.ndim == 2:
            named += [(f"feature '{c}'", self.x[:, i]) for i, c in enumerate(self.columns)]
        else:
            named += [("x", self.x.sum(axis=tuple(range(1, self.x.ndim))))]
        for name, values in named:
            bad = ~np.isfinite(values)
            if bad.any():
                first = int(np.argmax(bad))
                raise NonFiniteError(
                    f"{name}: {int(bad.sum())} of {len(values)} events are NaN or infinite (first at "
                    f"{self.place_of(first)}: {values[first]}). Mend the expression or exclude them in the selection."
                )

    def place_of(self, row: int) -> str:
        """Where row number `row` was read, in words: its entry, and the file if it is known."""
        entry = int(self.entry[row])
        remaining = entry
        for source in self.sources:
            if remaining < source.entries:
                return f"entry {source.start + remaining} of '{source.path}'"
            remaining -= source.entries
        return f"entry {entry}"

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: slice | BoolArray | IntArray) -> Self:
        """Rows by mask, slice or indices, as new Events."""
        return replace(
            self,
            x=self.x[index],
            mass=self.mass[index],
            weights=self.weights[index],
            ids=self.ids[index],
            entry=self.entry[index],
            truth=None if self.truth is None else self.truth[index],
        )

    def in_order(self) -> Self:
        """The same events by run, luminosity block and event number, so that the order of reading decides nothing.

        Events of one identity come by mass, weight and features; what is left are equal rows.
        """
        ids = (self.ids[:, 2], self.ids[:, 1], self.ids[:, 0])
        order = np.lexsort(ids)
        sorted_ids = self.ids[order]
        if (sorted_ids[1:] == sorted_ids[:-1]).all(axis=1).any():
            features = self.x.reshape(len(self), -1).T[::-1]
            order = np.lexsort((*features, self.weights, self.mass, *ids))
        return self if np.array_equal(order, np.arange(len(self))) else self[order]

    @property
    def context(self) -> FloatArray:
        """The mass as context rows, (N, 1)."""
        return self.mass[:, None]

    def feature(self, name: str) -> FloatArray:
        """One feature by name, (N,); of constituents that of every one of them, (N, jets, particles).

        Raises
        ------
        AnalysisError
            If there is none of that name, or the last axis of `x` is not what `columns` names.
        """
        if name not in self.columns:
            raise AnalysisError(f"No feature '{name}'; there are {', '.join(self.columns)}.")
        if self.x.shape[-1] != len(self.columns):
            raise AnalysisError(
                f"'{name}' is one of {len(self.columns)} columns, but the last axis of x {self.x.shape} has "
                f"{self.x.shape[-1]} places. Take it out of x by its position."
            )
        return self.x[..., self.columns.index(name)]

    @classmethod
    def concatenate(cls, parts: Sequence[Events]) -> Events:
        """Join Events of the same columns; entries and sources are renumbered as one chain of files.

        Ranges that continue each other in one file become one source, so that joined chunks are the events of the file.
        """
        if not parts:
            raise AnalysisError("Events.concatenate needs at least one part.")
        first = parts[0]
        for part in parts[1:]:
            if part.columns != first.columns:
                raise AnalysisError(f"Events with columns {part.columns} do not join with {first.columns}.")
        offsets = np.cumsum([0] + [_entries(p) for p in parts[:-1]])
        # A part without events may not know what the others know.
        known_truth = all(p.truth is not None for p in parts if len(p)) and any(p.truth is not None for p in parts)
        return Events(
            x=np.concatenate([p.x for p in parts]),
            mass=np.concatenate([p.mass for p in parts]),
            columns=first.columns,
            weights=np.concatenate([p.weights for p in parts]),
            ids=np.concatenate([p.ids for p in parts]),
            truth=np.concatenate([p.truth for p in parts if p.truth is not None]) if known_truth else None,
            entry=np.concatenate([p.entry + o for p, o in zip(parts, offsets, strict=True)]),
            sources=_joined([s for p in parts for s in p.sources]),
        )


def _entries(events: Events) -> int:
    """Entries of the chain that the events were selected from."""
    if events.sources:
        return sum(s.entries for s in events.sources)
    return int(events.entry.max()) + 1 if len(events) else 0


def _joined(sources: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """The same chain with ranges that continue each other merged."""
    joined: list[SourceFile] = []
    for source in sources:
        if joined and joined[-1].continued_by(source):
            last = joined[-1]
            joined[-1] = replace(
                last,
                entries=last.entries + source.entries,
                selected=last.selected + source.selected,
                verified=last.verified and source.verified,
                verified_by=last.verified_by if source.verified else "",
            )
        else:
            joined.append(source)
    return tuple(joined)
