"""`--scheduler`, on every verb that shares out its work: a real scheduler and a real worker in processes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from analysis.tasks import Task, TaskFolder
from cathode.cli.app import app

from ..toys import ANALYSIS, toy_events

ROOT = Path(__file__).parents[3]
STUDY = """
jets: {file: embedded:top_jets, train: 200, compared: 200}
generator: {kind: mdma, width: 8, hidden: 8, critic_hidden: 8, layers: 1, heads: 2, training: {steps: 3}}
grid: {layers: [1, 2]}
metric: w1p
"""
BENCHMARK = """
analysis: analysis.yaml
methods: {cathode: {}}
signals: {bump: {data.files: signal.parquet}}
strengths: [0]
seeds: [1]
"""


THREADS = """
from analysis.tasks import task

@task
def threads(place):
    import torch

    return torch.get_num_threads()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Address of a scheduler with one worker, as an administrator starts them, and told to use many threads."""
    pytest.importorskip("distributed")
    known, logs = tmp_path / "scheduler.json", (tmp_path / "cluster.log").open("wb")
    parts = [
        ["dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(known)],
        ["dask_worker", "--scheduler-file", str(known), "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"],
    ]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "4",
        "MKL_NUM_THREADS": "4",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:]],
            env=environment,
            cwd=tmp_path,
            stdout=logs,
            stderr=logs,
        )
        for words in parts
    ]
    try:
        until = time.monotonic() + 60
        while not (known.is_file() and known.read_text().strip().endswith("}")):
            assert time.monotonic() < until, (tmp_path / "cluster.log").read_text()
            time.sleep(0.1)
        yield str(json.loads(known.read_text())["address"])
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)
        logs.close()


def cathode(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cathode", *map(str, words)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def results(folder: Path) -> dict[str, dict[str, float]]:
    """The metrics of the trainings of a study by task, without the time that they took."""
    return {
        path.parent.name: {k: v for k, v in json.loads(path.read_text()).items() if k not in ("us_a_jet", "training_s")}
        for path in (folder / "trainings" / "done").glob("*/result.json")
    }


def test_tasks_have_one_thread_whatever_the_worker_was_told_and_the_terminal_is_quiet(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "threads_of_tests.py").write_text(THREADS)
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module("threads_of_tests")
    folder = TaskFolder.planned(tmp_path / "one", [Task.of(work.threads)])
    said = cathode("tasks", "run", folder.path, "--scheduler", cluster)
    assert said.returncode == 0, said.stderr
    assert folder.collect()[0].result == 1
    assert "distributed" not in said.stderr
    # One of its own has scheduler and nannies in this process, which say more.
    folder = TaskFolder.planned(tmp_path / "two", [Task.of(work.threads)])
    said = cathode("tasks", "run", folder.path, "--scheduler", "dask", "-w", 1, PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert (said.returncode, folder.collect()[0].result) == (0, 1)
    assert "distributed" not in said.stderr
    assert "Dashboard: http://127.0.0.1:" in said.stdout


@pytest.mark.slow
def test_a_study_is_the_same_there_as_here(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    said = cathode("study", tmp_path / "study.yaml", "-o", tmp_path / "there", "--scheduler", cluster)
    assert said.returncode == 0, said.stderr
    assert "distributed" not in said.stderr
    assert "study: 100 %" in said.stderr
    said = cathode("study", tmp_path / "study.yaml", "-o", tmp_path / "here", "-w", 1)
    assert said.returncode == 0, said.stderr
    assert results(tmp_path / "here") == results(tmp_path / "there")
    assert len(results(tmp_path / "here")) == 2


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, events in (("events", toy_events(20_000, seed=3)), ("signal", toy_events(0, signal=500, seed=4))):
        pq.write_table(
            pa.table({"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1]}), tmp_path / f"{name}.parquet"
        )
    (tmp_path / "analysis.yaml").write_text(ANALYSIS)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "plan.yaml").write_text(BENCHMARK)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "analysis.yaml"],
        ["benchmark", "plan.yaml"],
        ["calibrate", "analysis.yaml", "--background", "events.parquet"],
        ["inject", "analysis.yaml", "--signal", "signal.parquet", "-n", "10"],
        ["study", "study.yaml"],
    ],
    ids=lambda words: words[0],
)
def test_every_verb_asks_the_scheduler_that_it_is_told(
    words: list[str], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.chdir(files)
    found = CliRunner().invoke(app, [*words, "-o", "out", "--scheduler", "nowhere"])
    assert found.exit_code == 1
    assert "scheduler nowhere: name an address" in found.stderr


def test_no_verb_has_workers_alone() -> None:
    def options(command: Any, name: str = "") -> list[tuple[str, set[str]]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return [(name.strip(), {word for option in command.params for word in option.opts})]
        return [found for verb, each in inner.items() for found in options(each, f"{name} {verb}")]

    sharing = {name: words for name, words in options(typer.main.get_command(app)) if "--workers" in words}
    alone = {name for name, words in sharing.items() if "--scheduler" not in words}
    # Samples are simulated, and pages drawn, on this machine alone.
    assert {name for name in alone if not name.startswith("data simulate")} <= {"scan collect"}
    shared = {"audit", "benchmark", "calibrate", "inject", "prepare", "study", "tasks run", "tasks resume", "scan run"}
    assert shared <= sharing.keys() - alone
