"""From a reading of many files to a feature store: every file a task, tried again if need be, and accounted for."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import errors
from analysis.atomic import write_text
from analysis.errors import AnalysisError, FeatureStoreError, TooManyFailuresError
from analysis.events import SourceFile
from analysis.io.accounts import Blocks, merged
from analysis.io.checksums import Checksums
from analysis.io.chunks import parse_memory
from analysis.io.failures import SKIPPED, Failures
from analysis.io.feature_store import STORE, FeatureStore, StoredFile, definition_of
from analysis.io.manifests import read_manifest
from analysis.io.ntuples import content_of
from analysis.io.paths import expand_listed, is_remote
from analysis.io.reader import Request
from analysis.io.reading_options import ReadingOptions
from analysis.outputs import check_output_folder, is_log
from analysis.preparation.file_task import PART, prepare_file
from analysis.tasks import RETRIES, Failure, Outcome, Task, TaskFolder, Workers, executor, resume

#: Folder of the tasks, and the list of luminosity blocks that were read.
FILES, BLOCKS = "files", "luminosity_blocks.json"
#: Errors of one file, not of what is asked of all; the first two may be gone at another attempt.
_OF_A_FILE = tuple(error.__name__ for error in SKIPPED)
_PASSING = ("InputFileError", "NtupleReadError")


@dataclass(frozen=True)
class Prepared:
    """What became of the files: the store, and for those that were lost how often they were tried."""

    store: FeatureStore
    attempts: Mapping[str, int]

    @property
    def lost(self) -> tuple[StoredFile, ...]:
        """Files of which no event is in the store."""
        return tuple(each for each in self.store.files if each.lost)

    @property
    def lost_fraction(self) -> float:
        """Of the bytes of all files where all sizes are known, else of the number of files: an estimate."""
        sizes = [each.size for each in self.store.files]
        counts = sizes if min(sizes) >= 0 and sum(sizes) > 0 else [1] * len(sizes)
        return sum(n for n, each in zip(counts, self.store.files, strict=True) if each.lost) / sum(counts)

    @property
    def blocks(self) -> Blocks:
        """Luminosity blocks of all entries that were read, by run."""
        return merged([each.blocks for each in self.store.files])

    def summary(self) -> dict[str, Any]:
        """The account in JSON types: all files, and each."""
        files = self.store.files
        read = [each.sum_of_weights_read for each in files if each.sum_of_weights_read is not None]
        return {
            "files": len(files),
            "lost": len(self.lost),
            "lost_fraction": self.lost_fraction,
            "entries": sum(each.source.entries for each in files),
            "selected": len(self.store),
            "sum_of_weights": math.fsum(each.sum_of_weights for each in files),
            "sum_of_squared_weights": math.fsum(each.sum_of_squared_weights for each in files),
            "sum_of_weights_read": math.fsum(read) if len(read) == len(files) else None,
            "luminosity_blocks": sum(high - low + 1 for ranges in self.blocks.values() for low, high in ranges),
            "by_file": [
                {
                    "path": each.source.path,
                    "entries": each.source.entries,
                    "selected": each.source.selected,
                    "sum_of_weights": each.sum_of_weights,
                    "error": each.source.error,
                    "attempts": self.attempts.get(each.source.path, 1),
                }
                for each in files
            ],
        }

    def require(self, reading: ReadingOptions) -> None:
        """Refuse the loss of more files than the reading allows.

        Raises
        ------
        TooManyFailuresError
            Naming the files.
        """
        failures = Failures(reading.on_error, reading.max_failed_fraction)
        for each in self.lost:
            try:
                failures.add(each.source.path, AnalysisError(each.source.error), len(self.store.files))
            except AnalysisError as error:
                raise TooManyFailuresError(
                    f"{len(self.lost)} of {len(self.store.files)} files, an estimated {100 * self.lost_fraction:.3g} % "
                    f"of the luminosity, are lost: {error} The same command tries them again."
                ) from error


def prepare(
    reading: ReadingOptions,
    output: Path,
    *,
    workers: Workers = None,
    retries: int = RETRIES,
    finished: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Put the selected events of all files into a store in `output`; an interrupted call is continued by the same one.

    A file that can not be opened or read is tried `retries` times more after all others; it is lost if that does not
    help, and tried again by the next call. `finished` is told the number of files that have come to their end, and of
    all.

    Raises
    ------
    AnalysisError
        The first error of what is asked of all files, as `read_events`; at once.
    OutputError
        If `output` can not be written, holds something else, or an input.
    """
    tasks, folder = _planned(reading, output)
    done = sum(folder.is_done(task) for task in tasks.values())

    def ended(task: Task, outcome: Outcome) -> None:
        nonlocal done
        done += 1
        _refuse_wrong_question(outcome.failure)
        if finished is not None:
            finished(done, len(tasks))

    if finished is not None:
        finished(done, len(tasks))
    resume(folder, executor(workers), retries=retries, passing=_PASSING, finished=ended)
    return _collected(reading, output, folder, tasks)


def plan(reading: ReadingOptions, output: Path) -> TaskFolder:
    """The tasks of `prepare` in their folder, for a job array; `prepare` collects what it has done, and does the rest.

    Raises
    ------
    AnalysisError, OutputError
        As `prepare`.
    """
    return _planned(reading, output)[1]


def _planned(reading: ReadingOptions, output: Path) -> tuple[dict[str, Task], TaskFolder]:
    """A task for every file by its path, and the folder of all."""
    if (given := FeatureStore.among(reading.files)) is not None:
        raise FeatureStoreError(f"'{given.path}' is a feature store already. Name the files that it was made from.")
    paths = expand_listed(reading.files)
    known = (output / FILES).is_dir() or (output / STORE).is_file()
    check_output_folder(output, inputs=paths, ours=None if known else is_log)
    # What no file could answer is found out here.
    Request.of(reading, content_of(reading))
    tasks = _tasks(reading, paths)
    return tasks, TaskFolder.planned(output / FILES, [*tasks.values()])


def _tasks(reading: ReadingOptions, paths: tuple[str, ...]) -> dict[str, Task]:
    wanted = reading.checksums
    checksums = read_manifest(wanted) if isinstance(wanted, str | os.PathLike) else wanted
    every = {"definition": definition_of(reading), "memory": parse_memory(reading.memory)}
    return {
        path: Task.of(prepare_file, file=path, version=_version(path), checksums=_listed(path, checksums), **every)
        for path in paths
    }


def _version(path: str) -> str:
    """What changes with the content of a file of this machine, as far as can be known without reading it."""
    try:
        status = None if is_remote(path) else os.stat(path)
    except OSError:
        status = None
    return "" if status is None else f"{status.st_size} bytes, {status.st_mtime_ns}"


def _listed(path: str, checksums: Checksums) -> bool | dict[str, str]:
    """Of a list of hashes those that may be meant for a file."""
    if isinstance(checksums, bool):
        return checksums
    names = {os.path.basename(path), os.path.basename(os.path.realpath(path))}
    return {listed: digest for listed, digest in checksums.items() if os.path.basename(listed) in names}


def _refuse_wrong_question(failure: Failure | None) -> None:
    """Raise an error of what is asked of all files as what it is, before the others meet it too."""
    if failure is None or failure.reason != "error" or failure.kind in _OF_A_FILE:
        return
    kind = getattr(errors, failure.kind, AnalysisError)
    said = failure.message if kind is not AnalysisError else f"{failure.kind}: {failure.message}"
    raise (kind if isinstance(kind, type) and issubclass(kind, AnalysisError) else AnalysisError)(said)


def _collected(reading: ReadingOptions, output: Path, folder: TaskFolder, tasks: Mapping[str, Task]) -> Prepared:
    content = content_of(reading)
    files: list[StoredFile] = []
    attempts: dict[str, int] = {}
    for path, task in tasks.items():
        size = -1 if is_remote(path) or not os.path.isfile(path) else os.path.getsize(path)
        failure = folder.failure(task)
        if failure is None:
            done = folder.result(task)
            part = (done.place / PART).relative_to(output).as_posix()
            files.append(StoredFile.from_dict({**done.result, "part": part, "size": size}))
        else:
            attempts[path] = failure.attempts
            reason = failure.message if failure.reason == "error" else f"'{path}': {failure.message}."
            files.append(StoredFile(source=SourceFile(path, "", 0, 0, error=reason), size=size, blocks={}))
    store = FeatureStore(output, definition_of(reading), content.columns, content.shape, tuple(files))
    store.write()
    found = Prepared(store, attempts)
    if found.blocks:
        write_text(output / BLOCKS, json.dumps(found.blocks, indent=1))
    return found
