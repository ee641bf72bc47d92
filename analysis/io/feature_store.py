"""A feature store: what a reading selects from many ntuples, once, to be read again by columns and ranges of rows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from analysis.atomic import write_text
from analysis.errors import FeatureStoreError, InputFileError, nearest
from analysis.events import Events, SourceFile
from analysis.io.checksums import Checksums, listed_for
from analysis.io.contents import Content
from analysis.io.failures import Failures, left_out
from analysis.io.feature_part import read_part
from analysis.io.layouts import LAYOUTS
from analysis.io.manifests import read_manifest
from analysis.io.paths import Files
from analysis.io.reading_options import ConstituentOptions, ReadingOptions
from analysis.io.urls import without_scheme

STORE = "store.json"
FORMAT_VERSION = 1
#: Options that decide what an event is. The others say where files are, and how carefully they are read.
_DECISIVE = (
    "tree",
    "layout",
    "units",
    "beam_energy",
    "selection",
    "mass",
    "features",
    "constituents",
    "weight",
    "truth",
    "identifiers",
)
_AGAIN = "Prepare it again, in another folder."


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One input file: `source` as the reading found it, and its events in `part`, "" if it could not be read.

    `sum_of_weights` and `sum_of_squared_weights` are of the selected events, `sum_of_weights_read` of all entries, None
    where some of them have no weight; `size` is in bytes, -1 where nobody knows. `blocks` are the luminosity blocks of
    all entries by run.
    """

    source: SourceFile
    part: str = ""
    truth: bool = False
    sum_of_weights: float = 0.0
    sum_of_squared_weights: float = 0.0
    sum_of_weights_read: float | None = 0.0
    size: int = -1
    blocks: Mapping[str, Sequence[Sequence[int]]]

    @property
    def lost(self) -> bool:
        """Whether it could not be read; the reason is in the source."""
        return self.part == ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StoredFile:
        """From JSON."""
        return cls(**{**values, "source": SourceFile(**values["source"])})


@dataclass(frozen=True)
class FeatureStore:
    """Selected events of many files: a folder with `store.json`, and for every file a part in parquet.

    `definition` says which expressions the events were made by, `shape` is that of x of an event.
    """

    path: Path
    definition: Mapping[str, Any]
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    files: tuple[StoredFile, ...]

    @classmethod
    def open(cls, path: Path | str) -> FeatureStore:
        """The store of a folder.

        Raises
        ------
        FeatureStoreError
            If there is none, or it was not written by this release.
        """
        place = Path(path)
        try:
            content = json.loads((place / STORE).read_text(encoding="utf-8"))
            if content["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format version {content['format_version']!r}; this release reads {FORMAT_VERSION}")
            files = tuple(StoredFile.from_dict(each) for each in content["files"])
            for part in (Path(each.part) for each in files):
                if part.is_absolute() or ".." in part.parts:
                    raise ValueError(f"part '{part}' lies elsewhere")
            return cls(place, content["definition"], tuple(content["columns"]), tuple(content["shape"]), files)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or error
            raise FeatureStoreError(
                f"'{place}' is no feature store ({reason}). `cathode prepare` makes one."
            ) from error

    @classmethod
    def among(cls, files: Files) -> FeatureStore | None:
        """The store that is meant by `files`, if it is one; it is read alone.

        Raises
        ------
        FeatureStoreError
            If there are other files beside it, or it can not be read.
        """
        listed = [files] if isinstance(files, str | os.PathLike) else list(files)
        places = [Path(os.path.expanduser(without_scheme(os.fspath(each)))) for each in listed]
        stores = [place for place in places if (place / STORE).is_file()]
        if not stores:
            return None
        if len(places) > 1:
            raise FeatureStoreError(
                f"'{stores[0]}' is a feature store, which is read alone, not with {len(places) - 1} other inputs. "
                "Prepare all files into one store."
            )
        return cls.open(stores[0])

    def write(self) -> None:
        """Write `store.json`, atomically; the parts are there before."""
        content = {
            "format_version": FORMAT_VERSION,
            "definition": self.definition,
            "columns": self.columns,
            "shape": self.shape,
            "files": [asdict(each) for each in self.files],
        }
        write_text(self.path / STORE, json.dumps(content, indent=1))

    def __len__(self) -> int:
        return sum(each.source.selected for each in self.files)

    def read(self, columns: Sequence[str] | None = None, rows: slice = slice(None)) -> Events:
        """Events with the named features, by default all, in a range of rows of the whole: what `[rows]` of all gives.

        Only what is asked for is unpacked; `rows` has no step.

        Raises
        ------
        FeatureStoreError
            If a feature is not in the store.
        NtupleReadError, InputFileError
            If a part is damaged or gone.
        """
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise FeatureStoreError(f"Rows {rows} of a feature store: they have no step. Take it from what is read.")
        chosen = self._columns(columns)
        edges = np.cumsum([0, *(each.source.selected for each in self.files)])
        parts = [
            self._part(each, chosen, slice(max(start - int(low), 0), min(max(stop - int(low), 0), int(high - low))))
            for each, (low, high) in zip(self.files, pairwise(edges), strict=True)
        ]
        return Events.gathered(iter(parts))

    def parts(self, reading: ReadingOptions, content: Content, failures: Failures) -> Iterator[Events]:
        """Events of one file after the other, as a reading of the files themselves gives them.

        Raises
        ------
        FeatureStoreError
            If it was prepared for other expressions.
        InputFileError, TooManyFailuresError
            If more files were lost than the reading lets, or a file has not the listed checksum.
        """
        self.require(reading)
        weighted = reading.weight is not None or self.definition["weight"] is None
        labelled = reading.truth is not None or self.definition["truth"] is None
        wanted = reading.checksums
        checksums = read_manifest(wanted) if isinstance(wanted, str | os.PathLike) else wanted
        for each in self.files:
            if each.lost:
                path, reason = each.source.path, each.source.error
                again = f"{reason} So it was when '{self.path}' was prepared; `cathode prepare` tries it again."
                failures.add(path, InputFileError(again), len(self.files))
                yield left_out(path, InputFileError(reason), content, truth=reading.truth is not None)
                continue
            _compare(each.source, checksums)
            events = self._part(each, content.columns, slice(None), truth=labelled and each.truth)
            yield events if weighted else _unweighted(events)

    def require(self, reading: ReadingOptions) -> None:
        """Refuse a reading that would make other events of the files.

        Raises
        ------
        FeatureStoreError
            Naming what differs.
        """
        asked = definition_of(reading)
        differs = [name for name in _DECISIVE if not self._holds(name, asked[name])]
        if differs:
            name = differs[0]
            more = f" (and {', '.join(differs[1:])})" if differs[1:] else ""
            raise FeatureStoreError(
                f"'{self.path}' was prepared with {name}: {self.definition.get(name)!r}, not {asked[name]!r}{more}. "
                f"Name the original files, or prepare them again with these settings, in another folder."
            )

    def _holds(self, name: str, asked: Any) -> bool:
        stored = self.definition.get(name)
        if name == "features" and asked is not None and stored is not None:
            return all(pair in stored for pair in asked)
        if name == "weight" and asked is None:
            return True
        if name == "truth" and asked is None:
            layout = LAYOUTS.get(self.definition["layout"])
            return stored is None or layout is None or layout.truth is None
        return bool(stored == asked)

    def _columns(self, columns: Sequence[str] | None) -> tuple[str, ...]:
        chosen = self.columns if columns is None else tuple(columns)
        if len(self.shape) > 1 and chosen != self.columns:
            raise FeatureStoreError(f"'{self.path}' holds constituents, which are read as a whole.")
        if absent := [name for name in chosen if name not in self.columns]:
            raise FeatureStoreError(f"'{self.path}' has no feature '{absent[0]}'. {nearest(absent[0], self.columns)}")
        return chosen

    def _part(self, file: StoredFile, columns: Sequence[str], rows: slice, *, truth: bool | None = None) -> Events:
        shape = (len(columns),) if len(self.shape) == 1 else self.shape
        start, stop, _ = rows.indices(file.source.selected)
        if file.lost or (rows != slice(None) and start >= stop):
            return Events(
                x=np.empty((0, *shape)),
                mass=np.empty(0),
                columns=tuple(columns),
                truth=np.empty(0, dtype=bool) if file.truth else None,
                sources=(file.source,),
            )
        path = self.path / file.part
        if not path.is_file():
            raise InputFileError(f"'{path}', a part of a feature store, is gone. {_AGAIN}")
        known = file.truth if truth is None else truth
        return read_part(path, file.source, columns=columns, shape=shape, truth=known, rows=rows)


def definition_of(reading: ReadingOptions) -> dict[str, Any]:
    """What decides the events of a reading, in JSON types."""
    found = {name: getattr(reading, name) for name in _DECISIVE}
    particles, identifiers = reading.constituents, reading.identifiers
    found["features"] = None if reading.expressions is None else [[n, text] for n, text in reading.expressions.items()]
    found["constituents"] = particles and {f.name: getattr(particles, f.name) for f in fields(ConstituentOptions)}
    found["units"] = dict(reading.units) if isinstance(reading.units, Mapping) else reading.units
    found["identifiers"] = [identifiers] if isinstance(identifiers, str) else identifiers and list(identifiers)
    return found


def reading_of(definition: Mapping[str, Any], file: str, **others: Any) -> ReadingOptions:
    """The reading of a file that a definition says; `others` are the options that decide no event."""
    features, particles = definition["features"], definition["constituents"]
    return ReadingOptions(
        **{
            **definition,
            "files": file,
            "features": None if features is None else dict(features),
            "constituents": None if particles is None else ConstituentOptions(**particles),
            **others,
        }
    )


def _compare(source: SourceFile, checksums: Checksums) -> None:
    """Refuse a file that was prepared in another version than is listed."""
    if isinstance(checksums, bool):
        return
    expected = listed_for(source.path, checksums).lower()
    if source.sha256 != expected:
        found = source.sha256 or "no SHA-256: checksums were not asked for"
        raise InputFileError(f"'{source.path}' was prepared with {found}, not {expected} as listed. {_AGAIN}")


def _unweighted(events: Events) -> Events:
    return replace(events, weights=np.ones(len(events)))
