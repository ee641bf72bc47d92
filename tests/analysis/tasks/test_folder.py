"""The folder of tasks on the disk."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import ModuleType

import pytest

from analysis.errors import OutputError, TasksError
from analysis.tasks.folder import DONE, PLAN, TaskFolder
from analysis.tasks.outcome import Failure
from analysis.tasks.work import Task


@pytest.fixture
def tasks(work: ModuleType) -> list[Task]:
    return [Task.of(work.double, number=n) for n in range(3)]


@pytest.fixture
def folder(tmp_path: Path, tasks: list[Task]) -> TaskFolder:
    return TaskFolder.planned(tmp_path / "tasks", tasks)


def finish(folder: TaskFolder, task: Task, result: object) -> None:
    with folder.writing(task) as place:
        (place / "file.txt").write_text("content")
        folder.write_result(place, result)


def test_the_plan_comes_back_in_its_order(folder: TaskFolder, tasks: list[Task]) -> None:
    assert [task.key for task in folder.tasks] == [task.key for task in tasks]
    assert folder.task("1").key == folder.task(tasks[1].key[:8]).key == tasks[1].key
    for name in ("7", tasks[0].key[:3], "none"):
        with pytest.raises(TasksError, match="from 0 to 2"):
            folder.task(name)


def test_results_failures_and_what_is_left(folder: TaskFolder, tasks: list[Task]) -> None:
    finish(folder, tasks[2], {"x": math.nan, "n": 2})
    folder.write_failure(tasks[0], Failure(reason="error", message="why"))
    status = folder.status()
    assert (status.total, status.done, status.left) == (3, 1, 1)
    assert [(task.key, failure.message) for task, failure in status.failures] == [(tasks[0].key, "why")]
    done = folder.result(tasks[2])
    assert math.isnan(done.result["x"])
    assert (done.place / "file.txt").read_text() == "content"
    with pytest.raises(TasksError, match=r"2 of 3 tasks are not done, 1 of them failed.*why"):
        folder.collect()


def test_of_two_results_the_first_stays_and_a_failure_is_over(folder: TaskFolder, tasks: list[Task]) -> None:
    folder.write_failure(tasks[0], Failure(reason="died", message="late"))
    with folder.writing(tasks[0]) as mine:
        folder.write_result(mine, "second")
        finish(folder, tasks[0], "first")
    assert folder.result(tasks[0]).result == "first"
    assert folder.failure(tasks[0]) is None
    assert [path.name for path in (folder.path / DONE).iterdir()] == [tasks[0].key]


def test_nothing_is_left_of_work_that_fails(folder: TaskFolder, tasks: list[Task]) -> None:
    with pytest.raises(ZeroDivisionError), folder.writing(tasks[0]):
        raise ZeroDivisionError
    assert list((folder.path / DONE).iterdir()) == []
    assert not folder.is_done(tasks[0])


def test_planning_again_keeps_what_is_done(folder: TaskFolder, tasks: list[Task]) -> None:
    finish(folder, tasks[1], 1)
    again = TaskFolder.planned(folder.path, [tasks[1], tasks[1]])
    assert [done.result for done in again.collect()] == [1]


def test_a_folder_of_something_else_is_refused(tmp_path: Path, tasks: list[Task]) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("text")
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        TaskFolder.planned(tmp_path / "papers", tasks)


@pytest.mark.parametrize("change", ["key", "arguments", "format_version", "text"])
def test_an_altered_plan_is_refused(folder: TaskFolder, change: str) -> None:
    path = folder.path / PLAN
    plan = json.loads(path.read_text())
    if change == "format_version":
        plan[change] = 99
    elif change != "text":
        plan["tasks"][0][change] = "0" * 32 if change == "key" else {"number": 7}
    path.write_text("{" if change == "text" else json.dumps(plan))
    with pytest.raises(TasksError, match=PLAN):
        _ = folder.tasks
