"""From an analysis file to the null distribution of its search, and from there to corrected p-values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.atomic import write_text
from analysis.outputs import check_output_folder, is_log
from analysis.tasks import RETRIES, Executor, TaskFolder, Workers, executor, resume
from cathode.calibration.experiments import (
    ANALYSIS,
    POOL,
    SIDEBANDS,
    TEMPLATE,
    Source,
    bounded,
    collected,
    failures,
    plan,
    prepare,
)
from cathode.calibration.pseudo_data import selected
from cathode.calibration.result import Calibration, comparable
from cathode.errors import CalibrationError
from cathode.result import CalibratedCut, SearchResult
from cathode.runtime.lock import alone_in
from cathode.runtime.progress import Progress, each_of
from cathode.runtime.run_folder import versions

if TYPE_CHECKING:
    from cathode.config import AnalysisConfig

#: The document that a calibration ends with.
CALIBRATION = "calibration.json"

#: What events are drawn from -> in words.
SOURCES = {
    "template": "features from the template, masses of the window from the mass model, others from the sidebands",
    "sidebands": "a bootstrap of the sidebands; in the window features from the template, masses from the mass model",
    "simulation": "{events:,} events of {files}, with replacement",
}


def calibrate(
    config: AnalysisConfig,
    output: Path | str,
    *,
    experiments: int,
    source: Source = "template",
    background: str | None = None,
    workers: Workers = None,
    train: Callable[[AnalysisConfig, Path], object],
    progress: Progress | None = None,
) -> Calibration:
    """Search in background-only pseudo-experiments, everything retrained in each; continued by the same call.

    Features come from the template of the analysis, which `train` trains in a folder, everywhere ("template") or in the
    window alone, beside a bootstrap of the data ("sidebands"); or from `background`, files of simulated background that
    are read as the data are. The data of the signal region are counted and not used.

    Raises
    ------
    OutputError
        If the folder can not be written, or holds something else.
    RunFolderError
        If another process writes there.
    CalibrationError
        If no experiment could be done.
    """
    folder = Path(output)
    # An analysis.yaml alone may be the user's own.
    known = any((folder / name).exists() for name in (CALIBRATION, POOL, SIDEBANDS)) or (folder / TEMPLATE).is_dir()
    read = [*config.inputs(), *([] if background is None else [background])]
    check_output_folder(folder, inputs=read, ours=None if known else is_log)
    with alone_in(folder):
        search = config.search()
        events = selected(config.read_events(progress), search.region)
        pool = None
        if background is not None:
            pool = selected(config.read_files([background], progress, stage="read background"), search.region)
        else:
            train(config, folder / TEMPLATE)
        drawn_from = prepare(folder, events, search.region, source=source, pool=pool)
        write_text(folder / ANALYSIS, config.to_yaml())
        prints = [search.fingerprint(each) for each in (events, pool) if each is not None]
        number = float(len(events))
        tasks = plan(
            folder, experiments, source=drawn_from, events=number, fingerprint="/".join(prints), seed=config.seed
        )
        _run(tasks, executor(workers), experiments, progress)
        found = Calibration(
            settings=comparable(search.settings()),
            source=SOURCES[drawn_from].format(events=len(events) if pool is None else len(pool), files=background),
            events=number,
            experiments=collected(list(tasks.finished())),
            failures=failures(tasks),
            versions=versions(),
        )
        found.write(folder / CALIBRATION)
    if not found.experiments:
        raise CalibrationError(f"No pseudo-experiment could be done: {next(iter(found.failures), 'unknown')}")
    return found


def _run(tasks: TaskFolder, by: Executor, experiments: int, progress: Progress | None) -> None:
    resume(tasks, by, retries=RETRIES, finished=each_of(progress, "calibrate", experiments))


def beside(run: Path) -> Path:
    """Where the calibration of a search lies, unless it is told otherwise: beside the run folder."""
    return run.parent / f"{run.name}-calibration"


def apply(calibration: Calibration, settings: dict[str, Any], result: SearchResult) -> tuple[CalibratedCut, ...]:
    """Every cut of a result that has a significance, under the null distribution of the same search.

    Raises
    ------
    CalibrationError
        If the calibration is of another search, or has too few experiments.
    """
    calibration.require(settings)
    if result.withheld:
        return ()
    cuts = []
    for cut in result.cuts:
        if cut.obstacle:
            continue
        null = calibration.null(cut.background_efficiency)
        found = null.corrected(bounded(cut.significance))
        cuts.append(
            CalibratedCut(
                background_efficiency=cut.background_efficiency,
                p_value=found.value,
                low=found.low,
                high=found.high,
                significance=found.significance,
                resolution=found.resolution,
                extrapolated=found.extrapolated,
                experiments=len(null),
                null_mean=null.mean[0],
                null_width=null.width[0],
                null=null.significances,
            )
        )
    return tuple(cuts)
