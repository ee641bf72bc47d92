"""Every test of a full validation fails where it has to, and passes where nothing is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cathode.full_validation.checks import (
    closure_checks,
    injection_checks,
    morphing_checks,
    null_checks,
    sculpting_checks,
)
from cathode.full_validation.morphing import Morphed
from cathode.full_validation.result import Check, FullValidation
from cathode.injection.experiments import CutFound, Injection
from cathode.report.full_validation import headline, write_validation_page
from cathode.result import Closure, Sculpting
from cathode.validation.sideband_closure import ClosureTest


def passed(checks: Iterable[Check]) -> list[bool | None]:
    return [each.passed for each in checks]


def test_closure_names_the_worst_region() -> None:
    good, bad = Closure(3100, 3300, 0.503, 0.004, 9, 9, True), Closure(3700, 3900, 0.55, 0.004, 9, 9, False)
    assert passed(closure_checks(ClosureTest((good,)))) == [True]
    (found,) = closure_checks(ClosureTest((good, bad)))
    assert (found.passed, found.note) == (False, "3700–3900 GeV")
    assert found.value == pytest.approx(0.05)
    assert passed(closure_checks(ClosureTest())) == [None]


@pytest.mark.parametrize(
    ("mean", "width", "expected"),
    [(0.0, 1.0, [True, True, True]), (1.0, 1.0, [False, True, True]), (0.0, 1.6, [True, False, True])],
)
def test_significances_without_a_signal(mean: float, width: float, expected: list[bool]) -> None:
    z = mean + width * np.random.default_rng(1).standard_normal(200)
    assert passed(null_checks(0.01, z.tolist())) == expected


def test_significances_that_change_from_one_half_to_the_other_are_not_corrected() -> None:
    z = np.random.default_rng(2).standard_normal(200)
    z[1::2] += 1.0
    assert passed(null_checks(0.01, z.tolist()))[-1] is False
    assert passed(null_checks(0.01, z[:30].tolist()))[-1] is None
    assert passed(null_checks(0.01, z[:5].tolist())) == [None]


def injections(slope: float, intercept: float) -> list[Injection]:
    rng = np.random.default_rng(3)
    found = []
    for repeat in range(12):
        for number in (0, 100, 300):
            seen = 100 + intercept + slope * 0.5 * number
            cut = CutFound(float(rng.poisson(seen)), 100 + 5 * rng.standard_normal(), 5.0, 0.0, 0.51 * number)
            found.append(Injection(number, repeat, number, 1e4, (1e4, 100.0), {0.01: cut}))
    return found


def test_what_is_found_follows_what_was_injected() -> None:
    assert passed(injection_checks(0.01, injections(1.0, 0.0))) == [True, True]
    assert passed(injection_checks(0.01, injections(0.6, 0.0))) == [False, True]
    assert passed(injection_checks(0.01, injections(1.0, 40.0))) == [True, False]
    assert passed(injection_checks(0.01, [])) == [None]


def sculpted(p: float, ks: float, largest: float | None = None) -> list[Sculpting]:
    return [Sculpting(0.01, 30.0, 29.0, p, True, ks, p, 0.02, p, ks if largest is None else largest) for _ in range(20)]


def test_a_shape_fails_if_it_changes_often_and_much() -> None:
    assert passed(sculpting_checks(0.01, sculpted(0.5, 0.3))) == [True, True, True]
    assert passed(sculpting_checks(0.01, sculpted(1e-4, 0.02))) == [True, True, True]
    assert passed(sculpting_checks(0.01, sculpted(1e-4, 0.3))) == [False, False, False]
    # A bump in one bin moves the spectrum by little.
    assert passed(sculpting_checks(0.01, sculpted(1e-4, 0.02, 1.5))) == [False, True, True]
    old = [Sculpting(0.01, 30.0, 29.0, 0.4, True)]
    assert passed(sculpting_checks(0.01, old)) == [True, None, None]
    assert passed(sculpting_checks(0.01, [])) == [None]


def test_errors_that_hide_anything_leave_a_test_unresolved(tmp_path: Path) -> None:
    few = [each for each in injections(0.8, 0.0) if each.injected < 300][:4]
    slope, _ = injection_checks(0.01, few)
    assert slope.passed is None
    assert slope.unresolved
    assert "more experiments" in slope.note
    good = Check("null calibration", "width", 1.0, 0.1, "< 1.15", True)
    found = FullValidation((slope, replace(good, group=slope.group)), {}, {})
    assert not found.passed
    assert headline(found).startswith("Validation is incomplete: 1 of 2 tests can not tell")
    assert repr(found) == "<FullValidation: 0 of 2 tests failed, 1 unresolved, 0 not made>"
    page = write_validation_page(found, tmp_path).read_text()
    assert "unresolved</td>" in page
    assert "not made" not in page
    z = 0.4 + 0.9 * np.random.default_rng(1).standard_normal(36)
    mean, *_ = null_checks(0.01, z.tolist())
    assert mean.passed is None


def moved(by: float) -> list[Morphed]:
    rng = np.random.default_rng(4)
    return [
        Morphed(number, name, {0.01: z + (by if name else 0.0) + 0.2 * rng.standard_normal()})
        for number, z in enumerate(rng.standard_normal(6))
        for name in ("", "lower edge up")
    ]


def test_a_significance_must_not_hang_on_an_edge() -> None:
    assert passed(morphing_checks(0.01, moved(0.0))) == [True]
    assert passed(morphing_checks(0.01, moved(1.5))) == [False]
    assert passed(morphing_checks(0.01, [Morphed(0, "", {0.01: 0.1})])) == [None]
    assert passed(morphing_checks(0.01, moved(0.0)[:2])) == [None]


def test_the_page_says_what_failed_and_what_was_not_made(tmp_path: Path) -> None:
    good = Check("closure", "AUC", 0.1, 0.01, "< 1", True)
    bad = Check("sculpting", "KS <b>", 0.3, 0.0, "< 0.1", False, "at 1 %")
    none = Check("window edges", "lower", math.nan, math.nan, "", None, "no experiment")
    assert headline(FullValidation((good,), {}, {})) == "Validation passed: 1 tests."
    assert headline(FullValidation((good, none), {}, {})).startswith(
        "Validation is incomplete: nothing was tested of w"
    )
    found = FullValidation((good, bad, none), {"folds": 3}, {"null": 40}, {"no <i>": 2})
    assert not found.passed
    assert not FullValidation((good, none), {}, {}).passed
    assert FullValidation.from_json(found.to_json()).checks[:2] == found.checks[:2]
    assert repr(found) == "<FullValidation: 1 of 2 tests failed, 1 not made>"
    shown = found._repr_html_()
    assert "<td>closure</td><td>AUC</td><td>0.1 ± 0.01</td><td>&lt; 1</td><td>yes</td>" in shown
    assert "<td>lower</td><td>–</td><td></td><td>no experiment</td>" in shown
    page = write_validation_page(found, tmp_path).read_text()
    assert "Validation failed: 1 of 3 tests, the first KS &lt;b&gt;." in page
    assert "0.1 ± 0.01" in page
    assert "no &lt;i&gt;" in page
