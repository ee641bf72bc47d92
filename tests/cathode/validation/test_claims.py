"""Which result leads to which words: one row per sentence, for all that a reader is told."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cathode.report.page import render
from cathode.result import CalibratedCut, Closure, CutResult, FeatureTest, MassFitTest, RegionShift, SearchResult
from cathode.validation.claims import configuration, headline, scope, validation
from cathode.validation.warnings import warnings_of

WHERE = "between 3300 and 3700 GeV"
COUNTS = f"612 events {WHERE} pass where 480.3 ± 18.2 are expected; no significance is claimed, because "


def closures(*aucs: tuple[float, float]) -> tuple[Closure, ...]:
    """Regions with these AUC and errors, passed by the rule of a region."""
    return tuple(
        Closure(3000.0 + 10 * i, 3010.0 + 10 * i, auc, error, 9_000, 36_000, auc - 2 * error < 0.51)
        for i, (auc, error) in enumerate(aucs)
    )


def calibrated(value: float, *, extrapolated: bool = False) -> CalibratedCut:
    return CalibratedCut(1e-2, 0.01, 0.005, 0.02, value, 1 / 301, extrapolated, 300, 0.6, 0.8)


GOOD, BAD = closures((0.501, 0.004), (0.503, 0.005)), closures((0.501, 0.004), (0.53, 0.005))


@pytest.mark.parametrize(
    ("of_cut", "of_result", "said"),
    [
        # How large it is, where validation passed.
        ({"significance": -4.2}, {}, f"A deficit {WHERE}: −4.2 σ locally, not calibrated."),
        ({"significance": -2.9}, {}, f"No significant excess {WHERE}."),
        ({"significance": 0.0}, {}, f"No significant excess {WHERE}."),
        ({"significance": 0.99}, {}, f"No significant excess {WHERE}."),
        ({"significance": 1.5}, {}, f"A small excess {WHERE}: 1.5 σ locally."),
        ({"significance": 2.5}, {}, f"A mild excess {WHERE}: 2.5 σ locally."),
        ({"significance": 4.0}, {}, f"An excess {WHERE}: 4.0 σ locally, not calibrated."),
        ({"significance": 17.9}, {}, f"A strong excess {WHERE}: 17.9 σ locally, not calibrated."),
        ({"significance": 5.2, "spread": 0.34}, {}, f"A strong excess {WHERE}: 5.2 ± 0.3 σ locally, not calibrated."),
        # A calibration says what it is worth.
        (
            {"significance": 5.2},
            {"calibrated": (calibrated(3.9, extrapolated=True),)},
            f"An excess {WHERE}: 3.9 σ locally, calibrated by 300 pseudo-experiments, beyond all of them.",
        ),
        (
            {"significance": 3.2},
            {"calibrated": (calibrated(2.3),)},
            f"A mild excess {WHERE}: 2.3 σ locally, calibrated by 300 pseudo-experiments.",
        ),
        ({"significance": 1.4}, {"calibrated": (calibrated(0.7),)}, f"No significant excess {WHERE}."),
        # A calibration of another cut says nothing of this one.
        (
            {"significance": 2.2},
            {"calibrated": (replace(calibrated(0.7), background_efficiency=1e-3),)},
            f"A mild excess {WHERE}: 2.2 σ locally.",
        ),
        # Without a validation that passed there is no σ, however many there are.
        ({"significance": 17.9}, {"closures": ()}, COUNTS + "validation was not made."),
        ({"significance": 54.5}, {"closures": BAD}, COUNTS + "validation failed."),
        ({"significance": 0.3}, {"closures": BAD}, COUNTS + "validation failed."),
        ({"significance": 17.9}, {"closures": closures(*[(0.515, 0.003)] * 5)}, COUNTS + "validation failed."),
        (
            {"significance": 17.9},
            {"closures": closures((0.501, 0.02))},
            COUNTS + "validation has too few events to see a difference as large as its tolerance.",
        ),
        # What can not be computed is not computed, validated or not.
        (
            {"systematic": 620.0},
            {},
            f"The significance {WHERE} is not computable: the error of the expected background is 129 % of it.",
        ),
        (
            {"systematic": 620.0},
            {"closures": ()},
            f"The significance {WHERE} is not computable: the error of the expected background is 129 % of it.",
        ),
        (
            {"significance": math.nan, "expected": math.nan, "reason": "the fit failed"},
            {},
            f"The significance {WHERE} is not computable: the fit failed.",
        ),
        ({"expected": 0.0}, {}, f"The significance {WHERE} is not computable: no background is expected."),
        (
            {"realised_efficiency": 1.0},
            {},
            f"The significance {WHERE} is not computable: scores are tied: 100 % of the template pass a cut that was "
            "to keep 1 %.",
        ),
    ],
)
def test_headline(
    result: SearchResult, cut: CutResult, of_cut: dict[str, Any], of_result: dict[str, Any], said: str
) -> None:
    found = replace(result, cuts=(replace(cut, **of_cut), *result.cuts[1:]), **of_result)
    assert headline(found) == said
    if not found.validated or found.primary.obstacle:
        assert "σ" not in headline(found)


@pytest.mark.parametrize(
    ("regions", "state", "said"),
    [
        ((), "not made", "Validation was not made: how wrong the template may be is unknown, and not in the errors."),
        (
            closures((0.507, 0.00175), (0.507, 0.0035)),
            "passed",
            "Validation passed: over 2 validation regions AUC − ½ = 0.007 (4 σ), below the tolerance of 0.01; at most "
            "0.007 (4 σ) in 3000–3010 GeV.",
        ),
        (
            closures((0.498, 0.002), (0.519, 0.007)),
            "passed",
            "Validation passed: over 2 validation regions AUC − ½ = −0.000 (0 σ), below the tolerance of 0.01; at most "
            "0.019 (3 σ) in 3010–3020 GeV, within two errors of 0.01.",
        ),
        (
            closures((0.512, 0.004), (0.512, 0.004)),
            "passed",
            "Validation passed: over 2 validation regions AUC − ½ = 0.012 (4 σ), within two errors of the tolerance of "
            "0.01; at most 0.012 (3 σ) in 3000–3010 GeV, within two errors of 0.01.",
        ),
        (
            BAD,
            "failed",
            "Validation failed: in 1 of 2 validation regions a classifier tells template from data beyond the "
            "tolerance of 0.01, at most by AUC − ½ = 0.030 (6 σ) in 3010–3020 GeV.",
        ),
        (
            closures(*[(0.515, 0.003)] * 5),
            "failed",
            "Validation failed: over 5 validation regions AUC − ½ = 0.015 (11 σ), above the tolerance of 0.01.",
        ),
        (
            closures((0.501, 0.02)),
            "unresolved",
            "Validation is undecided: over 1 validation region AUC − ½ = 0.001 (0 σ) with an error of 0.02, which can "
            "not tell the tolerance of 0.01 from none.",
        ),
    ],
)
def test_validation(result: SearchResult, regions: tuple[Closure, ...], state: str, said: str) -> None:
    found = replace(result, closures=regions)
    assert (found.validation, validation(found)) == (state, said)


def test_configuration(result: SearchResult) -> None:
    assert configuration(result) == (
        "The background efficiencies are as configured; without a run folder it is not known since when."
    )
    assert configuration(replace(result, configured="2026-11-30T01:25:14+00:00")) == (
        "The background efficiencies are as configured on 2026-11-30, 01:25 UTC, when the run folder first saw this "
        "configuration."
    )


@pytest.mark.parametrize(
    ("change", "said", "of"),
    [
        (lambda r, c: r, "Calibrate with background-only pseudo-experiments before quoting more than 3 σ.", True),
        (lambda r, c: replace(r, calibrated=(calibrated(2.0),)), "Calibrate with background-only", False),
        (lambda r, c: r, "the exact p-value is unusable", False),
        # A common mean that is corrected for, and a scatter of 10 % where 3 % are resolved, are significant.
        (lambda r, c: replace(r, cuts=(replace(c, shift=0.06),)), "the exact p-value is unusable", True),
        (
            lambda r, c: replace(r, cuts=(replace(c, systematic=48.0, resolution=0.03),)),
            "the exact p-value is unusable",
            True,
        ),
        (
            lambda r, c: replace(r, cuts=(replace(c, systematic=15.0, resolution=0.03),)),
            "the exact p-value is unusable",
            False,
        ),
    ],
)
def test_scope(
    result: SearchResult,
    cut: CutResult,
    change: Callable[[SearchResult, CutResult], SearchResult],
    said: str,
    of: bool,
) -> None:
    found = change(result, cut)
    assert (said in " ".join(scope(found))) == of
    if "unusable" in said:
        assert ("unusable" in render(found)) == of
        assert all(each.exact_usable for each in found.cuts) != of


@pytest.mark.parametrize(
    ("of_cut", "regions", "shown"),
    [
        ({"significance": -0.52}, GOOD, "−0.5 σ"),
        ({"significance": 4.97, "spread": 0.3}, GOOD, "5.0 ± 0.3 σ"),
        ({"significance": 17.9}, (), "(17.9 σ)"),
        ({"significance": 17.9}, BAD, "(17.9 σ)"),
        ({"systematic": 500.0}, GOOD, "not computable"),
        ({"systematic": 500.0}, (), "not computable"),
    ],
)
def test_a_number_in_a_table_is_in_parentheses_unless_it_is_claimed(
    result: SearchResult, cut: CutResult, of_cut: dict[str, Any], regions: Sequence[Closure], shown: str
) -> None:
    found = replace(result, closures=tuple(regions))
    assert replace(cut, **of_cut).local(found.validation) == shown


FORBIDDEN = ("chosen before", "before looking", "hardly be told apart")


def test_the_page_says_what_the_sentences_say(result: SearchResult) -> None:
    page = render(replace(result, closures=(), configured="2026-11-30T01:25:14+00:00"))
    assert "no significance is claimed" in page
    assert "as configured on 2026-11-30, 01:25 UTC" in page
    assert "not claimed" in page
    for words in FORBIDDEN:
        assert words not in page


SHIFT = RegionShift(1e-2, 2700.0, 2900.0, 560.0, 400.0, 0.4, 0.06, passed=False)
FEATURE = FeatureTest(2700.0, 2900.0, "tau21", 90.0, 19, 0.04, 0.12, 1e-9, passed=False)
FIT = MassFitTest("validation region", 3100.0, 3300.0, 2_000.0, 30.0, 1_500.0, -9.2, passed=False)


@pytest.mark.parametrize(
    ("tests", "word", "warned"),
    [
        (
            {"region_shifts": (SHIFT,)},
            r"off in 1 of 1 cases, most in 2700–2900 GeV \(\+40 ± 6 %\)",
            "In 2700–2900 GeV 560",
        ),
        ({"feature_tests": (FEATURE,)}, "differ in tau21", "The distribution of tau21 (12 %) in 2700–2900 GeV"),
        (
            {"mass_fit_tests": (FIT,)},
            "mass fit does not predict",
            "The mass fit does not predict the events in 3100–3300",
        ),
        ({"withheld": "it turns on"}, "it turns on", "No significance is quoted: it turns on."),
    ],
)
def test_any_test_alone_can_fail_a_search(result: SearchResult, tests: dict[str, Any], word: str, warned: str) -> None:
    good = replace(result, closures=GOOD)
    assert good.validated
    found = replace(good, **tests)
    assert not found.validated
    assert re.search(word, validation(found))
    assert "no significance is claimed" in headline(found)
    assert any(warning.startswith(warned) for warning in warnings_of(found))
    # The page has the table of the test, or the reason in the place of a significance.
    assert any(mark in render(found) for mark in ('class="fail">off', 'class="fail">differs', "it turns on"))


def test_more_events_in_the_window_than_fitted_warn_and_do_not_fail(result: SearchResult) -> None:
    window = replace(FIT, what="window", pull=4.0)
    found = replace(result, closures=GOOD, mass_fit_tests=(window,))
    assert found.validated
    assert any("more events than the mass fit expects" in warning for warning in warnings_of(found))
    assert not replace(found, mass_fit_tests=(replace(window, pull=-4.0),)).validated
