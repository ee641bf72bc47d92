"""The benchmark of statistics: its keys, on experiments whose truth is known, and the module that it hides."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.tasks import Task, TaskFolder
from cathode.injection.experiments import CutFound, Injection, collected
from tests.benchmarks.test_calibration import experiments

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def summary(*options: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "statistics.py", *map(str, options), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def injections(folder: Path, strengths: tuple[int, ...], repeats: int) -> None:
    """41 of 100 injected events pass beside 100 ± 10 of background, and one of them is among the expected ones."""
    rng = np.random.default_rng(3)
    tasks = [Task("no.module:f", {"number": n, "repeat": k}, "code") for k in range(repeats) for n in strengths]
    planned = TaskFolder.planned(folder / "searches", tasks)
    for each in tasks:
        number, repeat = int(each.arguments["number"]), int(each.arguments["repeat"])
        passing = rng.poisson(0.41 * number)
        expected = 100 + 0.01 * number + 10 * rng.standard_normal()
        cut = CutFound(float(rng.poisson(100) + passing), expected, 10.0, 0.0, float(passing))
        with planned.writing(each) as place:
            planned.write_result(place, Injection(number, repeat, number, 1e4, (1e4, 100.0), {0.01: cut}).to_dict())


@pytest.mark.slow
def test_of_known_experiments_it_finds_what_they_are(tmp_path: Path) -> None:
    experiments(tmp_path / "null", 60)
    injections(tmp_path / "injected", (50, 100, 200), 60)
    found = summary("--toys", 40, "--null", tmp_path / "null", "--folder", tmp_path / "injected")
    assert found["null_experiments"] == 60
    assert found["null_ks_p_uncorrected"] < 1e-3 < found["null_ks_p"]
    retrained = found["coverage"]["retrained"]
    assert [retrained[n]["toys"] for n in ("50", "100", "200")] == [60, 60, 60]
    # Counts are right, so limits of 95 % cover; CLs at a small strength more often.
    for strength in ("50", "100", "200"):
        value, error = retrained[strength]["clsb"]
        assert abs(value - 0.95) < 4 * max(error, 0.02)
        assert retrained[strength]["cls"][0] >= value
    for made in ("counting", "spectrum"):
        assert found["coverage"][made]["1"]["cls"][0] > 0.9
        assert 0.4 < found["bands"][made]["1 sigma"][0] < 0.95
    assert found["bands"]["retrained"]["toys"] == 60
    assert found["global_ks_p"]["spectrum"] > 1e-4
    assert abs(found["pull_mean"][0]) < 5 * found["pull_mean"][1]
    assert abs(found["pull_width"][0] - 1) < 5 * found["pull_width"][1]
    assert abs(found["spurious_sigma"][0]) < 0.3 + 5 * found["spurious_sigma"][1]
    if found["pyhf"] is not None:
        assert found["pyhf"] < 1e-3


def test_what_is_kept_of_searches_is_read_again(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("benchmark_of_statistics", BENCHMARKS / "statistics.py")
    assert spec is not None
    assert spec.loader is not None
    statistics = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(statistics)
    injections(tmp_path / "injected", (50, 100), 3)
    found = collected([*TaskFolder(tmp_path / "injected" / "searches").finished()])
    none = replace(found[0], injected=0)
    statistics.keep(tmp_path / "kept.json", [none, *found])
    again = statistics.stored(tmp_path / "kept.json")
    assert [each.injected for each in again] == [0, 50, 50, 50, 100, 100, 100]
    for one, other in zip(again[1:], found, strict=True):
        assert one.beyond(0.01) == other.beyond(0.01)
        assert one.cuts[0.01].expected == pytest.approx(other.cuts[0.01].expected, abs=1e-4)
    significances, models = statistics.without_signal(again)
    assert significances.tolist() == [none.cuts[0.01].significance]
    assert models[0].observed == none.cuts[0.01].observed


def test_what_stands_beside_it_imports_the_module_of_python() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import statistics; print(statistics.mean([1, 3]))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=BENCHMARKS,
    )
    assert done.stdout.strip() == "2"
