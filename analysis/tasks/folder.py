"""The folder of tasks: the plan, what is done, what failed and why."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.atomic import is_abandoned, temporary_prefix, write_text
from analysis.errors import TasksError
from analysis.outputs import check_output_folder, is_log
from analysis.tasks.outcome import Failure
from analysis.tasks.work import Task, exact

PLAN, DONE, FAILED, RESULT = "tasks.json", "done", "failed", "result.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Status:
    """Numbers of tasks, and the failures by task in the order of the plan."""

    total: int
    done: int
    failures: tuple[tuple[Task, Failure], ...]

    @property
    def left(self) -> int:
        """Tasks that are neither done nor failed."""
        return self.total - self.done - len(self.failures)


@dataclass(frozen=True)
class Done:
    """A finished task: its result in JSON types and the folder of its files."""

    task: Task
    result: Any
    place: Path


@dataclass(frozen=True)
class TaskFolder:
    """Tasks in a folder; several processes may work in it at once, and of two equal results the first stays.

    A folder holds `tasks.json`, `done/KEY/result.json` with the files of a task beside it, and `failed/KEY.json`.
    """

    path: Path

    @classmethod
    def planned(cls, path: Path | str, tasks: Sequence[Task]) -> TaskFolder:
        """Plan these tasks in a folder, in the place of those before; what is done already stays done.

        Raises
        ------
        OutputError
            If the folder can not be written, or holds something else.
        """
        folder = cls(Path(path))
        known = (folder.path / PLAN).is_file()
        check_output_folder(folder.path, ours=None if known else is_log)
        unique = {task.key: task for task in tasks}
        listed = [
            {"key": key, "function": task.function, "arguments": task.arguments, "code": task.code}
            for key, task in unique.items()
        ]
        write_text(folder.path / PLAN, json.dumps({"format_version": FORMAT_VERSION, "tasks": listed}, indent=1))
        return folder

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The plan.

        Raises
        ------
        TasksError
            If there is none, or it was altered.
        """
        content = _read(self.path / PLAN, "Name a folder of tasks.")
        try:
            if content["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format version {content['format_version']!r}; this release reads {FORMAT_VERSION}")
            found = []
            for entry in content["tasks"]:
                task = Task(str(entry["function"]), dict(entry["arguments"]), str(entry["code"]))
                if task.key != entry["key"]:
                    raise ValueError(f"task {entry['key']} was altered")
                found.append(task)
        except (KeyError, TypeError, ValueError) as error:
            raise TasksError(f"{self.path / PLAN}: no plan of tasks ({error}). Plan again.") from error
        return tuple(found)

    def task(self, name: str) -> Task:
        """One task by its number in the plan, from 0, or by the beginning of its key.

        Raises
        ------
        TasksError
            If there is none, or several.
        """
        tasks = self.tasks
        if name.isdecimal() and int(name) < len(tasks):
            return tasks[int(name)]
        found = [task for task in tasks if len(name) >= 6 and task.key.startswith(name)]
        if len(found) != 1:
            raise TasksError(
                f"{self.path} has {len(found) or 'no'} tasks {name!r}; name a number from 0 to {len(tasks) - 1}, or at "
                "least six digits of a key."
            )
        return found[0]

    def is_done(self, task: Task) -> bool:
        """Whether there is a result."""
        return self.has(task.key)

    def has(self, key: str) -> bool:
        """Whether there is a result of the task with a key."""
        return (self.path / DONE / key).is_dir()

    def result(self, task: Task) -> Done:
        """The result of a task that is done."""
        place = self.path / DONE / task.key
        return Done(task, _read(place / RESULT, "Remove this folder and resume."), place)

    def failure(self, task: Task) -> Failure | None:
        """Why a task failed, if it did and nobody has finished it since."""
        path = self.path / FAILED / f"{task.key}.json"
        if self.is_done(task) or not path.exists():
            return None
        try:
            return Failure.from_dict(_read(path, "Remove it and resume."))
        except TypeError as error:
            raise TasksError(f"{path}: no failure ({error}). Remove it and resume.") from error

    def status(self) -> Status:
        """Where everything stands."""
        tasks = self.tasks
        failures = ((task, self.failure(task)) for task in tasks)
        return Status(
            len(tasks),
            sum(self.is_done(task) for task in tasks),
            tuple((task, failure) for task, failure in failures if failure is not None),
        )

    def finished(self) -> Iterator[Done]:
        """All results that are there, in the order of the plan."""
        return (self.result(task) for task in self.tasks if self.is_done(task))

    def collect(self) -> list[Done]:
        """All results, in the order of the plan.

        Raises
        ------
        TasksError
            If some are missing; says how many and the first failure.
        """
        status = self.status()
        if status.done < status.total:
            why = ""
            if status.failures:
                task, failure = status.failures[0]
                why = f", {len(status.failures)} of them failed, first {task.key[:12]}: {failure.message}"
            raise TasksError(
                f"{self.path}: {status.total - status.done} of {status.total} tasks are not done{why}. Resume them."
            )
        return list(self.finished())

    @contextmanager
    def writing(self, task: Task) -> Iterator[Path]:
        """A temporary folder that becomes that of the task, unless it fails, or somebody else was first."""
        parent = self.path / DONE
        parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=temporary_prefix(task.key), dir=parent))
        try:
            yield place
            mask = os.umask(0)
            os.umask(mask)
            place.chmod(0o777 & ~mask)
            if not self.is_done(task):
                # Of two that come here at once, one finds a folder with content.
                with suppress(FileExistsError, OSError):
                    place.rename(parent / task.key)
            if not self.is_done(task):
                raise TasksError(f"{parent / task.key}: can not be written. Free some space there, or try again.")
            (self.path / FAILED / f"{task.key}.json").unlink(missing_ok=True)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def write_result(self, place: Path, result: Any) -> None:
        """Put the result of a task into its temporary folder, and see it and all files on the disk."""
        try:
            text = json.dumps(_with_nan(result))
        except ValueError as error:
            raise TasksError(f"The result of a task: {error}") from error
        (place / RESULT).write_text(text, encoding="utf-8")
        for path in place.rglob("*"):
            if path.is_file():
                with open(path, "rb") as written:
                    os.fsync(written.fileno())

    def write_failure(self, task: Task, failure: Failure) -> None:
        """Keep why a task failed."""
        listed = {"function": task.function, "arguments": task.arguments, **failure.to_dict()}
        write_text(self.path / FAILED / f"{task.key}.json", json.dumps(listed, indent=1))

    def forget(self, task: Task) -> None:
        """Let a failed task be tried again."""
        (self.path / FAILED / f"{task.key}.json").unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what killed workers of this machine were writing; nobody else's."""
        parent = self.path / DONE
        for name in os.listdir(parent) if parent.is_dir() else ():
            if is_abandoned(name):
                shutil.rmtree(parent / name, ignore_errors=True)


def _with_nan(value: Any) -> Any:
    """As `exact`, but NaN and infinity may be among the numbers: a result may have none."""
    if isinstance(value, tuple | list):
        return [_with_nan(each) for each in value]
    if isinstance(value, dict):
        return {key: _with_nan(each) for key, each in value.items()}
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    return value if isinstance(value, float) else exact(value)


def _read(path: Path, remedy: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TasksError(f"{path}: can not be read ({reason}). {remedy}") from error
