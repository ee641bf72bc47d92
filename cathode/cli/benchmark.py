"""`cathode benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cathode.cli.options import Json, Output, Plugins, Quiet, load_plugins
from cathode.cli.terminal import Terminal
from cathode.cli.workers import Scheduler, Workers, workforce


def benchmark(
    plan: Annotated[Path, typer.Argument(metavar="FILE", help="Methods, signals, strengths and seeds, as YAML.")],
    workers: Workers = None,
    scheduler: Scheduler = None,
    output: Output = None,
    plugins: Plugins = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare methods: the same data and signals, several strengths and seeds, everything trained again."""
    from cathode.benchmark.benchmarking import benchmark as benchmarked
    from cathode.benchmark.plan import BenchmarkPlan
    from cathode.report.benchmark import write_benchmark_report

    load_plugins(plugins)
    folder = output or Path("runs") / plan.stem
    terminal = Terminal(json, quiet)
    with terminal.progress() as progress:
        by = workforce(workers, scheduler, terminal)
        found = benchmarked(BenchmarkPlan.read(plan), folder, workers=by, progress=progress)
    page = write_benchmark_report(found, folder)
    terminal.result(found.summary())
    if not (json or quiet):
        from cathode.cli.tables import benchmarked as shown
        from cathode.cli.tables import files

        terminal.show(*shown(found), files([("page", page), ("numbers", folder / "benchmark.json")]))
