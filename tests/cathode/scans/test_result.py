"""What a scan says follows from its searches, by hand."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import pytest
from scipy import stats

from cathode.scans.limits import signal_limits, window_limits
from cathode.scans.measured import Asked, WindowCut, WindowSearch
from cathode.scans.result import Scan

WINDOWS = tuple((1000.0 + 100 * number, 1100.0 + 100 * number) for number in range(4))


def searched(
    window: int,
    z: float,
    *,
    seed: int = 1,
    injected: int = 0,
    experiment: int = 0,
    obstacle: str = "",
    passing: float = 0,
) -> WindowSearch:
    signal = "s" if injected else ""
    asked = Asked("m", *WINDOWS[window], seed, signal, injected, experiment)
    cut = WindowCut(110.0, 100.0, 5.0, float(stats.norm.sf(z)), z, passing, obstacle)
    other = WindowCut(11.0, 10.0, 1.0, 0.5, 9.0, passing)
    inside = injected if passing else 0
    return WindowSearch(asked, 1000, inside, (990.0, 12.0), (0.5, 0.01), "passed", {0.01: cut, 0.001: other})


def test_the_quoted_window_is_the_largest_mean_over_seeds_of_the_first_cut() -> None:
    values = {0: (1.0, 3.0), 1: (2.5, 2.7), 2: (-1.0, 0.0)}
    found = Scan(WINDOWS, tuple(searched(w, z, seed=s) for w, zs in values.items() for s, z in enumerate(zs)))
    (series,) = found.series
    assert [each.significance for each in series.windows[:3]] == [2.0, 2.6, -0.5]
    assert series.windows[0].spread == pytest.approx(math.sqrt(2))
    assert math.isnan(series.windows[3].significance)
    peak, worth = series.peak, series.global_p
    assert peak is not None
    assert worth is not None
    assert (peak.low, peak.high) == WINDOWS[1]
    # Of four windows, also of the one in which no search was done.
    assert worth.quoted == worth.by_windows == pytest.approx(4 * stats.norm.sf(2.6))
    # The scan rises through 0.7 once, at its beginning.
    assert worth.by_crossings == pytest.approx(stats.norm.sf(2.6) + math.exp(-0.5 * (2.6**2 - 0.7**2)))
    assert found.summary[0]["global_p"] == worth.quoted
    assert Scan.from_json(found.to_json()).searches == found.searches


def test_a_notebook_shows_every_window() -> None:
    found = Scan(WINDOWS, (searched(0, 1.5), searched(1, 9.0, obstacle="the <spectrum> rises")))
    assert repr(found) == "<Scan: 2 searches in 4 windows by m>"
    shown = found._repr_html_()
    assert shown.count("<tr>") == 1 + len(WINDOWS)
    assert "<td>1000–1100</td><td>110</td><td>100 ± 5</td><td>0.067</td><td>1.5 σ</td>" in shown
    assert "<td>the &lt;spectrum&gt; rises</td>" in shown


def test_what_can_not_be_computed_is_no_excess() -> None:
    found = Scan(WINDOWS, (searched(0, 9.0, obstacle="the spectrum rises"), searched(1, 1.0)))
    (series,) = found.series
    assert series.peak is not None
    assert series.peak.low == WINDOWS[1][0]
    assert series.windows[0].obstacle == "the spectrum rises"
    (none,) = Scan(WINDOWS, (searched(0, 9.0, obstacle="the spectrum rises"),)).series
    assert none.peak is None
    assert none.global_p is None


def test_experiments_say_how_often_a_maximum_is_as_large() -> None:
    data = [searched(w, z) for w, z in enumerate((0.0, 2.0, 0.1, 0.2))]
    null = [
        searched(w, 2.2 if (number == 3 and w == 2) else 0.3, experiment=number)
        for number in range(1, 10)
        for w in range(4)
    ]
    (series,) = Scan(WINDOWS, (*data, *null)).series
    assert series.global_p is not None
    assert series.global_p.by_toys == pytest.approx(2 / 10)
    assert series.global_p.quoted == series.global_p.by_toys
    assert series.global_p.resolution == pytest.approx(1 / 10)


def test_experiments_that_lack_windows_are_not_counted() -> None:
    """The largest of one window is smaller than that of four, and would make a p-value too small."""
    data = [searched(w, z) for w, z in enumerate((0.0, 2.0, 0.1, 0.2))]
    whole = [
        searched(w, 2.2 if (number == 3 and w == 2) else 0.3, experiment=number)
        for number in range(1, 10)
        for w in range(4)
    ]
    partly = [searched(0, 0.3, experiment=number) for number in range(10, 40)]
    found = Scan(WINDOWS, (*data, *whole, *partly))
    (series,) = found.series
    assert series.global_p is not None
    assert series.global_p.by_toys == pytest.approx(2 / 10)
    assert found.unfinished_experiments == 30


def test_the_number_of_spectra_is_a_price() -> None:
    data = [searched(w, z) for w, z in enumerate((0.0, 3.0, 0.1, 0.2))]
    one, many = (Scan(WINDOWS, tuple(data), spectra=number).series[0].global_p for number in (1, 5))
    assert one is not None
    assert many is not None
    assert many.quoted == pytest.approx(5 * one.quoted)
    assert many.by_crossings == pytest.approx(-math.expm1(5 * math.log1p(-one.by_crossings)))


@pytest.mark.parametrize("weight", [0.1, 10.0])
def test_the_unit_of_the_weights_changes_no_limit_in_a_window(weight: float) -> None:
    def weighted(found: WindowSearch) -> WindowSearch:
        sums = {name: weight * getattr(found.cuts[0.01], name) for name in ("observed", "expected", "error")}
        cuts = {**found.cuts, 0.01: replace(found.cuts[0.01], **sums, per_event=weight)}
        return replace(found, cuts=cuts, weight=weight)

    plain = searched(0, 1.0)
    (one,), (other,) = (list(window_limits(Scan(WINDOWS, (each,)), "m")) for each in (plain, weighted(plain)))
    assert other.observed == pytest.approx(one.observed)
    assert other.expected == pytest.approx(one.expected)


def test_the_table_has_every_cut_to_the_last_bit() -> None:
    found = Scan(WINDOWS, (searched(0, 1 / 3), searched(1, math.nan, obstacle='of "none", at all')))
    rows = list(csv.DictReader(io.StringIO(found.table())))
    assert len(rows) == 4
    assert float(rows[0]["significance"]) == 1 / 3
    assert rows[2]["obstacle"] == 'of "none", at all'
    assert [row["background_efficiency"] for row in rows[:2]] == ["0.01", "0.001"]
    assert {row["low"] for row in rows} == {"1000.0", "1100.0"}


def test_limits_are_those_of_the_counting_experiment_and_of_the_window_that_expects_the_strictest() -> None:
    from analysis.inference.counting_model import CountingModel
    from analysis.inference.limits import asymptotic_limit

    none = [searched(w, 1.0) for w in (0, 1)]
    with_signal = [
        searched(w, 3.0, injected=number, passing=share * number)
        for w, share in enumerate((0.25, 0.5))
        for number in (20, 200)
    ]
    found = Scan(WINDOWS, (*none, *with_signal))
    truth = asymptotic_limit(CountingModel(110.0, 100.0, 5.0))
    limits = list(window_limits(found, "m"))
    assert [(each.low, each.observed) for each in limits] == [(1000.0, truth.observed), (1100.0, truth.observed)]
    (strictest,) = signal_limits(found)
    assert (strictest.low, strictest.high) == WINDOWS[1]
    assert strictest.limit is not None
    # Of 200 events 100 pass, and the 200 in the window add a hundredth of theirs to what is expected.
    assert strictest.limit.observed == pytest.approx(truth.observed * 200 / (100 - 2))
    (beyond,) = signal_limits(Scan(WINDOWS, (*none, searched(0, 1.0, injected=20, passing=5.0))))
    assert beyond.limit is None
    assert "Inject more" in beyond.reason
