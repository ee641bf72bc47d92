"""Work that repeats: a list of tasks by content, done by any number of processes with the same result.

@task
def measure(place: Path, *, seed: int) -> dict[str, float]: ...

folder = TaskFolder.planned("study", [Task.of(measure, seed=seed) for seed in range(100)])
run(folder, executor(workers=2))
results = folder.collect()
"""

from analysis.tasks.executors import Executor, Serial, Workers, Workforce, executor
from analysis.tasks.folder import Done, Status, TaskFolder
from analysis.tasks.outcome import Failure, Outcome
from analysis.tasks.runner import RETRIES, Finished, resume, resumed, run, run_one
from analysis.tasks.work import Task, task

__all__ = [
    "RETRIES",
    "Done",
    "Executor",
    "Failure",
    "Finished",
    "Outcome",
    "Serial",
    "Status",
    "Task",
    "TaskFolder",
    "Workers",
    "Workforce",
    "executor",
    "resume",
    "resumed",
    "run",
    "run_one",
    "task",
]
