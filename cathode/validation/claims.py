"""What a result entitles to say, in sentences: every one follows from its numbers by a rule that is tested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from analysis.printing import number, sigma
from cathode.result import NOT_CLAIMED, TOLERANCE, CalibratedCut, CutResult, SearchResult

#: Significances from which an excess is called small, mild, an excess, strong.
_SMALL, _MILD, _EXCESS, _STRONG = 1.0, 2.0, 3.0, 5.0


def headline(result: SearchResult) -> str:
    """The conclusion in one sentence, for the cut that was listed first: a significance only where it is supported."""
    return f"Quick trial, no result: {_headline(result)}" if result.quick else _headline(result)


def _headline(result: SearchResult) -> str:
    cut = result.primary
    where = f"between {result.region.low:g} and {result.region.high:g} GeV"
    if cut.obstacle:
        return f"The significance {where} is not computable: {cut.obstacle}."
    if not result.validated:
        return (
            f"{number(cut.observed)} events {where} pass where {number(cut.expected)} ± {number(cut.uncertainty)} are "
            f"expected; no significance is claimed, because {NOT_CLAIMED[result.validation]}."
        )
    calibrated = calibration_of(result, cut)
    value = cut.significance if calibrated is None else calibrated.significance
    if -_EXCESS < value < _SMALL:
        return f"No significant excess {where}."
    return f"{_size(value)} {where}: {_quoted(cut, calibrated)}."


def concluded(result: SearchResult) -> SearchResult:
    """The result with its headline."""
    return replace(result, conclusion=headline(result))


def validation(result: SearchResult) -> str:
    """What the closure test said, in one sentence."""
    if result.withheld:
        return f"Validation failed: {result.withheld}."
    if result.validation == "not made":
        return "Validation was not made: how wrong the template may be is unknown, and not in the errors."
    failed = [closure for closure in result.closures if not closure.passed]
    worst = max(failed or result.closures, key=lambda c: c.auc)
    tolerance = TOLERANCE - 0.5
    largest = f"{_difference(worst.auc, worst.auc_error)} in {worst.low:g}–{worst.high:g} GeV"
    mean, error = result.closure_mean
    together = f"over {_regions(len(result.closures))} AUC − ½ = {_difference(mean, error)}"
    if failed:
        return (
            f"Validation failed: in {len(failed)} of {_regions(len(result.closures))} a classifier tells template from "
            f"data beyond the tolerance of {tolerance:.2g}, at most by AUC − ½ = {largest}."
        )
    others = list(_other_failures(result))
    if others:
        return f"Validation failed: {'; '.join(others)}."
    if result.validation == "failed":
        return f"Validation failed: {together}, above the tolerance of {tolerance:.2g}."
    if result.validation == "unresolved":
        return (
            f"Validation is undecided: {together} with an error of {error:.2g}, which can not tell the tolerance of "
            f"{tolerance:.2g} from none."
        )
    side = "below" if mean - 0.5 < tolerance else "within two errors of"
    beyond = "" if worst.auc - 0.5 < tolerance else f", within two errors of {tolerance:.2g}"
    return f"Validation passed: {together}, {side} the tolerance of {tolerance:.2g}; at most {largest}{beyond}."


def _other_failures(result: SearchResult) -> Iterator[str]:
    """What did not pass although the AUC did, each with its number."""
    shifts = [shift for shift in result.region_shifts if not shift.passed]
    if shifts:
        worst = max(shifts, key=lambda shift: abs(shift.shift) / shift.error)
        yield (
            f"counts above the cuts are off in {len(shifts)} of {len(result.region_shifts)} cases, most in "
            f"{worst.low:g}–{worst.high:g} GeV ({100 * worst.shift:+.2g} ± {100 * worst.error:.2g} %)"
        )
    features = sorted({test.feature for test in result.feature_tests if not test.passed})
    if features:
        yield f"template and data differ in {', '.join(features)}"
    if any(test.fails for test in result.mass_fit_tests):
        yield "the mass fit does not predict counts that it has not seen"


def configuration(result: SearchResult) -> str:
    """Since when the cuts are what they are, as far as anybody knows."""
    if not result.configured:
        return "The background efficiencies are as configured; without a run folder it is not known since when."
    when = datetime.fromisoformat(result.configured)
    return (
        f"The background efficiencies are as configured on {when:%Y-%m-%d, %H:%M} UTC, when the run folder first saw "
        "this configuration."
    )


def scope(result: SearchResult) -> list[str]:
    """What the p-values do not include."""
    said = [
        "The p-values are local: they are for this one window and this one cut. Looking in several places makes a "
        "small p-value likely somewhere (trials factor)."
    ]
    if not result.calibrated:
        said.append(
            "Training in folds that share events makes p-values somewhat too small in the far tail (Hein, Nachman, "
            "Shih, 2512.13787). Calibrate with background-only pseudo-experiments before quoting more than 3 σ."
        )
    for cut in result.cuts:
        if not cut.exact_usable:
            said.append(
                f"At background efficiency {cut.background_efficiency:g} the exact p-value is unusable: validation "
                "regions differ from the prediction by more than its statistics, of which it knows nothing."
            )
    return said


def calibration_of(result: SearchResult, cut: CutResult) -> CalibratedCut | None:
    """The calibration of a cut, if there is one."""
    return next((c for c in result.calibrated if c.background_efficiency == cut.background_efficiency), None)


def _size(value: float) -> str:
    if value <= -_EXCESS:
        return "A deficit"
    if value >= _STRONG:
        return "A strong excess"
    return "An excess" if value >= _EXCESS else "A mild excess" if value >= _MILD else "A small excess"


def _quoted(cut: CutResult, calibrated: CalibratedCut | None) -> str:
    if calibrated is None:
        beyond = ", not calibrated" if abs(cut.significance) >= _EXCESS else ""
        return f"{sigma(cut.significance, cut.spread)} locally{beyond}"
    by = f"calibrated by {calibrated.experiments} pseudo-experiments"
    return f"{sigma(calibrated.significance)} locally, {by}" + (
        ", beyond all of them" if calibrated.extrapolated else ""
    )


def _difference(auc: float, error: float) -> str:
    difference = f"{auc - 0.5:.3f}".replace("-", "−")
    return f"{difference} ({sigma((auc - 0.5) / error, digits=0)})" if error > 0 else difference


def _regions(count: int) -> str:
    return "1 validation region" if count == 1 else f"{count} validation regions"
