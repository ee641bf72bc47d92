"""`compare_runs`: finished runs beside each other, what they found and what makes them different."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from analysis.printing import html_table, number, p_value
from cathode.errors import RunFolderError
from cathode.result import CutResult, SearchResult
from cathode.runs.run import Run, open_run

#: What stands where a run has nothing.
NONE = "–"
#: Keys of an analysis file that say where a run was written, not what it is.
_PLACES = frozenset({"output", "store"})


@dataclass(frozen=True)
class Row:
    """One line of a table: what it is of, and a cell for each run."""

    title: str
    cells: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs disagree."""
        return len({*self.cells}) > 1


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Finished runs side by side.

    Attributes
    ----------
    runs : in the order in which they were named.
    names : the shortest ends of their paths that tell them apart.

    >>> rows = RunComparison(runs=(), names=()).searches()  # `compare_runs(["runs/a", "runs/b"])` makes one
    >>> [row.title for row in rows[:3]]
    ['window, GeV', 'method', 'generator']
    """

    runs: tuple[Run, ...]
    names: tuple[str, ...]

    @property
    def results(self) -> tuple[SearchResult, ...]:
        """What each run found."""
        return tuple(run.result for run in self.runs)

    def searches(self) -> tuple[Row, ...]:
        """What was searched how, and whether validation passed."""
        return tuple(
            Row(title, tuple(said(each) for each in self.results))
            for title, said in (
                ("window, GeV", lambda r: f"{r.region.low:g}–{r.region.high:g}"),
                ("method", lambda r: str(r.method.get("kind", NONE))),
                ("generator", lambda r: kind_of(r.method, "generator")),
                ("classifier", lambda r: kind_of(r.method, "classifier")),
                ("events", lambda r: f"{r.counts.total:,}"),
                ("events in the window", lambda r: f"{r.counts.signal_region:,}"),
                ("seed", lambda r: str(r.seed)),
                ("cheap trial", lambda r: "yes" if r.quick else "no"),
                ("validation", lambda r: r.validation),
                ("closure, mean AUC", _closure),
                ("warnings", lambda r: str(len(r.warnings))),
                ("seconds", lambda r: number(round(sum(r.seconds.values()))) if r.seconds else NONE),
            )
        )

    def cuts(self) -> tuple[tuple[float, tuple[Row, ...]], ...]:
        """Background efficiencies of all runs, each with what was counted, expected and quoted there."""
        found = dict.fromkeys(cut.background_efficiency for each in self.results for cut in each.cuts)
        return tuple((efficiency, tuple(self._of_cut(efficiency))) for efficiency in found)

    def configuration(self) -> tuple[Row, ...]:
        """Every setting that is not the same in all runs."""
        return _differing([_flat(each) for each in self._settings()])

    def versions(self) -> tuple[Row, ...]:
        """Every version that is not the same in all runs."""
        return _differing([each.versions for each in self.results])

    def remarks(self) -> tuple[str, ...]:
        """What keeps the numbers from being compared as they stand."""
        return tuple(self._remarks())

    def to_dict(self) -> dict[str, Any]:
        """The tables in JSON types, by run."""
        return {
            "runs": [str(run.folder) for run in self.runs],
            "conclusions": [each.conclusion for each in self.results],
            "searches": {row.title: [*row.cells] for row in self.searches()},
            "cuts": {f"{efficiency:g}": {r.title: [*r.cells] for r in rows} for efficiency, rows in self.cuts()},
            "configuration": {row.title: [*row.cells] for row in self.configuration()},
            "versions": {row.title: [*row.cells] for row in self.versions()},
            "remarks": [*self.remarks()],
        }

    def _of_cut(self, efficiency: float) -> Iterator[Row]:
        cuts = [cut_at(each, efficiency) for each in self.results]
        pairs = list(zip(self.results, cuts, strict=True))
        yield Row("observed", tuple(NONE if c is None else number(c.observed) for c in cuts))
        yield Row("expected", tuple(NONE if c is None else _expected(c) for c in cuts))
        yield Row("p-value", tuple(NONE if c is None else p_value(c.p_value) for c in cuts))
        yield Row("significance, local", tuple(NONE if c is None else c.local(r.validation) for r, c in pairs))
        if any(c is not None and c.signal_efficiency is not None for c in cuts):
            yield Row("true signal kept", tuple(_kept(c) for c in cuts))

    def _settings(self) -> list[Mapping[str, Any]]:
        """Analysis files where all runs have one; else what every run says of itself."""
        if all(each.config is not None for each in self.results):
            return [{k: v for k, v in (each.config or {}).items() if k not in _PLACES} for each in self.results]
        return [{"region": vars(r.region), "method": r.method, "observables": r.observables} for r in self.results]

    def _remarks(self) -> Iterator[str]:
        if len({_events(each) for each in self.results}) > 1:
            yield (
                "The runs did not select the same events of the same files: differences of counts are differences of "
                "the data too."
            )
        elif len({(r.region.low, r.region.high) for r in self.results}) > 1:
            yield "The windows are not the same; events that lie in several of them are counted in each."
        quick = [name for name, each in zip(self.names, self.results, strict=True) if each.quick]
        if quick:
            yield f"Cheap trials (--quick), which are no results: {', '.join(quick)}."
        if any(not each.validated for each in self.results):
            yield "Significances in parentheses are not claimed, because validation does not support them."
        yield (
            "Every significance is local, for one run: whoever quotes the best of several runs has looked several "
            "times, and owes a trials factor."
        )

    def __repr__(self) -> str:
        return f"<RunComparison: {', '.join(self.names)}>"

    def _repr_html_(self) -> str:
        """Tables for notebooks."""
        header = ("", *self.names)
        tables = [html_table("", header, [(row.title, *row.cells) for row in self.searches()])]
        tables += [
            html_table(f"background efficiency {efficiency:g}", header, [(row.title, *row.cells) for row in rows])
            for efficiency, rows in self.cuts()
        ]
        return "".join([*tables, *(f"<p>{html.escape(each)}</p>" for each in self.remarks())])


def compare_runs(folders: Iterable[Path | str]) -> RunComparison:
    """Two or more finished runs beside each other.

    Raises
    ------
    RunFolderError
        If there are fewer than two folders, one is named twice, or one holds no finished run.
    ResultError
        If the result of one can not be read.
    """
    places = [Path(folders)] if isinstance(folders, str | Path) else [Path(each) for each in folders]
    if len(places) < 2:
        raise RunFolderError(f"{len(places)} run to compare; name two run folders or more.")
    for place in places:
        if [each.resolve() for each in places].count(place.resolve()) > 1:
            raise RunFolderError(f"{place} is named twice; name different run folders.")
    return RunComparison(tuple(open_run(place) for place in places), tuple(_names(places)))


def kind_of(specification: Any, role: str) -> str:
    """The kind of a part of a method, wherever it is in its specification.

    >>> kind_of({"kind": "cathode", "generator": {"kind": "maf"}}, "generator")
    'maf'
    """
    if not isinstance(specification, Mapping):
        return NONE
    part = specification.get(role)
    if isinstance(part, Mapping) and "kind" in part:
        return str(part["kind"])
    return next((found for each in specification.values() if (found := kind_of(each, role)) != NONE), NONE)


def _names(places: Sequence[Path]) -> Iterator[str]:
    """The shortest ends of the paths, of equally many folders, that are all different."""
    parts = [place.resolve().parts for place in places]
    for length in range(1, max(map(len, parts)) + 1):
        short = ["/".join(each[-length:]) for each in parts]
        if len({*short}) == len(short):
            break
    yield from short


def cut_at(result: SearchResult, efficiency: float) -> CutResult | None:
    """The cut of a run at this background efficiency; None if it has none."""
    return next((cut for cut in result.cuts if cut.background_efficiency == efficiency), None)


def _expected(cut: CutResult) -> str:
    return f"{number(cut.expected)} ± {number(cut.statistical)} (stat) ± {number(cut.systematic)} (sys)"


def _kept(cut: CutResult | None) -> str:
    return NONE if cut is None or cut.signal_efficiency is None else f"{100 * cut.signal_efficiency:.1f} %"


def _closure(result: SearchResult) -> str:
    mean, error = result.closure_mean
    return f"{mean:.4f} ± {error:.4f}" if result.closures else NONE


def _events(result: SearchResult) -> tuple[Any, ...]:
    files = tuple(sorted(each.sha256 or each.uuid or each.path for each in result.inputs))
    return (files, result.counts.total)


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Settings by their path, in words.

    >>> _flat({"a": {"b": 1, "c": [2, 3]}})
    {'a.b': '1', 'a.c': '[2, 3]'}
    """
    if not isinstance(value, Mapping):
        text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        return {path: text}
    if not value:
        return {path: "{}"}
    parts = (_flat(each, f"{path}.{key}" if path else str(key)) for key, each in value.items())
    return dict(chain.from_iterable(part.items() for part in parts))


def _differing(tables: Sequence[Mapping[str, str]]) -> tuple[Row, ...]:
    names = dict.fromkeys(chain.from_iterable(tables))
    rows = (Row(name, tuple(table.get(name, NONE) for table in tables)) for name in names)
    return tuple(row for row in rows if row.differs)
