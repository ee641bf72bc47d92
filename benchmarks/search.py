"""What a default search costs, stage by stage, and how that grows with events and with features.

    OMP_NUM_THREADS=1 python benchmarks/search.py FOLDER
    OMP_NUM_THREADS=1 python benchmarks/search.py FOLDER --events 476000 --features 4 --json

Every size is a search of its own in a process of its own with one thread: window 3300-3700 GeV, sidebands from 2300
GeV, everything else as it comes, and the report. Events are the first of `qcd.root`; features beyond the four of dijets
are normal numbers that say nothing. CPU seconds are charged to the stage that next says where it stands. `exponents`
are the powers of the number of events with which CPU seconds and memory grow from the smallest to the largest size, and
the same for features. `config_check_cpu_s` is the median of what `cathode config check` of the demo takes, data
included, in several processes of their own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

EVENTS = (25_000, 100_000, 476_000)
FEATURES = (4, 8, 16)
#: Beginnings of the names of stages -> what they are called in the table.
STAGES = {
    "read": "read",
    "validation": "validation",
    "classifier": "classifier",
    "template": "template",
    "evaluation": "evaluation",
    "report": "report",
}


class CpuByStage:
    """A `Progress` that keeps CPU seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        """Charge what was used since the last call."""
        now = time.process_time()
        name = next((shown for start, shown in STAGES.items() if stage.startswith(start)), stage)
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


def searched(folder: Path, events: int, features: int) -> dict[str, Any]:
    """One search in this process."""
    from analysis import DIJET_FEATURES, DIJET_MASS, Events, read_events
    from cathode import Region, Search
    from cathode.report import write_report

    begun = time.process_time()
    cpu = CpuByStage()
    whole = read_events(folder / "qcd.root", mass=DIJET_MASS, features=DIJET_FEATURES)[slice(events)]
    extra = np.random.default_rng(1).normal(size=(len(whole), features - 4))
    columns = (*whole.columns, *(f"noise{number}" for number in range(features - 4)))
    data = Events(np.column_stack([whole.x, extra]), whole.mass, columns, weights=whole.weights, ids=whole.ids)
    cpu("read", 1, 1)
    search = Search.of(region=Region(3300, 3700, sideband_low=2300), seed=1, workers=1)
    with tempfile.TemporaryDirectory() as temporary:
        search.run(data, output=Path(temporary) / "run", progress=cpu)
        write_report(Path(temporary) / "run", progress=cpu)
    return {
        "events": len(data),
        "features": features,
        "cpu_s": time.process_time() - begun,
        "by_stage": cpu.seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_a_process(folder: Path, events: int, features: int) -> dict[str, Any]:
    """The same in a process of its own, so that memory is that of one search."""
    command = [sys.executable, __file__, str(folder), "--one", "--events", str(events), "--features", str(features)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def config_check(folder: str, times: int = 5) -> float:
    """Median of the CPU seconds of a look at an analysis file, the first of which may have to compile its modules."""
    from cathode.config import embedded_text

    path = Path(folder) / "demo.yaml"
    path.write_text(embedded_text("demo"), encoding="utf-8")
    command = [sys.executable, "-m", "cathode", "config", "check", str(path), "--quiet"]
    seconds = []
    for _ in range(1 + times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return float(np.median(seconds[1:]))


def exponents(rows: list[dict[str, Any]], size: str) -> dict[str, float]:
    """Powers of a size with which CPU seconds and memory grow; of nothing else that changes."""
    ends = min(rows, key=lambda row: row[size]), max(rows, key=lambda row: row[size])
    if ends[0][size] == ends[1][size]:
        return {}
    ratio = math.log(ends[1][size] / ends[0][size])
    return {name: math.log(ends[1][name] / ends[0][name]) / ratio for name in ("cpu_s", "peak_mb")}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, nargs="+", default=EVENTS, help="with four features")
    parser.add_argument("--features", type=int, nargs="+", default=FEATURES, help="with the second number of events")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(searched(arguments.folder, arguments.events[0], arguments.features[0])))
        return
    by_events = [in_a_process(arguments.folder, events, 4) for events in arguments.events]
    middle = by_events[min(1, len(by_events) - 1)]
    more = [features for features in arguments.features if features != 4]
    others = [in_a_process(arguments.folder, middle["events"], features) for features in more]
    by_features = [middle, *others]
    largest = max(by_events, key=lambda row: row["events"])
    with tempfile.TemporaryDirectory() as temporary:
        looked_at = config_check(temporary)
    result = {
        "searches": [*by_events, *others],
        "exponents": {"events": exponents(by_events, "events"), "features": exponents(by_features, "features")},
        "search_cpu_s_476k": largest["cpu_s"] if largest["events"] > 450_000 else None,
        "report_cpu_s": largest["by_stage"].get("report"),
        "config_check_cpu_s": looked_at,
        "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        "load_average": os.getloadavg()[0],
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "numpy", "scikit-learn", "numba")},
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(", ".join(f"{name} {each}" for name, each in result["versions"].items()))
    stages = list(dict.fromkeys(stage for row in result["searches"] for stage in row["by_stage"]))
    print(f"{'events':>8}{'features':>10}{'CPU s':>8}{'MB':>7}" + "".join(f"{stage:>13}" for stage in stages))
    for row in result["searches"]:
        parts = "".join(f"{row['by_stage'].get(stage, 0.0):>13.1f}" for stage in stages)
        print(f"{row['events']:>8,}{row['features']:>10}{row['cpu_s']:>8.1f}{row['peak_mb']:>7.0f}{parts}")
    print(f"config check: {result['config_check_cpu_s']:.2f} CPU s")
    for size, powers in result["exponents"].items():
        print(f"with {size}: " + ", ".join(f"{name} ^ {power:.2f}" for name, power in powers.items()))


if __name__ == "__main__":
    main()
