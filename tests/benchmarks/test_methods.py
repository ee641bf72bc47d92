"""The benchmark of all methods: its plans are plans, its parts go together, and its table says what was measured."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from cathode.benchmark.measured import Measured, MeasuredCut
from cathode.benchmark.plan import BenchmarkPlan
from cathode.benchmark.result import Benchmark
from cathode.registry import METHODS

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "methods.py"


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARK.parent)
        yield importlib.import_module(BENCHMARK.stem)


def searched(method: str, strength: float, seed: int, sic: float, passed: bool = True) -> Measured:
    cut = MeasuredCut(110.0, 100.0, 10.0, 3.0, 1.25)
    validation = "passed" if passed else "failed"
    at = {} if math.isnan(sic) else {1e-3: sic - 1}
    return Measured(
        method,
        "w",
        strength,
        seed,
        10,
        10,
        1000,
        0.8,
        sic,
        math.nan,
        at,
        {0.01: cut},
        (0.5, 0.01),
        validation,
        3.0,
        9.0,
    )


def test_every_part_is_a_plan_and_every_method_is_in_it(module: ModuleType, tmp_path: Path) -> None:
    files = module.Files(tmp_path, tmp_path / "samples")
    (tmp_path / "analysis.yaml").write_text(yaml.safe_dump(module.analysis(files)))
    kinds = {}
    for part, plan_of in module.PARTS.items():
        (tmp_path / f"{part}.yaml").write_text(yaml.safe_dump(plan_of(files)))
        plan = BenchmarkPlan.read(tmp_path / f"{part}.yaml")
        kinds[part] = {config.search().method.kind for config in plan.configs().values()}
        assert all(plan.signal(name) for name in plan.signals)
    ours = {kind for kind in METHODS.kinds() if METHODS.resolve(kind).__module__.startswith("cathode.methods.")}
    assert kinds["main"] | kinds["others"] == ours
    assert len(kinds["scan"]) == 6


def test_what_is_simulated_is_what_the_plans_read(module: ModuleType, tmp_path: Path) -> None:
    files = module.Files(tmp_path, tmp_path / "samples")
    read = "".join(yaml.safe_dump(plan_of(files)) for plan_of in module.PARTS.values())
    assert all(files.simulated(name) in read for name in module.SAMPLES)
    assert read.count("/samples/") == sum(read.count(files.simulated(name)) for name in module.SAMPLES)


def test_parts_of_one_signal_are_one_benchmark_with_all_strengths(module: ModuleType) -> None:
    main = Benchmark(tuple(searched("a", 2.2, seed, 9.0 + seed) for seed in (1, 2)), {"broke": 1}, {"torch": "2"}, 1.0)
    scan = Benchmark((searched("a", 0.5, 1, 4.0),), {"broke": 2}, {"torch": "2"}, 3.0)
    found = module.together({"scan": scan, "main": main, "mass": main})
    assert found.strengths == (0.5, 2.2)
    assert found.failures == {"broke": 3}
    assert found.load_average == 3.0
    assert len(found.measured) == 3


def test_a_line_of_the_table_is_a_mean_over_seeds(module: ModuleType) -> None:
    found = Benchmark(
        (searched("a", 2.2, 1, 10.0), searched("a", 2.2, 2, 11.0, passed=False), searched("a", 0.0, 1, math.nan))
    )
    header, _, without, with_signal = module.table(found).splitlines()
    assert header.count("|") == with_signal.count("|") == 9
    assert with_signal == "| a | w | 2.2 | 10.5 ± 0.5 | 9.5 ± 0.5 | 3 | 1 of 2 | 3 |"
    assert without == "| a | w | 0 | – | – | 3 | 1 of 1 | 3 |"
