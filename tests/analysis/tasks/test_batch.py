"""Scripts for batch systems, checked by bash and by running a job of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from analysis.errors import TasksError
from analysis.tasks.batch import write_array
from analysis.tasks.folder import TaskFolder
from analysis.tasks.work import Task


@pytest.fixture
def folder(tmp_path: Path, work: ModuleType) -> TaskFolder:
    return TaskFolder.planned(tmp_path / "tasks", [Task.of(work.double, number=n) for n in range(3)])


def test_a_job_calls_the_task_of_its_number(folder: TaskFolder) -> None:
    slurm = write_array(folder, "slurm", hours=2, command="echo")
    assert "--array=0-2" in slurm.read_text()
    condor = write_array(folder, "htcondor", hours=2, command="echo")
    assert "+MaxRuntime = 7200" in condor.read_text()
    assert condor.read_text().splitlines()[-1] == "queue 3"
    job = folder.path / "htcondor.sh"
    expected = f"tasks run {folder.path} --task 2 --quiet\n"
    for command in (["bash", str(slurm)], [str(job), "2"]):
        said = subprocess.run(
            command, env={**os.environ, "SLURM_ARRAY_TASK_ID": "2"}, capture_output=True, text=True, check=True
        )
        assert said.stdout == expected


def test_what_no_batch_system_takes(folder: TaskFolder) -> None:
    for wrong in ({"memory": "much"}, {"memory": ""}, {"hours": 0}):
        with pytest.raises(TasksError):
            write_array(folder, "slurm", **wrong)  # type: ignore[arg-type]


def test_workers_of_a_batch_system_have_one_thread(tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue")
    from analysis.tasks.batch import batch_cluster

    file = tmp_path / "cluster.yaml"
    for text in ("slurm: {cores: 4, memory: 4GB}", "pbs: {}", "[]", "slurm: 3"):
        file.write_text(text)
        with pytest.raises(TasksError, match=r"cluster\.yaml"):
            batch_cluster(file, 1)
