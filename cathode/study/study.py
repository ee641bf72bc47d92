"""From the file of a study to its table: every training is a task, so that a study goes on where it was interrupted."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from analysis.atomic import write_text
from analysis.io.checksums import sha256_of
from analysis.io.paths import local_path
from analysis.outputs import check_output_folder, is_log
from analysis.tasks import Task, TaskFolder, Workers, executor, resume
from cathode.errors import CathodeError, ConfigError
from cathode.runtime.lock import alone_in
from cathode.runtime.progress import Progress
from cathode.runtime.run_folder import versions
from cathode.study.result import StudyResult, best_first, summarised
from cathode.study.study_file import StudyConfig
from cathode.study.trainings import jets_variant, search_variant
from cathode.study.variants import label, merged, variants
from generators.errors import GeneratorError

#: The documents that a study ends with, and the folder of its trainings.
STUDY, TABLE, TRAININGS = "study.json", "study.md", "trainings"


def run_study(
    study: StudyConfig, output: Path | str, *, workers: Workers = None, progress: Progress | None = None
) -> StudyResult:
    """Train and judge every variant with every seed; continued, and extended, by the same call.

    The folder gets `study.json`, the table `study.md`, and every trained generator or validated search in `trainings`.

    Raises
    ------
    ConfigError
        If a variant has hyperparameters that its generator does not have; before anything is trained.
    OutputError, RunFolderError
        If the folder can not be written, holds something else, or another process writes there.
    """
    chosen = variants(study)
    tasks = {index: _tasks(study, settings) for index, settings in enumerate(chosen)}
    folder = Path(output)
    known = (folder / TRAININGS).is_dir()
    check_output_folder(folder, ours=None if known else is_log)
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        planned = TaskFolder.planned(folder / TRAININGS, [each for some in tasks.values() for each in some])
        _resume(planned, workers, progress)
        result = _collected(study, chosen, tasks, planned)
        result.write(folder / STUDY)
        write_text(folder / TABLE, result.markdown())
    return result


def _tasks(study: StudyConfig, settings: dict[str, Any]) -> list[Task]:
    """The trainings of one variant."""
    if study.jets is None:
        assert study.analysis is not None
        _check_analysis(study.analysis, settings)
        content = sha256_of(study.analysis)
        return [
            Task.of(search_variant, analysis=study.analysis, content=content, settings=settings, seed=seed)
            for seed in study.seeds
        ]
    generator = merged(study.generator, settings)
    _check_generator(generator, settings)
    jets = study.jets
    content = sha256_of(local_path(jets.file))
    sizes = {"kind": jets.kind, "train": jets.train, "compared": jets.compared}
    return [
        Task.of(jets_variant, generator=generator, file=jets.file, content=content, seed=seed, **sizes)
        for seed in study.seeds
    ]


def _check_generator(generator: dict[str, Any], settings: dict[str, Any]) -> None:
    from generators.jets.base import CloudGenerator
    from generators.registry import create

    try:
        made = create(generator)
    except (GeneratorError, TypeError, ValueError) as error:
        raise ConfigError(f"{label(settings)}: {error}") from error
    if not isinstance(made, CloudGenerator):
        raise ConfigError(f"generator.kind '{generator.get('kind')}' makes no clouds of constituents.")


def _check_analysis(analysis: str, settings: dict[str, Any]) -> None:
    from cathode.config import load_config

    try:
        load_config(analysis, settings).search()
    except (CathodeError, GeneratorError) as error:
        raise ConfigError(f"{label(settings)}: {error}") from error


def _resume(planned: TaskFolder, workers: Workers, progress: Progress | None) -> None:
    status = planned.status()
    ended = status.done

    def finished(*_: object) -> None:
        nonlocal ended
        ended += 1
        if progress is not None:
            progress("study", ended, status.total)

    resume(planned, executor(workers), finished=finished)


def _collected(
    study: StudyConfig, chosen: list[dict[str, Any]], tasks: dict[int, list[Task]], planned: TaskFolder
) -> StudyResult:
    found: dict[int, list[dict[str, float | None]]] = defaultdict(list)
    failed: dict[int, str] = {}
    for index, some in tasks.items():
        for each in some:
            failure = planned.failure(each)
            if failure is not None:
                failed[index] = f"{failure.kind}: {failure.message}" if failure.kind else failure.message
            elif planned.is_done(each):
                found[index].append(planned.result(each).result)
    rows = [
        summarised(settings, found[index], study.metrics, failed.get(index, ""))
        for index, settings in enumerate(chosen)
    ]
    return StudyResult(study.metrics, study.sorted_by, best_first(rows, study.sorted_by), study.seeds, versions())
