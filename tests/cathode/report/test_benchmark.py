"""The page of a benchmark says what was measured, and what was not."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from typer.testing import CliRunner

from analysis.metrics.sic_and_auc import FLOOR
from cathode.benchmark.measured import Measured, MeasuredCut
from cathode.benchmark.result import Benchmark
from cathode.cli.app import app
from cathode.report.benchmark import COLUMNS, figures, reach, rows, validated, write_benchmark_report


def searched(method: str, strength: float, seed: int, z: float) -> Measured:
    cut = MeasuredCut(110.0, 100.0, 10.0, z, 1.25)
    sic = math.nan if strength == 0 else 4.0 + seed
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
        {},
        {0.01: cut},
        (0.5, 0.01),
        "passed",
        3.0,
        900.0,
    )


def test_means_have_errors_and_what_was_not_measured_is_a_dash(tmp_path: Path) -> None:
    several = tuple(searched("<b>", s, seed, 3.0 * s) for s in (0.0, 2.0) for seed in (1, 2))
    found = Benchmark((*several, searched("two", 0.0, 1, 0.0)), failures={"it <broke>": 3})
    titles = [title for title, _, _ in COLUMNS]
    table = {name: dict(zip(titles, cells, strict=True)) for name, cells in rows(found)}
    assert table["<b>"]["max SIC"] == "5.5 ± 0.5"
    assert table["<b>"]["bias"] == "0.1"
    assert table["two"]["max SIC"] == "–"
    assert table["two"]["bias"] == "0.1"
    assert reach(found) == [("<b>", ["1.67"]), ("two", ["not reached"])]
    assert validated(found) == [("<b>", "4 of 4"), ("two", "1 of 1")]
    page = write_benchmark_report(found, tmp_path).read_text(encoding="utf-8")
    assert "3 × it &lt;broke&gt;" in page
    assert "<b>" not in page
    assert page.count("<img") == len(list((tmp_path / "figures").glob("*.png"))) == 7


def test_curves_follow_strength_and_cut_and_are_of_few_methods_each() -> None:
    tight = MeasuredCut(20.0, 10.0, 3.0, 2.0, 3.5)
    several = tuple(
        dataclasses.replace(
            searched(f"m{number}", strength, seed, 3.0),
            sic={} if strength == 0 else {0.01: 4.0 + seed, 1e-3: 9.0 + seed},
            cuts={0.01: MeasuredCut(110.0, 100.0, 10.0, 3.0, 1.25), 1e-3: tight},
        )
        for number in range(9)
        for strength in (0.0, 2.0)
        for seed in (1, 2)
    )
    drawn = {name: figure.axes[0] for name, _, figure in figures(Benchmark(several))}
    assert {"benchmark_sic_w", "benchmark_sic_w_1", "benchmark_cuts_w_1", "benchmark_sculpting_1"} <= drawn.keys()
    first, last = (drawn[name].get_legend().get_texts() for name in ("benchmark_cuts_w", "benchmark_cuts_w_1"))
    assert [text.get_text() for text in (*first, *last)] == [f"m{number}" for number in range(9)]
    curve = drawn["benchmark_cuts_w"].get_lines()[2]
    assert curve.get_xydata().tolist() == [[1e-3, 10.5], [0.01, 5.5]]
    assert drawn["benchmark_cuts_w"].get_lines()[1].get_xdata()[0] == FLOOR / 1000
    assert drawn["benchmark_sculpting"].get_lines()[1].get_ydata().tolist() == [3.5, 1.25]
    assert drawn["benchmark_sic_at_1e-3_w"].get_lines()[1].get_ydata()[-1] == 10.5


def test_the_verb_names_a_file_that_is_not_there_and_writes_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["benchmark", str(tmp_path / "none.yaml"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "none.yaml: can not be read" in done.output
    assert not (tmp_path / "out").exists()
