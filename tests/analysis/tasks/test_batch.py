"""Scripts for batch systems, checked by bash and by running a job of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from analysis.errors import TasksError
from analysis.tasks.batch import write_array
from analysis.tasks.dask import dask_executor
from analysis.tasks.folder import TaskFolder
from analysis.tasks.runner import run
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


PAGE = Path(__file__).parents[3] / "docs" / "scaling-out.md"

#: A batch system of this machine: it takes what the real ones are given, copies it as they do, and runs it.
SUBMIT = """#!{python}
import os, re, subprocess, sys
from pathlib import Path

text = Path(sys.argv[1]).read_text()
# Several are submitted at a time.
job = Path({place!r}) / f"job_{{os.getpid()}}"
job.with_suffix(".given").write_text(text)
if "SBATCH" in text:
    command = ["bash", str(job.with_suffix(".given"))]
else:
    values = dict(re.findall(r"^(\\w+) = (.*)$", text, re.MULTILINE))
    inner = re.search(r"'(.*)'", values["Arguments"].replace('""', '"'))[1]
    command = [values["Executable"], "-c", inner.replace("''", "'")]
with open(job.with_suffix(".log"), "wb") as log:
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
job.with_suffix(".pid").write_text(str(process.pid))
print(f"Submitted batch job {{process.pid}}. 1 job(s) submitted to cluster {{process.pid}}.")
"""


def cluster_file(system: str) -> str:
    """As the page of the documentation has it."""
    (text,) = re.findall(rf"```text\n# {system}\.yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(text)


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its folder; whatever was submitted is ended with the test."""
    place = tmp_path / "batch"
    place.mkdir()
    for name, text in (
        ("sbatch", SUBMIT.format(python=sys.executable, place=str(place))),
        ("condor_submit", SUBMIT.format(python=sys.executable, place=str(place))),
        ("scancel", "#!/bin/sh\n"),
        ("condor_rm", "#!/bin/sh\n"),
    ):
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    yield place
    for file in place.glob("*.pid"):
        try:
            job = psutil.Process(int(file.read_text()))
        except psutil.NoSuchProcess:
            continue
        for process in (*job.children(recursive=True), job):
            process.terminate()


@pytest.mark.parametrize("system", ["slurm", "htcondor"])
def test_workers_come_as_jobs_of_the_files_of_the_documentation(
    system: str, work: ModuleType, batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue")
    file = tmp_path / f"{system}.yaml"
    # The only change: this machine may have no network.
    file.write_text(cluster_file(system) + "  interface: lo\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[3]}{os.pathsep}{Path(str(work.__file__)).parent}")
    tasks = [Task.of(work.double, number=n) for n in range(6)]
    folder = TaskFolder.planned(tmp_path / "tasks", tasks)
    by = dask_executor(str(file), 2)
    assert by.capacity == 8
    try:
        by._client.wait_for_workers(2, timeout=90)
    except TimeoutError:
        by.shutdown()
        pytest.fail("\n".join(log.read_text() for log in batch.glob("*.log")))
    assert (run(folder, by).done, folder.collect()[5].result) == (6, {"double": 10})
    script, second = (file.read_text() for file in batch.glob("job_*.given"))
    assert re.sub(r"Cluster-\d", "", script) == re.sub(r"Cluster-\d", "", second)
    assert "export OMP_NUM_THREADS=1" in script
    assert re.search(r"--nthreads 1 .*--lifetime", script)
    for told in {"slurm": ["-p standard", "-A my-group", "-t 12:00:00"], "htcondor": ["+MaxRuntime = 28800"]}[system]:
        assert told in script
    assert by.capacity >= 8
    until = time.monotonic() + 30
    while any(psutil.pid_exists(int(f.read_text())) and _runs(int(f.read_text())) for f in batch.glob("*.pid")):
        assert time.monotonic() < until, "workers outlive their scheduler"
        time.sleep(0.2)


def _runs(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
