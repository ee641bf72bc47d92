"""`Events`: what every stage after the reader works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import named_columns
from analysis.errors import AnalysisError, NonFiniteError
from analysis.feature_names import check_feature_names
from analysis.growing_array import GrowingArray
from analysis.printing import html_table

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
    conditions : name -> (N,) float64, what else is given of an event beside its mass, such as angle or class.
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

    Examples
    --------
    >>> events = Events(np.zeros((3, 2)), [3000.0, 3500.0, 4000.0], ("tau21", "delta_mj"))
    >>> events[events.mass > 3200]
    <Events: 2 events, mass 3500–4000 GeV, features tau21, delta_mj>
    >>> events.feature("tau21").tolist()
    [0.0, 0.0, 0.0]
    """

    x: FloatArray
    mass: FloatArray
    columns: tuple[str, ...]
    weights: FloatArray = field(default_factory=lambda: np.empty(0))
    ids: NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 3), dtype=np.uint64))
    truth: BoolArray | None = None
    entry: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    sources: tuple[SourceFile, ...] = ()
    conditions: Mapping[str, FloatArray] = field(default_factory=dict)

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
        put(self, "conditions", {name: np.asarray(each, np.float64) for name, each in self.conditions.items()})
        check_feature_names(tuple(self.conditions))
        fields = {name: getattr(self, name) for name in ("mass", "weights", "ids", "entry", "truth")}
        for name, value in (fields | {f"condition '{name}'": each for name, each in self.conditions.items()}).items():
            if value is not None and len(value) != n:
                raise AnalysisError(f"Events: x has {n} rows but {name} has {len(value)}.")
        if self.x.ndim == 2 and self.x.shape[1] != len(self.columns):
            raise AnalysisError(
                f"Events: x has {self.x.shape[1]} columns but {len(self.columns)} names {self.columns}."
            )
        self._refuse_non_finite()

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        mass: Any,
        columns: Sequence[str] | None = None,
        *,
        weights: Any = None,
        truth: Any = None,
        ids: Any = None,
        conditions: Mapping[str, Any] | None = None,
    ) -> Self:
        """Events of arrays that are in memory; of a table, `mass`, `weights` and `truth` may name one of its columns.

        `x` is (N, D) numbers with names in `columns`, or a pandas data frame, a record array of numpy or awkward, or a
        mapping of names to (N,); features are those in `columns`, or all columns that are not named otherwise.

        >>> Events.from_arrays({"mjj": [3500.0, 3600.0], "tau21": [0.3, 0.7]}, "mjj")
        <Events: 2 events, mass 3500–3600 GeV, features tau21>

        Raises
        ------
        AnalysisError
            If a column is missing, jagged or no numbers; and as the constructor.
        """
        table = named_columns(x)
        given = {"mass": mass, "weights": weights, "truth": truth}
        named = {role: name for role, name in given.items() if isinstance(name, str)}
        if table is None and (named or columns is None):
            raise AnalysisError(
                "Events.from_arrays: x has no names of columns. Give them in `columns`, and mass, weights and truth as "
                "arrays; or hand over a data frame, a record array or a mapping."
            )
        table = {} if table is None else table
        features = [n for n in table if n not in named.values()] if columns is None else list(columns)
        absent = [name for name in (*named.values(), *(features if table else ())) if name not in table]
        if absent:
            raise AnalysisError(f"Events.from_arrays: no column '{absent[0]}'; there are {', '.join(table)}.")
        values = {role: table[value] if isinstance(value, str) else value for role, value in given.items()}
        try:
            rows = np.stack([np.asarray(table[name], np.float32) for name in features], axis=1) if table else x
            return cls(
                np.asarray(rows, np.float32),
                np.asarray(values["mass"], np.float64),
                tuple(features),
                np.empty(0) if values["weights"] is None else np.asarray(values["weights"], np.float64),
                np.empty((0, 3), np.uint64) if ids is None else np.asarray(ids, np.uint64),
                None if values["truth"] is None else np.asarray(values["truth"], bool),
                conditions=dict(conditions or {}),
            )
        except (ValueError, TypeError) as error:
            raise AnalysisError(f"Events.from_arrays: {error}") from error

    def __repr__(self) -> str:
        return f"<Events: {_described(self)}>"

    def _repr_html_(self) -> str:
        """A table for notebooks: smallest, mean and largest value of the mass and of every feature."""
        named = [("mass, GeV", self.mass)]
        if self.x.ndim == 2:
            named += [(name, self.x[:, i]) for i, name in enumerate(self.columns)]
        rows = [
            (name, *(f"{float(each):.4g}" for each in (v.min(), v.mean(dtype=np.float64), v.max())))
            for name, v in named
            if len(v)
        ]
        return html_table(_described(self), ("", "smallest", "mean", "largest"), rows)

    def _refuse_non_finite(self) -> None:
        named: list[tuple[str, FloatArray]] = [("mass", self.mass), ("weight", self.weights)]
        named += [(f"condition '{name}'", values) for name, values in self.conditions.items()]
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
            conditions={name: values[index] for name, values in self.conditions.items()},
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
        """The mass, and every condition after it, as context rows (N, 1 + K)."""
        return np.stack([self.mass, *self.conditions.values()], axis=1)

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
        return cls.gathered(iter(parts))

    @classmethod
    def gathered(cls, parts: Iterable[Events]) -> Events:
        """What `concatenate` gives; each part is copied when it comes, and then given up."""
        columns: tuple[str, ...] | None = None
        held: dict[str, GrowingArray] = {}
        empty: Events | None = None
        sources: list[SourceFile] = []
        offset = 0
        for part in parts:
            columns = part.columns if columns is None else columns
            if part.columns != columns:
                raise AnalysisError(f"Events with columns {part.columns} do not join with {columns}.")
            if len(part):
                rows = _rows(part, offset)
                held = held or {name: GrowingArray(each.shape[1:], each.dtype) for name, each in rows.items()}
                _append(held, rows)
            elif empty is None or empty.truth is None:
                # A part without events may not know what the others know.
                empty = part
            sources += part.sources
            offset += _entries(part)
        if columns is None:
            raise AnalysisError("Events.concatenate needs at least one part.")
        if not held:
            assert empty is not None
            return replace(empty, sources=joined_sources(sources))
        arrays = {name: array.finished() for name, array in held.items()}
        known = {name.removeprefix(_CONDITION): arrays.pop(name) for name in held if name.startswith(_CONDITION)}
        return Events(columns=columns, sources=joined_sources(sources), conditions=known, **arrays)


#: Before the name of a condition, where it stands beside other arrays.
_CONDITION = "condition "


def _rows(part: Events, offset: int) -> dict[str, NDArray[Any]]:
    """All arrays of a part whose entries begin at `offset`."""
    arrays = {name: getattr(part, name) for name in ("x", "mass", "weights", "ids")} | {"entry": part.entry + offset}
    known = {} if part.truth is None else {"truth": part.truth}
    return arrays | known | {_CONDITION + name: each for name, each in part.conditions.items()}


def _append(held: dict[str, GrowingArray], rows: Mapping[str, NDArray[Any]]) -> None:
    """Append the rows of a part to what is held; if one does not know the truth, nobody does."""
    if "truth" not in rows:
        held.pop("truth", None)
    before, now = ([name for name in names if name.startswith(_CONDITION)] for names in (held, rows))
    if before != now:
        raise AnalysisError(f"Events with the conditions {_named(now)} do not join with {_named(before)}.")
    for name, array in held.items():
        array.append(rows[name])


def _named(conditions: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.removeprefix(_CONDITION) for name in conditions)


def _described(events: Events) -> str:
    """What events are, in one line."""
    parts = [f"{len(events):,} events"]
    if len(events):
        parts.append(f"mass {events.mass.min():.6g}–{events.mass.max():.6g} GeV")
    parts.append(f"features {', '.join(events.columns)}")
    if events.x.ndim != 2:
        parts.append(f"of shape {events.x.shape[1:]}")
    if events.truth is not None:
        parts.append(f"{int(events.truth.sum()):,} of true signal")
    if len(events.sources):
        parts.append(f"from {len(events.sources)} file{'s' if len(events.sources) > 1 else ''}")
    return ", ".join(parts)


def _entries(events: Events) -> int:
    """Entries of the chain that the events were selected from."""
    if events.sources:
        return sum(s.entries for s in events.sources)
    return int(events.entry.max()) + 1 if len(events) else 0


def joined_sources(sources: Iterable[SourceFile]) -> tuple[SourceFile, ...]:
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
