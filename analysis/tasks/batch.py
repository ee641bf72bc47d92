"""Batch systems: workers of Dask as jobs by dask-jobqueue, and job arrays of plain `cathode tasks run --task`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any, Literal

from analysis.atomic import write_text
from analysis.errors import TasksError
from analysis.tasks.folder import TaskFolder
from analysis.tasks.local import ONE_THREAD

System = Literal["slurm", "htcondor"]
_CLUSTERS = {"slurm": "SLURMCluster", "htcondor": "HTCondorCluster"}
#: What is always so: each job is one worker with one thread.
_ONE = {"cores": 1, "processes": 1}

_SLURM = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --cpus-per-task=1
#SBATCH --mem={memory}
#SBATCH --time={hours}:00:00
#SBATCH --output={logs}/%a.log
{threads}
exec {command} tasks run {folder} --task "$SLURM_ARRAY_TASK_ID" --quiet
"""

_HTCONDOR = """\
universe = vanilla
executable = {script}
arguments = $(Process)
request_cpus = 1
request_memory = {memory}
+MaxRuntime = {seconds}
output = {logs}/$(Process).log
error = {logs}/$(Process).log
log = {logs}/htcondor.log
should_transfer_files = NO
getenv = False
queue {number}
"""

_HTCONDOR_JOB = """\
#!/bin/bash
{threads}
exec {command} tasks run {folder} --task "$1" --quiet
"""


def batch_cluster(file: Path, workers: int) -> Any:
    """The cluster of a YAML file with one section, `slurm` or `htcondor`, of arguments of dask-jobqueue.

    Raises
    ------
    TasksError
        If the file can not be read, or says something else.
    """
    import yaml

    try:
        import dask_jobqueue
    except ImportError as error:
        raise TasksError("dask_jobqueue is not installed: pip install 'cathode-hep[dask]'.") from error
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TasksError(f"{file}: can not be read ({error}).") from error
    if not isinstance(content, dict) or len(content) != 1 or next(iter(content)) not in _CLUSTERS:
        raise TasksError(f"{file}: needs one section, {' or '.join(_CLUSTERS)}, of arguments of dask-jobqueue.")
    ((system, values),) = content.items()
    if not isinstance(values, dict) or any(values.get(name, one) != one for name, one in _ONE.items()):
        raise TasksError(f"{file}: {system} wants a mapping, with cores and processes 1: a worker has one thread.")
    exports = [f"export {name}={value}" for name, value in ONE_THREAD.items()]
    before = [*exports, *values.get("job_script_prologue", ())]
    try:
        cluster = getattr(dask_jobqueue, _CLUSTERS[system])(**{**values, **_ONE, "job_script_prologue": before})
    except (TypeError, ValueError) as error:
        raise TasksError(f"{file}: {system}: {error}.") from error
    cluster.scale(jobs=workers)
    return cluster


def write_array(
    folder: TaskFolder, system: System, *, memory: str = "4G", hours: int = 12, command: str | None = None
) -> Path:
    """Write the job array of all tasks beside the plan, to be given to `sbatch` or `condor_submit`; returns its path.

    A job of a task that is done ends at once, so the same array is submitted again after the death of some.

    Raises
    ------
    TasksError
        If there is no plan, or a number makes no sense.
    """
    number = len(folder.tasks)
    if number == 0 or hours < 1:
        raise TasksError(f"{number} tasks of {hours} hours: there must be at least 1 of both.")
    if not memory[:-1].isdecimal() or memory[-1:] not in ("M", "G"):
        raise TasksError(f"memory {memory}: write it as 4000M or 4G.")
    place = folder.path.resolve()
    logs = place / "logs"
    if any(character in str(place) for character in "\n\"'") or (system == "slurm" and " " in str(place)):
        raise TasksError(f"{place}: batch systems take no such path; use one without spaces and quotes.")
    logs.mkdir(exist_ok=True)
    values: dict[str, object] = {
        "name": place.name,
        "last": number - 1,
        "number": number,
        "memory": memory,
        "hours": hours,
        "seconds": 3600 * hours,
        "logs": logs,
        "folder": shlex.quote(str(place)),
        "command": command or f"{shlex.quote(sys.executable)} -m cathode",
        "threads": "\n".join(f"export {name}={value}" for name, value in ONE_THREAD.items()),
        "script": place / "htcondor.sh",
    }
    if system == "slurm":
        write_text(place / "array.sbatch", _SLURM.format(**values))
        return place / "array.sbatch"
    write_text(place / "htcondor.sh", _HTCONDOR_JOB.format(**values))
    (place / "htcondor.sh").chmod(0o755)
    write_text(place / "array.sub", _HTCONDOR.format(**values))
    return place / "array.sub"
