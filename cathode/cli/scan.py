"""`cathode scan`: plan, run, status, resume, collect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cathode.cli.options import Json, Output, Partial, Plugins, Quiet, load_plugins
from cathode.cli.tasks import TASKS_FAILED, Retries, plain
from cathode.cli.terminal import Terminal
from cathode.cli.workers import Scheduler, Workers, workforce

if TYPE_CHECKING:
    from analysis.tasks import TaskFolder

app = typer.Typer(
    no_args_is_help=True, help="Search many windows, by several methods and seeds, with and without injected signals."
)

Plan = Annotated[Path, typer.Argument(metavar="FILE", help="Windows, methods, seeds and injections, as YAML.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a scan.")]
FileOrFolder = Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="The file of a scan, or a planned folder.")]
NoPages = Annotated[
    bool, typer.Option("--no-pages", help="Draw no pages of windows; `cathode scan collect` can later.")
]


@app.command()
def plan(
    plan: Plan,
    output: Output = None,
    probe: Annotated[
        bool,
        typer.Option(help="Do one search of every method now, to know what all of them cost; it stays done."),
    ] = True,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write all searches of a scan as tasks into a folder, and say what they cost."""
    load_plugins(plugins)
    terminal = Terminal(json, quiet)
    _show(terminal, _planned(plan, output, terminal, probe=probe), None)


@app.command()
def run(
    scan: FileOrFolder,
    output: Output = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Plan, and only say what there is to do and what it costs, as far as is known."),
    ] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    retries: Retries = 2,
    pages: NoPages = False,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Do what is neither done nor failed, and collect it; status 3 if a search fails."""
    from cathode.scans.scanning import tasks_of

    load_plugins(plugins)
    terminal = Terminal(json, quiet)
    folder = scan
    if not scan.is_dir():
        folder = output or _folder_of(scan)
        _planned(scan, folder, terminal, probe=False)
    if dry_run:
        _show(terminal, tasks_of(folder), workers)
        return
    _run(folder, workers, scheduler, retries, terminal, again=False, pages=not pages)


@app.command()
def resume(
    folder: Folder,
    workers: Workers = None,
    scheduler: Scheduler = None,
    retries: Retries = 2,
    pages: NoPages = False,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Do what is not done, try again what failed, and collect it; status 3 if a search fails."""
    load_plugins(plugins)
    _run(folder, workers, scheduler, retries, Terminal(json, quiet), again=True, pages=not pages)


@app.command()
def status(folder: Folder, json: Json = False) -> None:
    """Show what is done, what failed and why, and what the rest costs."""
    from cathode.scans.scanning import tasks_of

    _show(Terminal(json), tasks_of(folder), None)


@app.command()
def collect(
    folder: Folder,
    partial: Partial = False,
    workers: Workers = None,
    pages: NoPages = False,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put the searches together: scan.json, scan.csv, figures, and a page that links those of all windows."""
    load_plugins(plugins)
    _collect(folder, workers, Terminal(json, quiet), partial=partial, pages=not pages)


def _folder_of(plan: Path) -> Path:
    return Path("runs") / plan.stem


def _planned(plan: Path, output: Path | None, terminal: Terminal, *, probe: bool) -> TaskFolder:
    from cathode.scans.cost import probe as probed
    from cathode.scans.plan import ScanPlan
    from cathode.scans.scanning import plan_scan

    with terminal.progress() as progress:
        tasks = plan_scan(ScanPlan.read(plan), output or _folder_of(plan), progress=progress)
    if probe:
        terminal.show("One search of every method is done now, to know what one costs (--no-probe leaves it out).")
        probed(tasks)
    return tasks


def _run(
    folder: Path,
    workers: int | None,
    scheduler: str | None,
    retries: int,
    terminal: Terminal,
    *,
    again: bool,
    pages: bool,
) -> None:
    from cathode.scans.scanning import run_scan, tasks_of

    tasks_of(folder)
    by = workforce(workers, scheduler, terminal).started()
    with terminal.progress() as progress:
        ended = run_scan(folder, by, again=again, retries=retries, progress=progress)
    _collect(folder, workers, terminal, partial=True, pages=pages)
    if ended.failures:
        raise typer.Exit(TASKS_FAILED)


def _collect(folder: Path, workers: int | None, terminal: Terminal, *, partial: bool, pages: bool) -> None:
    from analysis.tasks import executor
    from cathode.report.scan import write_scan_report, write_window_pages
    from cathode.scans.scanning import SCAN, TABLE, collect_scan

    found = collect_scan(folder, partial=partial)
    if pages:
        with terminal.progress() as progress:
            write_window_pages(folder, executor(workers), progress=progress)
    page = write_scan_report(found, folder)
    terminal.result({"series": plain(found.summary), "failures": found.failures})
    if not (terminal.json or terminal.quiet):
        from cathode.cli.tables import files, scanned

        places = [("page", page), ("table", folder / TABLE), ("numbers", folder / SCAN)]
        terminal.show(*scanned(found), files(places))


def _show(terminal: Terminal, tasks: TaskFolder, workers: int | None) -> None:
    """What there is to do, and what it costs."""
    import dataclasses

    from analysis.processes import cores
    from cathode.scans.cost import shares

    found = shares(tasks)
    failures = [
        {"key": task.key, "arguments": task.arguments, **failure.to_dict()} for task, failure in tasks.status().failures
    ]
    left = sum(each.seconds_left for each in found)
    total = {name: sum(getattr(each, name) for each in found) for name in ("searches", "done", "failed", "left")}
    rows = [{**dataclasses.asdict(each), "seconds_left": each.seconds_left} for each in found]
    terminal.result(plain({**total, "cpu_seconds_left": left, "shares": rows, "failures": failures}))
    if not (terminal.json or terminal.quiet):
        from cathode.cli.tables import shares_of_scan

        terminal.show(*shares_of_scan(found, workers or cores(), [each["message"] for each in failures]))
