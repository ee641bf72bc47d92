"""From an analysis file and a simulated signal to what its search keeps of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.atomic import write_text
from analysis.outputs import check_output_folder, is_log
from analysis.tasks import RETRIES, TaskFolder, Workers, executor, resume
from cathode.calibration.calibrate import CALIBRATION
from cathode.calibration.result import Calibration
from cathode.errors import InjectionError
from cathode.injection.experiments import ANALYSIS, Injection, collected, plan
from cathode.injection.pseudo_experiments import plan_in_pseudo_experiments
from cathode.runtime.progress import Progress, each_of
from generators.artifact import fingerprint

if TYPE_CHECKING:
    from cathode.config import AnalysisConfig

#: The document that injections end with.
INJECTIONS = "injections.json"
FORMAT_VERSION = 1


def inject(
    config: AnalysisConfig,
    signal: Sequence[str],
    output: Path | str,
    *,
    numbers: Sequence[int],
    repeats: int = 1,
    calibration: Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> tuple[Injection, ...]:
    """Search with so many events of a signal among the data, everything retrained; continued by the same call.

    `signal` are files that are read as the data are. A search without a signal is always among them. With a folder of
    `cathode calibrate` as `calibration` the signal goes into its pseudo-experiments, a Poisson number of events each,
    and the data of the window are not looked at: limits are then expected ones alone.

    Raises
    ------
    OutputError
        If the folder can not be written, or holds something else.
    InjectionError
        If there are fewer signal events, or no search could be done.
    CalibrationError
        If `calibration` is no such folder, or of another search.
    """
    folder = Path(output)
    known = (folder / "searches").is_dir()
    check_output_folder(folder, inputs=[*config.inputs(), *signal], ours=None if known else is_log)
    pool = config.read_files(signal, progress, stage="read signal")
    strengths = sorted({0, *numbers})
    if strengths[0] < 0 or strengths[-1] > len(pool):
        raise InjectionError(
            f"Numbers of events from {strengths[0]} to {strengths[-1]}, of a signal of which {len(pool)} pass the "
            "selection. Ask for fewer, or simulate more."
        )
    if calibration is not None:
        Calibration.read(calibration / CALIBRATION).require(config.search().settings())
    write_text(folder / ANALYSIS, config.to_yaml())
    if calibration is not None:
        tasks = plan_in_pseudo_experiments(folder, calibration, pool, strengths, repeats=repeats)
    else:
        events = config.read_events(progress)
        both = fingerprint(events.x, events.mass, events.weights, pool.x, pool.mass)
        tasks = plan(folder, strengths, signal=signal, repeats=repeats, fingerprint=both, seed=config.seed)
    finished = each_of(progress, "inject", len(tasks.tasks))
    resume(tasks, executor(workers), retries=RETRIES, finished=finished)
    found = collected(list(tasks.finished()))
    if not found:
        raise InjectionError(f"No search could be done: {_first_failure(tasks)}")
    content = {"format_version": FORMAT_VERSION, "injections": [each.to_dict() for each in found]}
    write_text(folder / INJECTIONS, json.dumps(content, indent=1))
    return found


def read_injections(folder: Path | str) -> tuple[Injection, ...]:
    """What `inject` left in a folder.

    Raises
    ------
    InjectionError
        If there is none, or it can not be read.
    """
    path = Path(folder) / INJECTIONS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format version {content['format_version']!r}; this release reads {FORMAT_VERSION}")
        return tuple(Injection.from_dict(each) for each in content["injections"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InjectionError(f"{path}: no injections ({error}). Name a folder that `cathode inject` wrote.") from error


def _first_failure(tasks: TaskFolder) -> str:
    return next((failure.message for _, failure in tasks.status().failures), "unknown")
