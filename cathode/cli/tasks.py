"""`cathode tasks`: run, resume, status, collect."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cathode.cli.options import Json, Partial, Plugins, Quiet, load_plugins
from cathode.cli.terminal import Terminal, echo
from cathode.cli.workers import Scheduler, Workers, workforce

if TYPE_CHECKING:
    from analysis.tasks import Finished, Status

app = typer.Typer(no_args_is_help=True, help="Run, watch and collect a folder of tasks that a study has planned.")

TASKS_FAILED = 3

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of tasks.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds that a task may take.")]
Retries = Annotated[int, typer.Option(min=0, help="Further attempts after the death of a worker, or of its time.")]


@app.command()
def run(
    folder: Folder,
    task: Annotated[
        str | None,
        typer.Option("--task", help="Only this one, by its number from 0 or its key, as in a job array."),
    ] = None,
    workers: Workers = None,
    timeout: Timeout = None,
    scheduler: Scheduler = None,
    retries: Retries = 2,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Do what is neither done nor failed; status 3 if a task fails."""
    from analysis.tasks import TaskFolder, run_one
    from analysis.tasks import run as run_tasks

    load_plugins(plugins)
    terminal = Terminal(json, quiet)
    if task is not None:
        outcome = run_one(folder, task)
        failure = None if outcome.failure is None else outcome.failure.to_dict()
        terminal.result({"key": outcome.key, "failure": failure})
        if failure is not None:
            echo(f"cathode: task {outcome.key}: {failure['message']}", err=True)
            raise typer.Exit(TASKS_FAILED)
        return
    tasks = TaskFolder(folder)
    by = workforce(workers, scheduler, terminal, timeout=timeout).started()
    with terminal.progress() as progress:
        status = run_tasks(tasks, by, retries=retries, finished=_counting(progress, tasks.status()))
    _show(status, terminal)


@app.command()
def resume(
    folder: Folder,
    workers: Workers = None,
    timeout: Timeout = None,
    scheduler: Scheduler = None,
    retries: Retries = 2,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Do what is not done, and try again what failed; status 3 if a task fails."""
    from analysis.tasks import TaskFolder
    from analysis.tasks import resume as resume_tasks

    load_plugins(plugins)
    terminal = Terminal(json, quiet)
    tasks = TaskFolder(folder)
    by = workforce(workers, scheduler, terminal, timeout=timeout).started()
    with terminal.progress() as progress:
        status = resume_tasks(tasks, by, retries=retries, finished=_counting(progress, tasks.status(), again=True))
    _show(status, terminal)


@app.command()
def array(
    folder: Folder,
    system: Annotated[Literal["slurm", "htcondor"], typer.Option(help="For `sbatch`, or for `condor_submit`.")],
    memory: Annotated[str, typer.Option(help="Memory of a job, as 4000M or 4G.")] = "4G",
    hours: Annotated[int, typer.Option(min=1, help="Walltime of a job.")] = 12,
) -> None:
    """Write a job array that does every task by `cathode tasks run --task`; submitted again, it does what is left."""
    from analysis.tasks import TaskFolder
    from analysis.tasks.batch import write_array

    echo(str(write_array(TaskFolder(folder), system, memory=memory, hours=hours)))


@app.command()
def status(folder: Folder, json: Json = False) -> None:
    """Show how many are done, and what failed and why."""
    from analysis.tasks import TaskFolder

    _show(TaskFolder(folder).status(), Terminal(json), strict=False)


@app.command()
def collect(
    folder: Folder,
    partial: Partial = False,
) -> None:
    """Print arguments and results of all tasks as JSON, in the order of the plan."""
    from analysis.tasks import TaskFolder

    tasks = TaskFolder(folder)
    found = tasks.finished() if partial else tasks.collect()
    rows = [{"key": done.task.key, "arguments": done.task.arguments, "result": plain(done.result)} for done in found]
    Terminal(json=True).result(rows)


def _counting(progress: Any, before: Status, *, again: bool = False) -> Finished:
    """Tell the bars every task that has come to its end."""
    ended = before.done + (0 if again else len(before.failures))
    failed = 0 if again else len(before.failures)

    def finished(task: Any, outcome: Any) -> None:
        nonlocal ended, failed
        ended, failed = ended + 1, failed + (outcome.failure is not None)
        if progress is not None:
            progress(
                "tasks", ended, before.total, f"{ended} of {before.total}" + (f", {failed} failed" if failed else "")
            )

    return finished


def _show(status: Status, terminal: Terminal, *, strict: bool = True) -> None:
    failures = [
        {"key": task.key, "function": task.function, "arguments": task.arguments, **failure.to_dict()}
        for task, failure in status.failures
    ]
    terminal.result({"total": status.total, "done": status.done, "left": status.left, "failures": failures})
    terminal.show(
        f"{status.done:,} of {status.total:,} tasks are done, {len(failures):,} failed, {status.left:,} left."
    )
    if failures and not terminal.json:
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        table = Table("task", "arguments", "why", "attempts", "message", box=box.SIMPLE_HEAD, pad_edge=False)
        for task, failure in status.failures:
            named = ", ".join(f"{name} {value}" for name, value in task.arguments.items())
            kind = f"{failure.kind}: " if failure.kind else ""
            table.add_row(
                task.key[:12], escape(named), failure.reason, str(failure.attempts), escape(kind + failure.message)
            )
        terminal.show(table)
    if failures and strict:
        raise typer.Exit(TASKS_FAILED)


def plain(value: Any) -> Any:
    """What any parser of JSON reads: numbers that are none become text."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
