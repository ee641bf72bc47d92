"""`cathode benchmark`: the same data for all methods, continued, and what comes out of a signal that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from analysis.errors import EmptySelectionError
from cathode.benchmark.benchmarking import benchmark
from cathode.benchmark.plan import BenchmarkPlan
from cathode.benchmark.result import Benchmark
from cathode.cli.app import app
from cathode.config import embedded_text
from cathode.errors import ConfigError, InjectionError

from ..toys import toy_events

ANALYSIS = """
data:
  files: events.parquet
  selection: s == 0
  mass: m
  features: {x: x, y: y}
  identifiers: entry
  truth: s
region: {signal: [3300, 3700], sidebands: [2300, 5300]}
mass_model: {kind: kde}
template:
  generator: {kind: gaussian_mixture, components: 1, hidden: 8, layers: 1, training: {steps: 60, learning_rate: 0.03}}
  oversampling: 2
classifier: {kind: boosted_trees, members: 2, max_iter: 8}
background_efficiencies: [0.05]
folds: 2
validation: {members: 1, generators: 1}
threads: 1
"""
PLAN = """
analysis: analysis.yaml
methods:
  cathode: {}
  idealised: {method: idealised, template: {}, data.auxiliary: {background: other.parquet}}
signals:
  bump: {data.selection: s == 1}
strengths: [0, 8]
seeds: [1]
signal_in_sidebands: false
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Data with a signal in the file that the selection leaves out, and independent background."""
    for name, signal, seed in (("events", 3_000, 3), ("other", 0, 4)):
        events = toy_events(8_000, signal=signal, seed=seed, truth=True)
        assert events.truth is not None
        columns = {"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1], "s": events.truth}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    (tmp_path / "analysis.yaml").write_text(ANALYSIS)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path / "plan.yaml"


def test_methods_see_the_same_data_and_a_signal_is_found_where_it_is(plan: Path) -> None:
    output = plan.parent / "out"
    done = CliRunner().invoke(app, ["benchmark", str(plan), "-w", "1", "-o", str(output), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    found = Benchmark.read(output / "benchmark.json")
    assert found.failures == {}
    assert [(each.method, each.strength) for each in found.measured] == [
        ("cathode", 0.0),
        ("cathode", 8.0),
        ("idealised", 0.0),
        ("idealised", 8.0),
    ]
    assert set(said["methods"]) == {"cathode", "idealised"}
    one, other = (found.of(method, strength=8.0)[0] for method in found.methods)
    none = found.of("cathode", strength=0.0)[0]
    assert (one.injected, one.inside, one.events) == (other.injected, other.inside, other.events)
    assert one.injected == one.inside == one.events - none.events == round(8 * none.events**0.5)
    assert min(one.max_sic, other.max_sic) > 1.5
    assert all(each.cuts[0.05].observed > 3 * each.cuts[0.05].expected for each in (one, other))
    assert abs(none.cuts[0.05].significance) < 3
    assert said["cathode_over_idealised"] == pytest.approx(one.max_sic / other.max_sic)
    page = (output / "benchmark.html").read_text(encoding="utf-8")
    assert "idealised" in page
    assert page.count("<img") == len(list((output / "figures").glob("*.png"))) >= 4
    # The sidebands are the same, so they are learned once; and another seed adds searches to those that are done.
    kept = {path: path.stat().st_mtime_ns for path in (output / "searches" / "done").glob("*/result.json")}
    (plan.parent / "plan.yaml").write_text(PLAN.replace("seeds: [1]", "seeds: [1, 2]"))
    more = benchmark(BenchmarkPlan.read(plan), output, workers=1)
    assert len(more.measured) == 8
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    first, second = (more.of("idealised", strength=8.0)[seed] for seed in (0, 1))
    assert (first.seed, second.seed) == (1, 2)
    assert first.injected == second.injected
    assert first.max_sic != second.max_sic


def test_stages_that_do_not_depend_on_the_signal_are_trained_once(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from generators.base import NetworkGenerator

    learned = []
    original = NetworkGenerator.fit

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        learned.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(NetworkGenerator, "fit", counted)
    # A signal that is as wide as the background.
    text = PLAN.replace("bump: {data.selection: s == 1}", "wide: {data.files: other.parquet}")
    text = text.replace("  idealised", "  # idealised").replace("strengths: [0, 8]", "strengths: [0, 4, 8]")
    benchmark(BenchmarkPlan.parsed(text, name="plan", folder=plan.parent), plan.parent / "once", workers=1)
    once = len(learned)
    learned.clear()
    text = text.replace("signal_in_sidebands: false", "signal_in_sidebands: true")
    benchmark(BenchmarkPlan.parsed(text, name="plan", folder=plan.parent), plan.parent / "thrice", workers=1)
    assert len(learned) == 3 * once > 0


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("cathode: {}", "cathode: {clasifier.members: 3}", ConfigError, r"methods\.cathode: .*clasifier"),
        ("cathode: {}", "cathode: {method: cwola}", ConfigError, r"methods\.cathode: template\.generator"),
        ("cathode: {}", "cathode: {'region.signal': [3000, 3200]}", ConfigError, r"methods\.idealised .*region"),
        ("bump: {data.selection: s == 1}", "bump: {seed: 2}", ConfigError, r"bump changes seed"),
        ("bump: {data.selection: s == 1}", "bump: {data.selection: s == 7}", EmptySelectionError, "s == 7"),
        ("strengths: [0, 8]", "strengths: [0, 900]", InjectionError, "signal events asked for"),
        ("strengths: [0, 8]", "strengths: [0, 8, 8]", ConfigError, "names one twice"),
        ("  bump:", "  a/b:", ConfigError, r"a/b"),
        ("analysis: analysis.yaml", "analysis: nothing.yaml", ConfigError, r"nothing\.yaml"),
        ("analysis: analysis.yaml", "analyses: analysis.yaml", ConfigError, "analysis"),
    ],
)
def test_what_can_not_be_compared_is_named_before_anything_is_trained(
    plan: Path, old: str, new: str, error: type[Exception], words: str
) -> None:
    assert old in PLAN
    text = PLAN.replace(old, new)
    with pytest.raises(error, match=words):
        benchmark(BenchmarkPlan.parsed(text, name="plan", folder=plan.parent), plan.parent / "out", workers=1)
    assert not (plan.parent / "out" / "searches").exists()


def test_the_file_that_comes_with_the_package_is_a_plan_whose_methods_are_in_order() -> None:
    plan = BenchmarkPlan.parsed(embedded_text("benchmark"), name="benchmark.yaml")
    assert set(plan.configs()) == {"cathode", "cwola", "lacathode", "cathode+noise"}
    assert "isSignal == 1" in str(plan.signal("wprime").data.selection)


def test_a_signal_among_the_data_is_refused(plan: Path) -> None:
    text = PLAN.replace("methods:", "set: {data.selection: null}\nmethods:")
    with pytest.raises(InjectionError, match="labelled as signal"):
        benchmark(BenchmarkPlan.parsed(text, name="plan", folder=plan.parent), plan.parent / "out", workers=1)


def test_reach_is_where_the_significance_crosses_five() -> None:
    from cathode.benchmark.measured import Measured, MeasuredCut

    def searched(strength: float, z: float) -> Measured:
        cut = MeasuredCut(1.0, 1.0, 1.0, z, np.nan)
        return Measured("m", "s", strength, 1, 0, 0, 0, 0, 0, 0, {}, {0.01: cut}, (0.5, 0.1), "passed", 1, 1)

    found = Benchmark((searched(0, 0.0), searched(2, 4.0), searched(4, 8.0)))
    assert found.reach("m", "s", 0.01) == pytest.approx(2.5)
    assert Benchmark((searched(0, 0.0), searched(2, 4.0))).reach("m", "s", 0.01) is None
    assert Benchmark((searched(1, 6.0),)).reach("m", "s", 0.01) == 1
    again = Benchmark.from_json(found.to_json())
    assert [each.cuts[0.01].significance for each in again.measured] == [0.0, 4.0, 8.0]
