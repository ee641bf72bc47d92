"""From an analysis file to all tests that need no look into its window; every search of them a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.outputs import check_output_folder, is_log
from analysis.tasks import RETRIES, TaskFolder, Workers, executor, resume
from cathode.calibration.calibrate import calibrate
from cathode.calibration.experiments import failures
from cathode.calibration.recording import SEARCH
from cathode.calibration.result import Calibration, comparable
from cathode.full_validation.checks import (
    closure_checks,
    injection_checks,
    morphing_checks,
    null_checks,
    sculpting_checks,
)
from cathode.full_validation.morphing import morphed, plan_morphing
from cathode.full_validation.result import Check, FullValidation
from cathode.injection.experiments import Injection, collected
from cathode.injection.pseudo_experiments import plan_in_pseudo_experiments
from cathode.result import SearchResult
from cathode.runtime.lock import alone_in
from cathode.runtime.progress import Progress, each_of
from cathode.runtime.run_folder import versions

if TYPE_CHECKING:
    from cathode.config import AnalysisConfig
    from cathode.result import Sculpting
    from cathode.validation.sideband_closure import ClosureTest

#: What the folder ends with, and the folders in it.
VALIDATION, CLOSURE, NULL, INJECTED, MORPHED = "validation.json", "closure", "null", "injected", "morphed"


def validate_fully(
    config: AnalysisConfig,
    output: Path | str,
    *,
    closure: ClosureTest,
    train: Callable[[AnalysisConfig, Path], object],
    experiments: int,
    signal: Sequence[str] = (),
    numbers: Sequence[int] = (),
    repeats: int = 3,
    morphed_experiments: int = 4,
    workers: Workers = None,
    progress: Progress | None = None,
) -> FullValidation:
    """Test a search in pseudo-experiments, everything retrained in each; continued by the same call.

    `closure` is what the validation regions of the data say. `experiments` background-only ones make the null
    distribution and say whether the cut sculpts; `numbers` of events of the files `signal` are injected into `repeats`
    others each; in `morphed_experiments` the edges of the window move. `train` trains the template of `calibrate`.

    Raises
    ------
    OutputError, RunFolderError
        If the folder can not be written, holds something else, or another process writes there.
    CalibrationError, InjectionError
        If nothing could be searched, or there is too little signal.
    """
    folder = Path(output)
    known = any((folder / name).is_dir() for name in (CLOSURE, NULL))
    check_output_folder(folder, inputs=[*config.inputs(), *signal], ours=None if known else is_log)
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        null = calibrate(
            config, folder / NULL, experiments=experiments, workers=workers, train=train, progress=progress
        )
        injections: tuple[Injection, ...] = ()
        injected = None
        if signal:
            pool = config.read_files(signal, progress, stage="read signal")
            strengths = sorted({0, *numbers})
            injected = plan_in_pseudo_experiments(folder / INJECTED, folder / NULL, pool, strengths, repeats=repeats)
            _run(injected, workers, "inject", progress)
            injections = collected(list(injected.finished()))
        edges = plan_morphing(folder / MORPHED, folder / NULL, config.search().region, morphed_experiments)
        _run(edges, workers, "move edges", progress)
        found = FullValidation(
            checks=tuple(_checks(config, folder, closure, null, injections, edges)),
            settings=comparable(config.search().settings()),
            experiments={
                "null": len(null.experiments),
                "injected": len(injections),
                "edges": len(list(edges.finished())),
            },
            failures={**null.failures, **failures(edges), **({} if injected is None else failures(injected))},
            versions=versions(),
        )
        found.write(folder / VALIDATION)
    return found


def _run(tasks: TaskFolder, workers: Workers, stage: str, progress: Progress | None) -> None:
    resume(tasks, executor(workers), retries=RETRIES, finished=each_of(progress, stage, len(tasks.tasks)))


def _checks(
    config: AnalysisConfig,
    folder: Path,
    closure: ClosureTest,
    null: Calibration,
    injections: Sequence[Injection],
    edges: TaskFolder,
) -> Iterator[Check]:
    """All tests, group by group."""
    yield from closure_checks(closure)
    efficiencies = config.background_efficiencies
    for efficiency in efficiencies:
        yield from null_checks(efficiency, [each.significance[efficiency] for each in null.experiments])
    for efficiency in efficiencies:
        yield from injection_checks(efficiency, injections)
    shapes = list(_shapes(TaskFolder(folder / NULL / "experiments")))
    for efficiency in efficiencies:
        yield from sculpting_checks(efficiency, [each for each in shapes if each.background_efficiency == efficiency])
    moved = morphed(list(edges.finished()))
    for efficiency in efficiencies:
        yield from morphing_checks(efficiency, moved)


def _shapes(experiments: TaskFolder) -> Iterator[Sculpting]:
    """Sculpting of every cut of every background-only experiment."""
    for done in experiments.finished():
        yield from SearchResult.read(done.place / SEARCH).sculpting
