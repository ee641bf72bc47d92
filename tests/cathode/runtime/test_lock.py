"""One writer at a time in a run folder; whoever is killed gives it back; workers and signals leave nothing behind."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from analysis.atomic import host
from analysis.errors import OutputError
from analysis.processes import is_worker
from cathode.errors import RunFolderError
from cathode.report import write_report
from cathode.runtime import lock as locks
from cathode.runtime.lock import LOCK, FolderLock, alone_in
from cathode.runtime.processes import in_parallel
from cathode.runtime.run_folder import RunFolder, check_run_folder

HOLDER = "import sys, time; from pathlib import Path; from cathode.runtime.lock import FolderLock\n"
HOLDER += "FolderLock.take(Path(sys.argv[1])); print('mine', flush=True); time.sleep(60)\n"


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """Another process that has the lock of `tmp_path`."""
    child = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "mine\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_another_process_is_named_and_its_lock_ends_with_it(holder: Any, tmp_path: Path) -> None:
    for attempt in (
        lambda: FolderLock.take(tmp_path),
        lambda: check_run_folder(tmp_path),
        lambda: RunFolder.claim(tmp_path, "one", {}),
    ):
        with pytest.raises(RunFolderError, match=rf"another process \(process {holder.pid} on {host()}, since 20"):
            attempt()
    holder.kill()
    holder.wait()
    with RunFolder.claim(tmp_path, "one", {}) as folder:
        assert folder.lock is not None
        assert folder.lock.before == (host(), holder.pid)
    assert [path.name for path in tmp_path.iterdir()] == ["search.json"]


def test_the_heir_sweeps_what_the_dead_writer_left_even_of_another_machine(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(json.dumps({"host": "node_17", "process": 12, "since": "yesterday"}))
    (tmp_path / "search.json").write_text(json.dumps({"fingerprint": "one", "settings": {}}))
    mine, others = (
        ".result.node_17-12-abcdefgh.json",
        [".result.node_17-13-abcdefgh.json", ".result.node_18-12-abcdefgh.json"],
    )
    for name in (mine, *others):
        (tmp_path / name).touch()
    with RunFolder.claim(tmp_path, "one", {}):
        assert sorted(path.name for path in tmp_path.glob(".result*")) == others


def test_a_thread_may_take_it_twice_and_another_thread_not(tmp_path: Path) -> None:
    said: list[str] = []

    def other() -> None:
        try:
            FolderLock.take(tmp_path)
        except RunFolderError as error:
            said.append(str(error))

    with alone_in(tmp_path), alone_in(tmp_path / ".." / tmp_path.name):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "another thread of this process" in said[0]
    with alone_in(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert not list(tmp_path.iterdir())


def test_where_nothing_was_written_no_folder_stays(tmp_path: Path) -> None:
    with alone_in(tmp_path / "deep" / "run"):
        assert (tmp_path / "deep" / "run" / LOCK).exists()
    assert not (tmp_path / "deep" / "run").exists()


def test_many_takers_one_owner(tmp_path: Path) -> None:
    """Owners count up a number in a file; a lock that two have at once would lose some of it."""
    (tmp_path / "number").write_text("0")
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            status, done = 1, 0
            try:
                while done < 25:
                    try:
                        with alone_in(tmp_path):
                            number = int((tmp_path / "number").read_text())
                            time.sleep(0.001)
                            (tmp_path / "number").write_text(str(number + 1))
                        done += 1
                    except RunFolderError:
                        time.sleep(0.001)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    assert (tmp_path / "number").read_text() == "100"


def test_a_file_system_without_locks_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def without(handle: int, operation: int) -> None:
        raise OSError(next(iter(locks._NO_LOCKS)), "no locks available")

    monkeypatch.setattr("fcntl.flock", without)
    with caplog.at_level(logging.WARNING), alone_in(tmp_path):
        pass
    assert "has no locks; see to it that only one run writes there" in caplog.text


@pytest.mark.parametrize("name", ["template", "scores.root", "figures", "report.html", "search.json", ".lock"])
def test_links_that_lead_out_are_followed_by_no_writer(tmp_path: Path, name: str) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    for folder in (run, other):
        folder.mkdir()
        (folder / "search.json").write_text(json.dumps({"fingerprint": "one", "settings": {}}))
        (folder / "result.json").write_text("{}")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(other / "search.json" if "." in name else other)
    before = (other / "search.json").read_text()
    for write in (lambda: RunFolder.claim(run, "one", {}), lambda: write_report(run)):
        with pytest.raises(OutputError, match=f"{name} is a link that leads out"):
            write()
    assert (other / "search.json").read_text() == before
    assert sorted(path.name for path in other.iterdir()) == ["result.json", "search.json"]


def test_a_folder_without_a_search_and_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(OutputError, match=r"holds 'config\.yaml'"):
        RunFolder.claim(tmp_path, "one", {})
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def _report(answer: Any) -> None:
    with in_parallel(2, os.getpid) as other:
        answer.send((is_worker(), other.result() == os.getpid()))


@pytest.mark.parametrize("daemon", [True, False])
def test_a_worker_of_multiprocessing_does_all_the_work_itself(daemon: bool) -> None:
    context = multiprocessing.get_context("fork" if daemon else "spawn")
    here, there = context.Pipe()
    child = context.Process(target=_report, args=(there,), daemon=daemon)
    child.start()
    assert here.poll(60)
    assert here.recv() == (True, True)
    child.join()


def test_a_worker_of_joblib_does_all_the_work_itself() -> None:
    script = (
        "import joblib, os\n"
        "def work():\n"
        "    from analysis.processes import is_worker\n"
        "    from cathode.runtime.processes import in_parallel\n"
        "    with in_parallel(2, os.getpid) as other:\n"
        "        return is_worker(), other.result() == os.getpid()\n"
        "print(joblib.Parallel(n_jobs=2)(joblib.delayed(work)() for _ in range(2)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "[(True, True), (True, True)]\n", done.stderr
    assert not is_worker()


ANALYSIS = """
data: {files: events.parquet, mass: m, features: {x: x, y: y}, identifiers: entry}
region: {signal: [3300, 3700], sidebands: [2300, 5300]}
template:
  generator: {kind: flow_matching, hidden: 8, layers: 1, training: {epochs: 5000, steps: null, batch_size: 64}}
classifier: {kind: boosted_trees, members: 1}
background_efficiencies: [0.1]
folds: 2
threads: 2
"""


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGTERM, 143, "told to end"), pytest.param(signal.SIGINT, 130, "interrupted", marks=pytest.mark.slow)],
)
def test_a_signal_ends_a_run_with_a_word_and_leaves_no_process(
    tmp_path: Path, number: int, status: int, word: str
) -> None:
    """In the middle of two trainings, one of them in a second process."""
    import numpy as np

    from cathode.runtime.tables import write_table

    rng = np.random.default_rng(1)
    columns = {"m": 2200 + rng.exponential(700, 4_000), "x": rng.normal(size=4_000), "y": rng.normal(size=4_000)}
    write_table(tmp_path / "events.parquet", columns)
    (tmp_path / "a.yaml").write_text(ANALYSIS)
    command = [sys.executable, "-m", "cathode", "run", "a.yaml", "-o", "run", "--no-report"]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    both = [tmp_path / "run" / "template.checkpoint", tmp_path / "run" / "validation" / "generator.checkpoint"]
    deadline = time.monotonic() + 300
    while not all(path.exists() for path in both) and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.1)
    workers = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == status, said
    assert word in said
    assert "Traceback" not in said
    assert "leaked" not in said
    assert workers, said
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert not (tmp_path / "run" / LOCK).exists()
    assert not [path for path in (tmp_path / "run").rglob(".*") if path.name != ".lock"]
