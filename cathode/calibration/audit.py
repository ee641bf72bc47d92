"""Fabricated excesses: the same search where there is no signal, and what simpler statistics would claim there."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from analysis.atomic import write_text
from analysis.outputs import check_output_folder, is_log
from analysis.printing import html_table, number, sigma
from analysis.statistics.p_values import significance_with_uncertainty
from analysis.tasks import RETRIES, Task, TaskFolder, Workers, executor, resume, task
from cathode.calibration.event_file import store_events, stored_events
from cathode.calibration.experiments import ANALYSIS, bounded, failures
from cathode.calibration.pseudo_data import selected
from cathode.calibration.result import comparable
from cathode.calibration.signal_free import signal_free_regions
from cathode.cut_and_count import signed_significance
from cathode.errors import CalibrationError
from cathode.region import Region
from cathode.result import CutResult, SearchResult
from cathode.runtime.documents import Document
from cathode.runtime.lock import alone_in
from cathode.runtime.progress import Progress, each_of, silent
from cathode.runtime.run_folder import versions

if TYPE_CHECKING:
    from cathode.config import AnalysisConfig

#: What the folder of an audit ends with, and the events that all windows share.
AUDIT, EVENTS = "audit.json", "events.npz"


@dataclass(frozen=True)
class AuditedCut:
    """One cut in one window without a signal.

    `predicted` is what the template says before validation regions correct it, `expected` ± `uncertainty` what the
    search says; `naive` is by method the significance that would be claimed from `predicted`, and `ours` that of the
    search, NaN where it says that there is none.
    """

    background_efficiency: float
    observed: float
    predicted: float
    expected: float
    uncertainty: float
    naive: dict[str, float]
    ours: float


@dataclass(frozen=True)
class AuditedWindow:
    """The search in one window: `validation` and `conclusion` are those of its result."""

    low: float
    high: float
    events: int
    validation: str
    conclusion: str
    cuts: tuple[AuditedCut, ...]


@dataclass(frozen=True)
class Audit(Document):
    """What a search and simpler statistics claim in windows without a signal, beside the `chosen` one.

    `settings` are those of the search without its seed; `failures` has windows that ended with an error, by its text.
    """

    schema_version: ClassVar[int] = 1

    chosen: tuple[float, float]
    settings: dict[str, Any]
    windows: tuple[AuditedWindow, ...]
    failures: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        low, high = self.chosen
        return f"<Audit: {len(self.windows)} windows without a signal beside {low:g}–{high:g} GeV>"

    def _repr_html_(self) -> str:
        """A table for notebooks: what is claimed at every cut of every window."""
        naive = tuple(dict.fromkeys(name for window in self.windows for cut in window.cuts for name in cut.naive))
        header = ("window, GeV", "background efficiency", "observed", "expected", *naive, "this search", "validation")
        rows = [
            (
                f"{window.low:g}–{window.high:g}",
                f"{cut.background_efficiency:g}",
                number(cut.observed),
                f"{number(cut.expected)} ± {number(cut.uncertainty)}",
                *(_sigma(cut.naive.get(name, math.nan)) for name in naive),
                _sigma(cut.ours) if window.validation == "passed" else f"({_sigma(cut.ours)})",
                window.validation,
            )
            for window in self.windows
            for cut in window.cuts
        ]
        return html_table(repr(self)[1:-1], header, rows)


def _sigma(significance: float) -> str:
    return "–" if math.isnan(significance) else sigma(significance)


def naive_significances(cut: CutResult) -> dict[str, float]:
    """What is claimed of a cut by who takes the template at its word, signed.

    Counted over predicted in units of √B; the asymptotic likelihood ratio of a known background (Cowan et al.,
    1007.1727); and the exact p-value of counting against a finite template.
    """
    predicted = cut.expected / (1 + cut.shift)
    if not predicted > 0:
        return {"S/√B": math.nan, "asymptotic": math.nan, "exact": math.nan}
    effective = (cut.expected / cut.statistical) ** 2 if cut.statistical else 1e12
    return {
        "S/√B": (cut.observed - predicted) / predicted**0.5,
        "asymptotic": float(significance_with_uncertainty(max(cut.observed, 0.0), predicted, 0.0)),
        "exact": bounded(signed_significance(cut.observed, predicted, 1 / effective)),
    }


@task
def audited_window(place: Path, *, folder: str, fingerprint: str, region: dict[str, Any], seed: int) -> dict[str, Any]:
    """The search of the analysis in `folder` in another window, that of `region`; its result stays in `place`."""
    from cathode.config import load_config

    del fingerprint
    prepared = Path(folder)
    config = load_config(prepared / ANALYSIS)
    search = dataclasses.replace(config.search(), region=_region(region), seed=seed, workers=1)
    found = search.run(stored_events(prepared / EVENTS), auxiliary=config.read_auxiliary(), progress=silent)
    found.write(place / "search.json")
    return dataclasses.asdict(_audited(found))


def audit(
    config: AnalysisConfig,
    output: Path | str,
    *,
    windows: int,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Audit:
    """Search in signal-free windows beside the chosen one, whose events are left out; continued by the same call.

    Raises
    ------
    OutputError
        If the folder can not be written, or holds something else.
    RunFolderError
        If another process writes there.
    CalibrationError
        If there is no window, or no search could be done.
    """
    folder = Path(output)
    known = any((folder / name).exists() for name in (AUDIT, EVENTS))
    check_output_folder(folder, inputs=config.inputs(), ours=None if known else is_log)
    with alone_in(folder):
        search = config.search()
        events = selected(config.read_events(progress), search.region)
        events = dataclasses.replace(events[~search.region.signal(events.mass)], truth=None)
        regions = signal_free_regions(search.region, events.mass, windows=windows)
        store_events(folder / EVENTS, events)
        write_text(folder / ANALYSIS, config.to_yaml())
        tasks = _planned(folder, regions, search.fingerprint(events), search.seed)
        _run(tasks, len(regions), workers, progress)
        found = Audit(
            chosen=(search.region.low, search.region.high),
            settings=comparable(search.settings()),
            windows=tuple(_window(done.result) for done in tasks.finished()),
            failures=failures(tasks),
            versions=versions(),
        )
        found.write(folder / AUDIT)
    if not found.windows:
        raise CalibrationError(f"No window could be searched: {next(iter(found.failures), 'unknown')}")
    return found


def _planned(folder: Path, regions: tuple[Region, ...], fingerprint: str, seed: int) -> TaskFolder:
    every = {"folder": str(folder.resolve()), "fingerprint": fingerprint, "seed": seed}
    tasks = [Task.of(audited_window, region=region.to_dict(), **every) for region in regions]
    return TaskFolder.planned(folder / "windows", tasks)


def _run(tasks: TaskFolder, total: int, workers: Workers, progress: Progress | None) -> None:
    resume(tasks, executor(workers), retries=RETRIES, finished=each_of(progress, "audit", total))


def _region(plain: dict[str, Any]) -> Region:
    return Region(**{**plain, "veto": tuple((low, high) for low, high in plain.get("veto", ()))})


def _audited(found: SearchResult) -> AuditedWindow:
    cuts = tuple(
        AuditedCut(
            background_efficiency=cut.background_efficiency,
            observed=cut.observed,
            predicted=cut.expected / (1 + cut.shift),
            expected=cut.expected,
            uncertainty=cut.uncertainty,
            naive=naive_significances(cut),
            ours=math.nan if cut.obstacle else bounded(cut.significance),
        )
        for cut in found.cuts
    )
    return AuditedWindow(
        found.region.low, found.region.high, found.counts.signal_region, found.validation, found.conclusion, cuts
    )


def _window(plain: dict[str, Any]) -> AuditedWindow:
    return AuditedWindow(**{**plain, "cuts": tuple(AuditedCut(**cut) for cut in plain["cuts"])})
