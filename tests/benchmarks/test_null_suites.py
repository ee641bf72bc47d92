"""The benchmark of null suites: what it makes of experiments that are known, and one experiment for real."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cathode.registry import METHODS

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "null_suites.py"
#: Their expectation is a fit of the spectrum after the cut.
WITHOUT_ESTIMATE = {"cwola", "sa_cwola", "paws"}


OURS = {kind for kind in METHODS.kinds() if METHODS.resolve(kind).__module__.startswith("cathode.methods.")}


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """Imported by its name: tasks are told apart by the source of their module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARK.parent)
        yield importlib.import_module(BENCHMARK.stem)


def experiments(mean: float, width: float, number: int = 400) -> list[dict[str, Any]]:
    """Significances that are normal, those without systematic wider, and three that are none."""
    z = mean + width * np.random.default_rng(1).standard_normal(number)
    known = {"validated": True, "observed": 110.0, "expected": 100.0, "seconds": 3.0, "why": ""}
    none = {**known, "significance": None, "exact": None, "why": "the spectrum turns on"}
    return [*({**known, "significance": float(each), "exact": 2 * float(each)} for each in z), none, none, none]


def test_every_method_with_a_direct_estimate_is_in_it(benchmark: ModuleType) -> None:
    assert set(benchmark.METHODS) == OURS - WITHOUT_ESTIMATE
    for method in ("idealised", "anode", "curtains", "transit"):
        assert benchmark.configured(method).search().method.kind == method


def test_a_row_is_what_the_experiments_are(benchmark: ModuleType) -> None:
    row = benchmark.row(experiments(0.0, 1.0))
    assert (row["experiments"], row["computed"], row["validated"]) == (403, 400, 403)
    assert row["bias"][0] == pytest.approx(0.1)
    assert row["quoted"]["mean"][0] == pytest.approx(0, abs=0.15)
    assert row["quoted"]["width"][0] == pytest.approx(1, abs=0.11)
    assert row["quoted"]["ks_p"] > 0.01
    assert row["quoted"]["below_0.05"][0] == pytest.approx(0.05, abs=0.033)
    # Twice as wide: of N(0, 2), a fifth lies above 1.645.
    assert row["exact"]["ks_p"] < 1e-6
    assert row["exact"]["below_0.05"][0] == pytest.approx(0.205, abs=0.06)
    assert benchmark.row(experiments(1.0, 1.0))["quoted"]["ks_p"] < 1e-6
    assert "quoted" not in benchmark.row(experiments(0.0, 1.0, 10))
    lines = benchmark.table({"idealised": row}).splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:3] == ["idealised", "quoted", "400"]
    assert lines[1].split()[-2:] == ["403", "3.0"]


@pytest.mark.parametrize("number", [400, 10])
def test_the_figure_has_room_for_methods_without_numbers(benchmark: ModuleType, tmp_path: Path, number: int) -> None:
    few = benchmark.row(experiments(0.0, 1.0, 10))
    benchmark.draw({"idealised": benchmark.row(experiments(0.0, 1.0, number)), "salad": few}, tmp_path / "null.png")
    assert (tmp_path / "null.png").stat().st_size > 5_000


def test_what_failed_does_not_stand_in_the_numbers(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder of a world: every experiment fails, and says so beside what is printed for programs."""
    monkeypatch.setattr(benchmark, "prepared", lambda folder: "no world")
    assert benchmark.measured(tmp_path, ["idealised"], 1) == {}
    out, err = capsys.readouterr()
    assert (out, "idealised: " in err) == ("", True)


@pytest.mark.slow
def test_experiments_stay_done_and_are_repeated_by_the_same_number(tmp_path: Path) -> None:
    def run(number: int) -> dict[str, Any]:
        command = [sys.executable, BENCHMARK, "--folder", tmp_path, "--methods", "idealised", "--json"]
        done = subprocess.run(
            [*map(str, command), "--experiments", str(number)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    assert run(2)["idealised"]["experiments"] == 2
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert run(3)["idealised"]["experiments"] == 3
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    assert run(0)["idealised"]["computed"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(OURS - WITHOUT_ESTIMATE))
def test_no_method_claims_what_is_not_there(method: str, tmp_path: Path, benchmark: ModuleType) -> None:
    """Of 100 searches without a signal at most 5 % have p < 0.05, up to three standard deviations (5 to 35 minutes)."""
    row = benchmark.measured(tmp_path, [method], 100)[method]
    assert row["computed"] >= 95
    assert row["quoted"]["below_0.05"][0] <= 0.05 + 3 * 0.022
    assert abs(row["bias"][0]) < 0.1
