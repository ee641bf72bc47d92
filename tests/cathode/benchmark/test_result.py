"""What a benchmark shows of itself."""

from __future__ import annotations

import math

from cathode.benchmark.measured import Measured, MeasuredCut
from cathode.benchmark.result import Benchmark, Mean


def searched(strength: float, seed: int) -> Measured:
    cut = MeasuredCut(110.0, 100.0, 10.0, 2.0 + seed, 1.25)
    sic = 4.0 + seed if strength else math.nan
    return Measured(
        "<m>", "w", strength, seed, 0, 0, 0, 0.5, sic, math.nan, {}, {0.01: cut}, (0.5, 0.01), "passed", 3, 9
    )


def test_a_notebook_shows_the_means_of_every_method() -> None:
    found = Benchmark((searched(0.0, 0), searched(2.0, 0), searched(2.0, 2)))
    assert repr(found) == "<Benchmark: 3 searches by <m>>"
    shown = found._repr_html_()
    assert "<th>max SIC, S/√B 2</th><th>Z at 0.01</th>" in shown
    assert "<td>&lt;m&gt;</td><td>5 ± 1</td><td>3 ± 1</td><td>0.1</td><td>0.5</td><td>3</td>" in shown


def test_a_benchmark_in_which_everything_failed_is_shown() -> None:
    found = Benchmark((), failures={"no": 3})
    assert repr(found) == "<Benchmark: 0 searches by no method>"
    assert "no method" in found._repr_html_()


def test_a_mean_has_all_digits_before_the_point() -> None:
    assert str(Mean(1150.4, 23.0, 3)) == "1,150 ± 23"
    assert str(Mean(38.34, 0.26, 3)) == "38.3 ± 0.3"
    assert str(Mean(-0.0123, 0.01, 2)) == "−0.0123 ± 0.01"
    assert str(Mean(2.0, math.nan, 1)) == "2"
