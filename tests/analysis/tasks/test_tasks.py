"""The runner of tasks: by whomever they are done, and whatever happens to those, the table is the same."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.errors import TasksError
from analysis.tasks import Executor, Failure, Outcome, Serial, Task, TaskFolder, executor, resume, run, run_one, task
from analysis.tasks.local import LocalProcesses
from analysis.tasks.perform import perform

CHORES = '''
"""Work that can be imported by name, as workers do."""

import os
import signal
import sys
import time
from pathlib import Path

from analysis.tasks import task


@task
def root(place, *, number, seed=1):
    (place / "note.txt").write_text(str(number))
    return {"root": number**0.5, "draw": (seed * 16807 + number * 48271) % 2147483647}


@task
def deadly(place, *, number, chance):
    """Dies in some of its attempts, as a worker does without memory: the dice are not those of the result."""
    (place / "half").write_text("x" * 1000)
    if int.from_bytes(os.urandom(2), "little") < chance * 65536:
        os.kill(os.getpid(), signal.SIGKILL)
    (place / "half").unlink()
    return {"square": number * number}


@task
def die_once(place, *, marks):
    """Dies the first time."""
    mark = Path(marks) / "died"
    if not mark.exists():
        mark.touch()
        sys.stderr.write("no more memory\\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@task
def die(place):
    sys.stderr.write("out of luck\\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


@task
def leave(place):
    sys.exit(7)


@task
def wrong(place, *, unless=None):
    if unless and Path(unless).exists():
        return 1
    raise ValueError("seven is\\nno number")


@task
def slow(place, *, seconds):
    time.sleep(seconds)
    return seconds


@task
def threads(place):
    return [os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")] + ["torch" in sys.modules]


@task
def chatter(place):
    print('{"key": "forged", "failure": null}')
    os.write(1, b"noise\\n")
    return "said"


@task
def unstorable(place):
    return object()


@task
def nested(place):
    from analysis.tasks import executor

    return type(executor(4)).__name__


def unmarked(place):
    return 1
'''


@pytest.fixture(scope="session")
def chores_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chores")
    (folder / "chores_of_tests.py").write_text(CHORES)
    return folder


@pytest.fixture
def chores(chores_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(chores_folder)
    import importlib

    return importlib.import_module("chores_of_tests")


@pytest.fixture
def two() -> Iterator[LocalProcesses]:
    workers = LocalProcesses(2, timeout=60)
    yield workers
    workers.shutdown()


def table(folder: TaskFolder) -> list[tuple[Any, Any]]:
    return [(dict(done.task.arguments), done.result) for done in folder.collect()]


def names(folder: TaskFolder) -> list[str]:
    return sorted(path.name for path in (folder.path / "done").iterdir())


def planned(path: Path, *tasks: Task) -> TaskFolder:
    return TaskFolder.planned(path / "tasks", tasks)


def test_serial_and_processes_give_the_same_table(tmp_path: Path, chores: Any, two: LocalProcesses) -> None:
    tasks = [Task.of(chores.root, number=number, seed=3) for number in range(12)]
    one, other = planned(tmp_path / "a", *tasks), planned(tmp_path / "b", *tasks)
    assert run(one, Serial()).done == run(other, two).done == 12
    assert table(one) == table(other)
    assert table(one)[4] == ({"number": 4, "seed": 3}, {"root": 2.0, "draw": (3 * 16807 + 4 * 48271) % 2147483647})
    assert [(d.place / "note.txt").read_text() for d in other.collect()] == [str(number) for number in range(12)]
    assert names(one) == names(other) == sorted(each.key for each in tasks)


def test_what_is_done_is_not_done_again(tmp_path: Path, chores: Any) -> None:
    few = [Task.of(chores.root, number=number) for number in range(3)]
    folder, ended = planned(tmp_path, *few), []
    run(folder, Serial(), finished=lambda each, _: ended.append(each.arguments["number"]))
    # A longer plan keeps what is done; equal tasks are one.
    more = planned(tmp_path, *few, few[0], *(Task.of(chores.root, number=number) for number in (7, 8)))
    assert (more.status().total, more.status().done, more.status().left) == (5, 3, 2)
    run(more, Serial(), finished=lambda each, _: ended.append(each.arguments["number"]))
    assert ended == [0, 1, 2, 7, 8]
    assert [done.task.arguments["number"] for done in more.collect()] == ended


def test_a_key_is_function_arguments_and_code(chores: Any) -> None:
    base = Task.of(chores.root, number=1, seed=2)
    assert Task.of(chores.root, seed=2, number=np.int64(1)).key == base.key
    others = [
        Task.of(chores.root, number=1, seed=3),
        Task.of(chores.deadly, number=1, chance=2),
        Task(base.function, base.arguments, "0" * 64),
        Task.of(chores.root, number=1.5, seed=2),
    ]
    assert len({base.key, *(each.key for each in others)}) == 5


def test_workers_that_die_are_replaced(tmp_path: Path, chores: Any, two: LocalProcesses) -> None:
    tasks = [Task.of(chores.deadly, number=number, chance=0.2) for number in range(15)]
    folder = planned(tmp_path, *tasks)
    status = run(folder, two, retries=30)
    assert status.done == 15
    assert [done.result["square"] for done in folder.collect()] == [number**2 for number in range(15)]
    assert names(folder) == sorted(each.key for each in tasks)
    assert not two.processes


def test_what_failed_and_why(tmp_path: Path, chores: Any) -> None:
    tasks = [
        Task.of(chores.root, number=4),
        Task.of(chores.wrong),
        Task.of(chores.die),
        Task.of(chores.leave),
        Task.of(chores.slow, seconds=300),
        Task.of(chores.unstorable),
        Task.of(chores.die_once, marks=str(tmp_path)),
        Task.of(chores.chatter),
    ]
    folder = planned(tmp_path, *tasks)
    status = run(folder, LocalProcesses(2, timeout=2), retries=1)
    why = {each.function.partition(":")[2]: failure for each, failure in status.failures}
    assert (status.done, status.left, sorted(why)) == (3, 0, ["die", "leave", "slow", "unstorable", "wrong"])
    assert (why["wrong"].reason, why["wrong"].kind, why["wrong"].message) == (
        "error",
        "ValueError",
        "seven is no number",
    )
    assert "raise ValueError" in why["wrong"].traceback
    assert why["wrong"].attempts == 1
    assert (why["die"].reason, why["die"].attempts) == ("died", 2)
    assert "SIGKILL, perhaps for want of memory; last words: out of luck" in why["die"].message
    assert (why["leave"].reason, why["leave"].message) == ("error", "7")
    assert (why["slow"].reason, why["slow"].attempts, why["slow"].message) == ("timeout", 2, "not done in 2 s")
    assert 1.9 < why["slow"].seconds < 20
    assert "nothing that JSON holds" in why["unstorable"].message
    with pytest.raises(TasksError, match=r"5 of 8 tasks are not done, 5 of them failed, first \w+: seven is no number"):
        folder.collect()
    assert [done.result for done in folder.finished()] == [
        {"root": 2.0, "draw": 16807 + 4 * 48271},
        "alive",
        "said",
    ]


def test_failures_are_kept_by_run_and_tried_again_by_resume(tmp_path: Path, chores: Any) -> None:
    mended = tmp_path / "mended"
    folder = planned(tmp_path, Task.of(chores.wrong, unless=str(mended)))
    assert len(run(folder, Serial()).failures) == 1
    mended.touch()
    assert run(folder, Serial()).done == 0
    status = resume(folder, Serial())
    assert (status.done, status.failures) == (1, ())
    assert list((folder.path / "failed").iterdir()) == []


def test_one_of_two_equal_tasks_wins(tmp_path: Path, chores: Any) -> None:
    each = Task.of(chores.root, number=9)
    folder = planned(tmp_path, each)
    with folder.writing(each) as mine:
        folder.write_result(mine, "first to begin")
        with folder.writing(each) as other:
            folder.write_result(other, "first to end")
    assert folder.result(each).result == "first to end"
    assert names(folder) == [each.key]


def test_two_runs_in_one_folder(tmp_path: Path, chores_folder: Path, chores: Any) -> None:
    folder = planned(tmp_path, *(Task.of(chores.root, number=number) for number in range(20)))
    script = (
        "import sys; from analysis.tasks import *\n"
        "print(run(TaskFolder(__import__('pathlib').Path(sys.argv[1])), Serial()).done)"
    )
    path = os.pathsep.join([str(chores_folder), *sys.path])
    command = [sys.executable, "-c", script, str(folder.path)]
    both = [
        subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[0] for process in both] == ["20\n", "20\n"]
    assert names(folder) == sorted(each.key for each in folder.tasks)


def test_one_task_by_number_and_by_key(tmp_path: Path, chores: Any) -> None:
    tasks = [Task.of(chores.root, number=4), Task.of(chores.wrong)]
    folder = planned(tmp_path, *tasks)
    assert run_one(folder.path, "0") == Outcome(tasks[0].key)
    failed = run_one(folder.path, tasks[1].key[:8])
    assert failed.failure is not None
    assert folder.status().failures[0][1].message == "seven is no number"
    for name in ("2", "-1", tasks[0].key[:5], "zzzzzz", ""):
        with pytest.raises(TasksError, match="name a number from 0 to 1"):
            run_one(folder.path, name)


def test_workers_have_one_thread_and_are_workers(tmp_path: Path, chores: Any, two: LocalProcesses) -> None:
    folder = planned(tmp_path, Task.of(chores.threads), Task.of(chores.nested))
    run(folder, two)
    # Torch was not imported before the limits were set.
    assert [done.result for done in folder.collect()] == [["1", "1", False], "Serial"]


def test_nested_in_joblib_is_serial() -> None:
    script = (
        "import joblib\n"
        "def which():\n"
        "    from analysis.tasks import executor\n"
        "    return type(executor(4)).__name__\n"
        "print(joblib.Parallel(n_jobs=2)(joblib.delayed(which)() for _ in range(2)), which())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "['Serial', 'Serial'] LocalProcesses\n", done.stderr


def test_which_executor() -> None:
    kinds = [type(each) for each in (executor(1), executor(2), executor(1, timeout=5.0))]
    assert kinds == [Serial, LocalProcesses, LocalProcesses]
    for workers, timeout in ((0, None), (2, 0.0), (2, math.nan)):
        with pytest.raises(TasksError):
            executor(workers, timeout=timeout)


def test_an_executor_is_three_methods(tmp_path: Path, chores: Any) -> None:
    """As one of a cluster would be: outcomes in another order, more at a time."""

    class LastFirst:
        capacity = 5

        def __init__(self) -> None:
            self.given: list[tuple[Path, Task]] = []
            self.most, self.ended = 0, False

        def submit(self, folder: Path, task: Task) -> None:
            self.given.append((folder, task))
            self.most = max(self.most, len(self.given))

        def as_completed(self) -> Iterator[Outcome]:
            while self.given:
                folder, task = self.given.pop()
                yield perform(TaskFolder(folder), task)

        def shutdown(self) -> None:
            self.ended = True

    folder, by = planned(tmp_path, *(Task.of(chores.root, number=n) for n in range(9))), LastFirst()
    checked: Executor = by
    assert run(folder, checked).done == 9
    assert (by.most, by.ended) == (5, True)


def test_an_error_of_the_caller_ends_the_workers(tmp_path: Path, chores: Any, two: LocalProcesses) -> None:
    folder = planned(tmp_path, Task.of(chores.root, number=1), Task.of(chores.slow, seconds=300))
    start = time.monotonic()

    def stop(each: Task, outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, two, finished=stop)
    assert time.monotonic() - start < 30
    assert not two.processes
    assert names(folder) == [Task.of(chores.root, number=1).key]


def test_workers_end_with_a_killed_parent(tmp_path: Path, chores_folder: Path, chores: Any) -> None:
    folder = planned(tmp_path, *(Task.of(chores.slow, seconds=300 + number) for number in range(2)))
    script = (
        "import sys, pathlib; from analysis.tasks import *; from analysis.tasks.local import LocalProcesses\n"
        "import threading, time\n"
        "two = LocalProcesses(2)\n"
        "threading.Timer(1.0, lambda: print(*two.processes, flush=True)).start()\n"
        "run(TaskFolder(pathlib.Path(sys.argv[1])), two)"
    )
    path = os.pathsep.join([str(chores_folder), *sys.path])
    command = [sys.executable, "-c", script, str(folder.path)]
    parent = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(number) for number in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while any(_running(number) for number in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_work_that_another_process_could_not_do_is_refused(chores: Any) -> None:
    @task
    def inside(place: Path) -> int:
        return 1

    for function, arguments, message in (
        (chores.unmarked, {}, "not marked as the work of tasks"),
        (inside, {}, "exists in this process alone"),
        (chores.root, {"number": 1, "colour": 2}, "unexpected keyword argument 'colour'"),
        (chores.root, {}, "missing a required argument: 'number'"),
        (chores.root, {"number": math.nan}, "nothing that JSON holds exactly"),
        (chores.root, {"number": {1: 2}}, "nothing that JSON holds exactly"),
        (chores.root, {"number": np.arange(3)}, "nothing that JSON holds exactly"),
    ):
        with pytest.raises(TasksError, match=message):
            Task.of(function, **arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can not be read"),
        ("{", "can not be read"),
        ("[]", "no plan of tasks"),
        ('{"format_version": 99, "tasks": []}', "format version 99"),
        ('{"format_version": 1, "tasks": [{"key": "00"}]}', "no plan of tasks"),
        (
            '{"format_version": 1, "tasks": [{"key": "0", "function": "os:system", "arguments": {}, "code": ""}]}',
            "altered",
        ),
    ],
)
def test_folders_that_are_none(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "tasks.json").write_text(content)
    with pytest.raises(TasksError, match=message):
        TaskFolder(tmp_path).status()


def test_a_plan_calls_nothing_but_tasks_of_this_code(tmp_path: Path, chores: Any) -> None:
    for function, message in (
        ("os:system", "not marked as the work of tasks"),
        ("shutil:rmtree", "not marked as the work of tasks"),
        ("no_such_module:f", "can not be imported"),
        ("chores_of_tests:root", "planned with other code"),
    ):
        folder = TaskFolder.planned(tmp_path / function.partition(":")[0], [Task(function, {"number": 1}, "0" * 64)])
        (_, failure), *_ = run(folder, Serial()).failures
        assert (failure.reason, failure.kind) == ("error", "TasksError")
        assert message in failure.message


def test_a_folder_of_something_else_is_refused(tmp_path: Path, chores: Any) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(Exception, match=r"thesis\.tex"):
        TaskFolder.planned(tmp_path, [Task.of(chores.root, number=1)])


def test_nan_in_a_result_comes_back(tmp_path: Path, chores: Any) -> None:
    each = Task.of(chores.root, number=1)
    folder = planned(tmp_path, each)
    with folder.writing(each) as place:
        folder.write_result(place, {"p": np.float64("nan"), "z": (math.inf, np.int64(3))})
    found = folder.result(each).result
    assert math.isnan(found["p"])
    assert found["z"] == [math.inf, 3]


def test_failures_survive_a_round_trip() -> None:
    failure = Failure(reason="died", message="no memory", seconds=1.5, attempts=3)
    assert Failure.from_dict(json.loads(json.dumps(failure.to_dict() | {"later": 1}))) == failure


@pytest.mark.slow
def test_two_hundred_tasks_with_a_fifth_of_the_workers_killed(tmp_path: Path, chores: Any) -> None:
    tasks = [Task.of(chores.deadly, number=number, chance=0.2) for number in range(200)]
    calm = [Task.of(chores.deadly, number=number, chance=0) for number in range(200)]
    serial, folder, two = planned(tmp_path / "a", *calm), planned(tmp_path / "b", *tasks), LocalProcesses(2, timeout=60)
    run(serial, Serial())
    ended, killed = threading.Event(), []

    def kill() -> None:
        # And some from outside, at any moment, as the system does when there is no memory left.
        rng = np.random.default_rng(1)
        while not ended.wait(0.5):
            for number in two.processes[: 1 + rng.integers(2)]:
                os.kill(number, signal.SIGKILL)
                killed.append(number)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        status = run(folder, two, retries=1000)
    finally:
        ended.set()
        killer.join()
    assert (status.done, status.failures) == (200, ())
    assert len(killed) > 3
    assert [done.result for done in folder.collect()] == [done.result for done in serial.collect()]
    assert len(names(folder)) == 200


@pytest.mark.slow
def test_memory_of_the_parent_is_flat(tmp_path: Path, chores: Any) -> None:
    folder = planned(tmp_path, *(Task.of(chores.root, number=number) for number in range(1_100)))
    resident: list[float] = []

    def measure(each: Task, outcome: Outcome) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident.append(pages * os.sysconf("SC_PAGESIZE") / 1e6)

    assert run(folder, LocalProcesses(2), finished=measure).done == 1_100
    growth = (resident[-1] - resident[100]) / 10
    assert growth < 1.0, f"{growth:.3f} MB per 100 tasks"
