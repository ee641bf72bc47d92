"""From the file of a benchmark to its table: every search a task, continued by the same call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from analysis.atomic import write_text
from analysis.outputs import check_output_folder, is_log
from analysis.tasks import RETRIES, Done, Task, TaskFolder, Workers, executor, resume
from cathode.benchmark.measured import METHODS, Measured, measured
from cathode.benchmark.mixing import mixed
from cathode.benchmark.plan import BenchmarkPlan
from cathode.benchmark.result import Benchmark
from cathode.calibration.experiments import failures
from cathode.config import AnalysisConfig
from cathode.errors import CathodeError, ConfigError
from cathode.runtime.lock import alone_in
from cathode.runtime.progress import Progress, each_of
from cathode.runtime.run_folder import versions
from generators.artifact import fingerprint

#: The document that a benchmark ends with.
BENCHMARK = "benchmark.json"


def benchmark(
    plan: BenchmarkPlan, output: Path | str, *, workers: Workers = None, progress: Progress | None = None
) -> Benchmark:
    """Make every search of a plan in `output`, which gets benchmark.json; more methods, strengths or seeds are added.

    Raises
    ------
    ConfigError
        As `BenchmarkPlan.configs`.
    OutputError
        If the folder can not be written, or holds something else.
    RunFolderError
        If another process writes there.
    InjectionError
        If the data hold a signal, or there are too few events of one; before anything is trained.
    CathodeError
        If no search could be done.
    """
    folder, configs = Path(output), plan.configs()
    known = (folder / "searches").is_dir()
    inputs: list[str | Path] = [name for config in configs.values() for name in config.inputs()]
    inputs += [name for signal in plan.signals for name in plan.signal(signal).inputs()]
    inputs += [] if plan.source is None else [plan.source]
    check_output_folder(folder, inputs=inputs, ours=None if known else is_log)
    with alone_in(folder):
        prints = _tried(plan, configs, progress)
        for name, config in configs.items():
            write_text(folder / METHODS / f"{name}.yaml", config.to_yaml())
        tasks = TaskFolder.planned(folder / "searches", _tasks(plan, configs, folder, prints))
        _run(tasks, workers, progress)
        found = Benchmark(
            measured=_in_order(plan, list(tasks.finished())),
            failures=failures(tasks),
            versions=versions(),
            load_average=os.getloadavg()[0],
        )
        if not found.measured:
            raise CathodeError(f"No search of the benchmark could be done: {next(iter(found.failures), 'unknown')}")
        found.write(folder / BENCHMARK)
    return found


def _tried(plan: BenchmarkPlan, configs: dict[str, AnalysisConfig], progress: Progress | None) -> dict[str, str]:
    """A fingerprint of data and signal by signal; that there is enough of each is found out here."""
    config = next(iter(configs.values()))
    data, region = config.read_events(progress), config.search().region
    prints = {}
    for name in plan.signals:
        reading = plan.signal(name)
        pool = reading.read_events(progress)
        if reading.data.features != config.data.features:
            raise ConfigError(f"signals.{name} has other features than the data.")
        mixed(data, pool, region, max(plan.strengths), inside_only=not plan.signal_in_sidebands, seed=0)
        prints[name] = fingerprint(data.x, data.mass, data.weights, pool.x, pool.mass)
    return prints


def _tasks(plan: BenchmarkPlan, configs: dict[str, AnalysisConfig], folder: Path, prints: dict[str, str]) -> list[Task]:
    every = {"folder": str(folder.resolve()), "inside_only": not plan.signal_in_sidebands}
    reading = {name: _resolved(plan, name) for name in plan.signals}
    # Without a signal it does not matter which one.
    nothing = next(iter(plan.signals))
    return [
        Task.of(
            measured,
            fingerprint=f"{prints[signal]}/{sha256(configs[method].to_yaml().encode()).hexdigest()}",
            method=method,
            signal=signal,
            overrides=reading[signal],
            strength=strength,
            seed=seed,
            **every,
        )
        for seed in plan.seeds
        for strength in plan.strengths
        for signal in plan.signals
        for method in configs
        if strength > 0 or signal == nothing
    ]


def _resolved(plan: BenchmarkPlan, signal: str) -> dict[str, Any]:
    """What a signal changes, with places of files that do not depend on where the analysis lies."""
    data = plan.signal(signal).data.model_dump(mode="json")
    changed = {path.split(".")[1] for path in plan.signals[signal]}
    return {f"data.{key}": data[key] for key in sorted(changed)}


def _run(tasks: TaskFolder, workers: Workers, progress: Progress | None) -> None:
    finished = each_of(progress, "benchmark", len(tasks.tasks))
    resume(tasks, executor(workers), retries=RETRIES, finished=finished)


def _in_order(plan: BenchmarkPlan, done: Sequence[Done]) -> tuple[Measured, ...]:
    methods, signals = list(plan.methods), list(plan.signals)
    found = [Measured.from_dict(each.result) for each in done]
    return tuple(sorted(found, key=lambda e: (methods.index(e.method), signals.index(e.signal), e.strength, e.seed)))
