"""From an analysis file to the null distribution of its search, and from there to corrected p-values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.atomic import write_text
from analysis.outputs import check_output_folder, is_log
from analysis.tasks import RETRIES, executor, resume
from cathode.calibration.experiments import (
    ANALYSIS,
    POOL,
    SIDEBANDS,
    TEMPLATE,
    collected,
    failures,
    plan,
    store_events,
    store_sidebands,
)
from cathode.calibration.pseudo_data import selected
from cathode.calibration.result import Calibration, comparable
from cathode.errors import CalibrationError
from cathode.result import CalibratedCut, SearchResult
from cathode.runtime.progress import Progress
from cathode.runtime.run_folder import IDENTITY, versions

if TYPE_CHECKING:
    from cathode.config import AnalysisConfig

#: The document that a calibration ends with.
CALIBRATION = "calibration.json"


def calibrate(
    config: AnalysisConfig,
    output: Path | str,
    *,
    experiments: int,
    background: str | None = None,
    workers: int | None = None,
    train: Callable[[AnalysisConfig, Path], object],
    progress: Progress | None = None,
) -> Calibration:
    """Search in background-only pseudo-experiments, everything retrained in each; continued by the same call.

    Features come from the template of the analysis, which `train` trains in a folder, or from `background`, files of
    simulated background that are read as the data are. The data of the signal region are counted and not used.

    Raises
    ------
    OutputError
        If the folder can not be written, or holds something else.
    CalibrationError
        If too few experiments could be done.
    """
    folder = Path(output)
    # An analysis.yaml alone may be the user's own.
    known = (folder / TEMPLATE / IDENTITY).is_file() or (folder / POOL).is_file()
    read = [*config.inputs(), *([] if background is None else [background])]
    check_output_folder(folder, inputs=read, ours=None if known else is_log)
    search = config.search()
    events = selected(config.read_events(progress), search.region)
    if background is None:
        train(config, folder / TEMPLATE)
        store_sidebands(folder / SIDEBANDS, events[search.region.sideband(events.mass)])
        source = "features from the template, masses of the window from the mass model, others from the sidebands"
    else:
        pool = selected(config.read_files([background], progress, stage="read background"), search.region)
        store_events(folder / POOL, pool, float(len(events)))
        source = f"{len(pool):,} events of {background}, with replacement"
    write_text(folder / ANALYSIS, config.to_yaml())
    tasks = plan(folder, experiments, fingerprint=search.fingerprint(events), seed=config.seed)
    by, done = executor(workers), 0

    def finished(*_: object) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("calibrate", done, experiments)

    resume(tasks, by, retries=RETRIES, finished=finished)
    found = Calibration(
        settings=comparable(search.settings()),
        source=source,
        events=float(len(events)),
        experiments=collected(list(tasks.finished())),
        failures=failures(tasks),
        versions=versions(),
    )
    found.write(folder / CALIBRATION)
    if not found.experiments:
        raise CalibrationError(f"No pseudo-experiment could be done: {next(iter(found.failures), 'unknown')}")
    return found


def apply(calibration: Calibration, settings: dict[str, Any], result: SearchResult) -> tuple[CalibratedCut, ...]:
    """Every cut of a result under the null distribution of the same search.

    Raises
    ------
    CalibrationError
        If the calibration is of another search, or has too few experiments.
    """
    from cathode.calibration.experiments import signed

    calibration.require(settings)
    cuts = []
    for cut in result.cuts:
        null = calibration.null(cut.background_efficiency)
        found = null.corrected(signed(cut.p_value))
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
            )
        )
    return tuple(cuts)
