"""What is not done is done once, by an executor that is told how every attempt ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from analysis.tasks.folder import TaskFolder
from analysis.tasks.outcome import Failure, Outcome
from analysis.tasks.perform import perform
from analysis.tasks.runner import resume, run, run_one
from analysis.tasks.work import Task


class Scripted:
    """Ends attempts as it is told, and does the work otherwise."""

    capacity = 2

    def __init__(self, **ends: list[Failure]) -> None:
        self.ends, self.attempts, self.closed = ends, [], 0
        self._waiting: list[tuple[Path, Task]] = []

    def submit(self, folder: Path, task: Task) -> None:
        self._waiting.append((folder, task))

    def as_completed(self) -> Iterator[Outcome]:
        while self._waiting:
            folder, task = self._waiting.pop()
            number = str(task.arguments["number"])
            self.attempts.append(number)
            script = self.ends.get(f"n{number}", [])
            yield Outcome(task.key, script.pop(0)) if script else perform(TaskFolder(folder), task)

    def shutdown(self) -> None:
        self.closed += 1


DIED, ERROR = Failure(reason="died", message="killed"), Failure(reason="error", message="wrong")


@pytest.fixture
def folder(tmp_path: Path, work: ModuleType) -> TaskFolder:
    return TaskFolder.planned(tmp_path / "tasks", [Task.of(work.double, number=n) for n in range(4)])


def test_deaths_are_tried_again_and_errors_are_not(folder: TaskFolder) -> None:
    by = Scripted(n0=[DIED, DIED], n1=[ERROR], n2=[DIED] * 3)
    ended: list[str] = []
    status = run(folder, by, retries=2, finished=lambda task, outcome: ended.append(str(task.arguments["number"])))
    assert (status.done, len(status.failures)) == (2, 2)
    assert by.closed == 1
    assert {n: by.attempts.count(n) for n in "0123"} == {"0": 3, "1": 1, "2": 3, "3": 1}
    assert {failure.message: failure.attempts for _, failure in status.failures} == {"wrong": 1, "killed": 3}
    assert sorted(ended) == ["0", "1", "2", "3"]


def test_a_second_run_does_only_what_is_left_and_resume_also_what_failed(folder: TaskFolder) -> None:
    run(folder, Scripted(n1=[ERROR]))
    again = Scripted()
    run(folder, again)
    assert again.attempts == []
    last = Scripted()
    assert resume(folder, last).done == 4
    assert last.attempts == ["1"]


BUSY = Failure(reason="error", kind="BusyError", message="busy")


def test_errors_that_may_pass_are_tried_again_after_all_others(
    folder: TaskFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("analysis.tasks.runner.time.sleep", pauses.append)
    by = Scripted(n0=[BUSY], n1=[ERROR], n3=[BUSY] * 3)
    status = resume(folder, by, retries=2, passing={"BusyError"})
    assert (status.done, len(status.failures)) == (2, 2)
    assert {f.message: f.attempts for _, f in status.failures} == {"wrong": 1, "busy": 3}
    assert {*by.attempts[:4]} == {*"0123"}
    assert {n: by.attempts.count(n) for n in "0123"} == {"0": 2, "1": 1, "2": 1, "3": 3}
    # It waits only where nothing else is being done, and longer before the last attempt.
    assert 0 < max(pauses) <= 4.0


def test_a_cluster_that_grows_gets_more(folder: TaskFolder) -> None:
    class Growing(Scripted):
        most = 0

        @property
        def capacity(self) -> int:  # type: ignore[override]
            return 1 + len(self.attempts)

        def submit(self, folder: Path, task: Task) -> None:
            super().submit(folder, task)
            self.most = max(self.most, len(self._waiting))

    by = Growing()
    assert run(folder, by).done == 4
    assert by.most == 2


def test_an_error_of_the_user_ends_the_executor(folder: TaskFolder) -> None:
    by = Scripted()

    def finished(task: Task, outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, by, finished=finished)
    assert by.closed == 1
    assert folder.status().done == 1


def test_one_task_of_an_array(folder: TaskFolder, work: ModuleType, tmp_path: Path) -> None:
    assert run_one(folder.path, "2").failure is None
    assert folder.status().done == 1
    failing = TaskFolder.planned(tmp_path / "failing", [Task.of(work.fail, number=7)])
    outcome = run_one(failing.path, "0")
    assert outcome.failure is not None
    assert outcome.failure.message == "no such number 7"
    assert len(failing.status().failures) == 1
