"""From the file of a scan to its table: plan, run, collect; every search a task, continued by the same call."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.atomic import write_text
from analysis.outputs import check_output_folder, is_log
from analysis.tasks import RETRIES, Executor, Status, Task, TaskFolder, Workers, executor
from analysis.tasks import resume as resume_tasks
from analysis.tasks import run as run_tasks
from analysis.tasks.folder import PLAN
from cathode.calibration.experiments import failures
from cathode.errors import CathodeError, ConfigError, InjectionError, RunFolderError
from cathode.runtime.lock import alone_in
from cathode.runtime.progress import Progress, each_of
from cathode.runtime.run_folder import versions
from cathode.runtime.watching import watched
from cathode.scans.measured import Asked, WindowSearch
from cathode.scans.plan import ScanPlan
from cathode.scans.result import Scan
from cathode.scans.searching import BACKGROUND, METHODS, SAMPLES, print_of, window_search

if TYPE_CHECKING:
    from analysis.events import Events
    from cathode.config import AnalysisConfig

#: In the folder of a scan: its tasks, its file, its result, and the same as a table.
SEARCHES, FILE, SCAN, TABLE = "searches", "scan.yaml", "scan.json", "scan.csv"


@watched
def scan(
    plan: ScanPlan | Path | str,
    output: Path | str,
    *,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Scan:
    """Plan, run and collect a scan in `output`, which gets scan.json and scan.csv; the same call continues it.

    Raises
    ------
    ConfigError, InjectionError, EmptyRegionError, OutputError, RunFolderError
        As `plan_scan`.
    CathodeError
        If no search could be done.
    """
    plan_scan(plan if isinstance(plan, ScanPlan) else ScanPlan.read(plan), output, progress=progress)
    run_scan(output, executor(workers), again=True, progress=progress)
    return collect_scan(output, partial=True)


def plan_scan(plan: ScanPlan, output: Path | str, *, progress: Progress | None = None) -> TaskFolder:
    """Read everything once, and write all searches of a scan as tasks into `output`; what is done stays done.

    Raises
    ------
    ConfigError
        As `ScanPlan.configs`, or if a sample has other features than the data.
    EmptyRegionError
        If a window, or a sideband beside it, holds no events.
    InjectionError
        If there are fewer events of a signal than are to be injected.
    OutputError, RunFolderError
        If the folder can not be written, holds something else, or another process writes there.
    """
    folder, configs = Path(output), plan.configs()
    samples = [*plan.signals, *([BACKGROUND] if plan.experiments else [])]
    inputs: list[str | Path] = [name for config in configs.values() for name in config.inputs()]
    inputs += [name for sample in samples for name in plan.sample(sample).inputs()]
    inputs += [] if plan.source is None else [plan.source]
    known = (folder / SEARCHES).is_dir()
    check_output_folder(folder, inputs=inputs, ours=None if known else is_log)
    read = _Reader(progress)
    prints = {name: _prints(plan, name, config, samples, read) for name, config in configs.items()}
    with alone_in(folder):
        for name, config in configs.items():
            write_text(folder / METHODS / f"{name}.yaml", config.to_yaml())
        for name in samples:
            write_text(folder / SAMPLES / f"{name}.json", json.dumps(_resolved(plan, name), indent=1))
        write_text(folder / FILE, _yaml(plan))
        return TaskFolder.planned(folder / SEARCHES, list(_tasks(plan, configs, folder, prints)))


def run_scan(
    folder: Path | str,
    by: Executor,
    *,
    again: bool = False,
    retries: int = RETRIES,
    progress: Progress | None = None,
) -> Status:
    """Do all searches of a planned scan that are neither done nor failed; with `again` the failed ones as well.

    Raises
    ------
    RunFolderError
        If no scan was planned there, or another process runs it.
    """
    tasks = tasks_of(folder)
    before = tasks.status()
    finished = each_of(progress, "scan", before.total - before.done - (0 if again else len(before.failures)))
    with alone_in(Path(folder)):
        return (resume_tasks if again else run_tasks)(tasks, by, retries=retries, finished=finished)


def _spectra(folder: Path) -> int:
    """Of the plan in a folder; one of before has none."""
    import yaml

    plan = yaml.safe_load((folder / FILE).read_text(encoding="utf-8")) or {}
    return int(plan.get("spectra", 1))


def collect_scan(folder: Path | str, *, partial: bool = False) -> Scan:
    """Put the results of a scan together, in the order of its plan; the folder gets scan.json and scan.csv.

    Neither holds a time or a place: equal searches give equal bytes, whoever did them.

    Raises
    ------
    TasksError
        If searches are missing, unless `partial` allows it.
    CathodeError
        If no search could be done.
    """
    tasks = tasks_of(folder)
    done = tasks.finished() if partial else iter(tasks.collect())
    asked = [_asked(task) for task in tasks.tasks]
    found = Scan(
        windows=tuple(sorted({(each.low, each.high) for each in asked})),
        searches=tuple(WindowSearch.from_dict(each.result) for each in done),
        failures=failures(tasks),
        versions=versions(),
        spectra=_spectra(Path(folder)),
    )
    if not found.searches:
        raise CathodeError(f"No search of the scan could be done: {next(iter(found.failures), 'none was run')}")
    found.write(Path(folder) / SCAN)
    write_text(Path(folder) / TABLE, found.table())
    return found


def tasks_of(folder: Path | str) -> TaskFolder:
    """The tasks of a planned scan.

    Raises
    ------
    RunFolderError
        If there is none.
    """
    place = Path(folder)
    if not (place / SEARCHES / PLAN).is_file() or not (place / FILE).is_file():
        raise RunFolderError(f"{place}: no scan was planned there. `cathode scan plan FILE -o {place}` plans one.")
    return TaskFolder(place / SEARCHES)


def runs_of(folder: Path | str) -> Iterator[tuple[Asked, Path]]:
    """What finished searches were asked, and where their runs may lie."""
    tasks = tasks_of(folder)
    return ((_asked(each.task), each.place) for each in tasks.finished())


def _asked(task: Task) -> Asked:
    return Asked(**{each.name: task.arguments[each.name] for each in dataclasses.fields(Asked)})


@dataclass
class _Reader:
    """Reads once what several methods read alike."""

    progress: Progress | None
    known: dict[str, Events] = field(default_factory=dict)

    def __call__(self, config: AnalysisConfig) -> Events:
        key = config.data.model_dump_json()
        if key not in self.known:
            self.known[key] = config.read_events(self.progress)
        return self.known[key]


def _prints(plan: ScanPlan, name: str, config: AnalysisConfig, samples: list[str], read: _Reader) -> dict[str, str]:
    """Fingerprints of what a method reads, by sample, "" for the data alone; that there is enough is found out here."""
    data = read(config)
    region = config.search().region
    for low, high in plan.edges:
        dataclasses.replace(region, low=low, high=high).check(data.mass)
    found = {"": print_of(data)}
    for sample in samples:
        pool = read(plan.sample(sample, name))
        _refuse_sample(plan, sample, data, pool)
        found[sample] = print_of(data, pool)
    return found


def _refuse_sample(plan: ScanPlan, sample: str, data: Events, pool: Events) -> None:
    where = f"signals.{sample}" if sample in plan.signals else sample
    if pool.columns != data.columns:
        raise ConfigError(f"{where} has the features {pool.columns}, the data have {data.columns}.")
    most = max(plan.injections, default=0) if sample in plan.signals else 1
    if len(pool) < most:
        raise InjectionError(f"{where}: {most:,} events are to be injected, and {len(pool):,} pass the selection.")


def _tasks(
    plan: ScanPlan, configs: dict[str, AnalysisConfig], folder: Path, prints: dict[str, dict[str, str]]
) -> Iterator[Task]:
    settings = {name: _settings(config) for name, config in configs.items()}
    for asked in _questions(plan, list(configs)):
        sample = asked.signal or (BACKGROUND if asked.experiment else "")
        yield Task.of(
            window_search,
            folder=str(folder.resolve()),
            events=prints[asked.method][sample],
            settings=settings[asked.method],
            page=plan.pages and not asked.experiment and asked.seed == plan.seeds[0],
            **dataclasses.asdict(asked),
        )


def _settings(config: AnalysisConfig) -> str:
    """Hash of an analysis without its window, which is a question of its own: more of them change no other search."""
    resolved = config.resolved()
    resolved["region"].pop("signal")
    return sha256(json.dumps(resolved, sort_keys=True).encode()).hexdigest()[:16]


def _questions(plan: ScanPlan, methods: list[str]) -> Iterator[Asked]:
    """All searches of a plan: the data first, then those with signals, then experiments, which are of one seed."""
    samples = [("", 0), *((signal, number) for signal in plan.signals for number in plan.injections)]
    for signal, number in samples:
        for method in methods:
            for low, high in plan.edges:
                for seed in plan.seeds:
                    yield Asked(method, low, high, seed, signal, number)
    for experiment in range(1, plan.experiments + 1):
        for method in methods:
            for low, high in plan.edges:
                yield Asked(method, low, high, plan.seeds[0], experiment=experiment)


def _resolved(plan: ScanPlan, sample: str) -> dict[str, Any]:
    """What a sample changes, with places of files that do not depend on where the analysis lies."""
    data = plan.sample(sample).data.model_dump(mode="json")
    return {f"data.{key}": data[key] for key in sorted({path.split(".")[1] for path in plan.changes(sample)})}


def _yaml(plan: ScanPlan) -> str:
    import yaml

    return yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
