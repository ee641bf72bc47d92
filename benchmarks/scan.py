"""A scan done serially, by two Dask workers, and by workers that are killed at random; and the memory of many searches.

    OMP_NUM_THREADS=1 python benchmarks/scan.py [--windows 9] [--folds 5] [--seeds 3] [--small 1000] [--json]

The dijets that come with the package, one of `--of`: windows × folds × seeds by a template of mixed sideband events and
the trees of the cheap configuration, without validation. `identical` says whether the three tables are equal byte by
byte. The killed scan is a process with two workers that gets SIGKILL after some searches, and then two Dask workers, of
which a random one is killed after each fifth search on average.

`overhead` is what CPU time the runner takes over that of the searches: the larger of the serial one (everything in
run_scan that is no search) and of what the scheduler of Dask costs. What workers need to start is `start_cpu_s`.
`memory_slope_mb_per_100` is the slope of the resident memory of one process over small searches of toy events, after
the first tenth.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PLAN = """
analysis: embedded:cheap
set:
  data.selection: nFatJet >= 2 and event % {of} == 0 and isSignal == 0
  region.sidebands: [2300, null]
  template.generator: event_mixing
  validation.closure: false
  folds: {folds}
windows: {{low: 2700, high: {high}, width: 400, step: 0.5}}
seeds: {seeds}
pages: false
"""
SMALL = """
data:
  files: events.parquet
  mass: m
  features: {x: x, y: y}
  identifiers: entry
  auxiliary: {background: other.parquet}
region: {signal: [3300, 3700], sidebands: [2300, 5300]}
method: idealised
mass_model: {kind: kde}
classifier: {kind: boosted_trees, members: 1, max_iter: 3}
background_efficiencies: [0.05]
folds: 2
validation: {closure: false}
threads: 1
"""
#: Share of the finished searches after which a worker is killed.
KILLED = 0.2


def cpu_seconds() -> tuple[float, float]:
    """Of this process, and of its children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


def spent(folder: Path) -> tuple[float, float]:
    """CPU seconds and seconds of all searches."""
    costs = [json.loads(path.read_text()) for path in folder.glob("searches/done/[!.]*/cost.json")]
    return sum(each["cpu_s"] for each in costs), sum(each["wall_s"] for each in costs)


def serial(plan: Path, folder: Path) -> dict[str, float]:
    """One process."""
    from analysis.tasks import executor
    from cathode.scans.plan import ScanPlan
    from cathode.scans.scanning import collect_scan, plan_scan, run_scan

    tasks = plan_scan(ScanPlan.read(plan), folder)
    begun, start = cpu_seconds()[0], time.perf_counter()
    run_scan(folder, executor(1))
    cpu, wall = cpu_seconds()[0] - begun, time.perf_counter() - start
    collect_scan(folder)
    searches_cpu, searches_wall = spent(folder)
    return {
        "searches": len(tasks.tasks),
        "searches_cpu_s": searches_cpu,
        "overhead": cpu / searches_cpu - 1,
        "overhead_of_wall": wall / searches_wall - 1,
    }


def on_dask(plan: Path, folder: Path) -> dict[str, float]:
    """Two workers of a real scheduler on this machine."""
    from analysis.tasks import executor
    from cathode.scans.plan import ScanPlan
    from cathode.scans.scanning import collect_scan, plan_scan, run_scan

    plan_scan(ScanPlan.read(plan), folder)
    own, children = cpu_seconds()
    run_scan(folder, executor(2, scheduler="dask"))
    ended_own, ended_children = cpu_seconds()
    collect_scan(folder)
    searches = spent(folder)[0]
    return {
        "overhead": (ended_own - own) / searches,
        "start_cpu_s": ended_children - children - searches,
        "searches_cpu_s": searches,
    }


def killed(plan: Path, folder: Path, *, seed: int) -> dict[str, int]:
    """A process that is killed with its workers, and then Dask workers that are killed at random."""
    from analysis.tasks import resume
    from analysis.tasks.dask import DaskCluster, dask_executor
    from cathode.scans.plan import ScanPlan
    from cathode.scans.scanning import collect_scan, plan_scan

    tasks = plan_scan(ScanPlan.read(plan), folder)
    some = max(1, round(KILLED * len(tasks.tasks)))
    command = [sys.executable, "-m", "cathode", "scan", "run", str(folder), "-w", "2", "--no-pages", "--quiet"]
    with subprocess.Popen(command) as running:
        while running.poll() is None and tasks.status().done < some:
            time.sleep(0.1)
        running.send_signal(signal.SIGKILL)
    before = tasks.status().done
    rng, deaths = random.Random(seed), 0
    by: DaskCluster = dask_executor("dask", 2)

    def maybe_kill(*_: object) -> None:
        nonlocal deaths
        if rng.random() < KILLED:
            pids = by._client.run(os.getpid, on_error="ignore")
            if pids:
                os.kill(rng.choice(sorted(pids.values())), signal.SIGKILL)
                deaths += 1

    status = resume(tasks, by, finished=maybe_kill)
    collect_scan(folder)
    return {"done_before_the_kill": before, "workers_killed": deaths, "failed": len(status.failures)}


def memory(number: int, folder: Path) -> dict[str, float]:
    """Resident memory of this process over so many searches of toy events."""
    import psutil
    import pyarrow as pa
    import pyarrow.parquet as pq

    from analysis.tasks import executor, run
    from cathode.scans.plan import ScanPlan
    from cathode.scans.scanning import plan_scan
    from cathode.testing.toy import toy_events

    for name, seed in (("events", 3), ("other", 4)):
        events = toy_events(6_000, seed=seed)
        columns = {"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1]}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    (folder / "analysis.yaml").write_text(SMALL)
    seeds = list(range(max(1, number // 10)))
    text = f"analysis: analysis.yaml\nwindows: {{low: 2700, high: 4000, width: 400, step: 0.25}}\nseeds: {seeds}\n"
    plan = ScanPlan.parsed(text + "pages: false", name="small", folder=folder)
    process, seen = psutil.Process(), []
    tasks = plan_scan(plan, folder / "scan")
    status = run(tasks, executor(1), finished=lambda *_: seen.append(process.memory_info().rss / 1e6))
    if status.failures:
        raise SystemExit(f"{len(status.failures)} searches failed: {status.failures[0][1].message}")
    kept = np.array(seen[len(seen) // 10 :])
    slope, cov = np.polyfit(np.arange(len(kept)), kept, 1, cov=True)
    return {
        "searches": status.done,
        "first_mb": float(kept[0]),
        "last_mb": float(kept[-1]),
        "slope": float(100 * slope[0]),
        "slope_error": float(100 * cov[0, 0] ** 0.5),
        "cpu_s": spent(folder / "scan")[0],
    }


def watched(small: int) -> Any:
    """`memory` in a process of its own."""
    command = [sys.executable, __file__, "--memory", str(small)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def measured(windows: int, folds: int, seeds: int, small: int, of: int) -> dict[str, Any]:
    """Everything; without `small` not the memory."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        plan = place / "scan.yaml"
        high = 3100 + 200 * (windows - 1)
        plan.write_text(PLAN.format(of=of, folds=folds, high=high, seeds=list(range(1, seeds + 1))))
        found: dict[str, Any] = {
            "serial": serial(plan, place / "serial"),
            "dask": on_dask(plan, place / "dask"),
            "killed": killed(plan, place / "killed", seed=1),
        }
        tables = [
            [(place / name / file).read_bytes() for file in ("scan.csv", "scan.json")]
            for name in ("serial", "dask", "killed")
        ]
        found["bytes"] = len(tables[0][0])
        found["scan"] = json.loads(tables[0][1])["summary"]
    found["memory"] = watched(small) if small else None
    return {
        "identical": tables[0] == tables[1] == tables[2],
        "overhead": max(found["serial"]["overhead"], found["dask"]["overhead"]),
        "memory_slope_mb_per_100": found["memory"]["slope"] if small else None,
        **found,
        "windows": windows,
        "folds": folds,
        "seeds": seeds,
        "seconds": time.perf_counter() - begun,
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=9)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--small", type=int, default=1_000, help="searches over which the memory is watched, 0 for none"
    )
    parser.add_argument("--of", type=int, default=4, help="one event of so many is searched")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    if options.memory is not None:
        with tempfile.TemporaryDirectory() as temporary:
            print(json.dumps(memory(options.memory, Path(temporary))))
        return
    found = measured(options.windows, options.folds, options.seeds, options.small, options.of)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"tables of the three scans identical: {found['identical']} ({found['bytes']:,} bytes of CSV)")
    print(f"killed: {found['killed']}")
    print(f"overhead: serial {found['serial']['overhead']:.2%}, Dask {found['dask']['overhead']:.2%} of the searches")
    if options.small:
        slope, error = found["memory"]["slope"], found["memory"]["slope_error"]
        print(f"memory: {slope:+.3f} ± {error:.3f} MB per 100 of {found['memory']['searches']} searches")


if __name__ == "__main__":
    main()
