"""Rules by which the tests of a whole search pass or fail: from what was found to numbers with requirements."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from cathode.calibration.null import FEWEST, NullDistribution, halves
from cathode.full_validation.result import Check
from cathode.result import TOLERANCE, Sculpting

if TYPE_CHECKING:
    from cathode.full_validation.morphing import Morphed
    from cathode.injection.experiments import Injection
    from cathode.validation.sideband_closure import ClosureTest

#: Groups in the order of the page.
CLOSURE, NULL, INJECTION, SCULPTING, MORPHING = (
    "closure",
    "null calibration",
    "injection linearity",
    "sculpting",
    "window edges",
)

#: A deviation of so many tolerances must be excluded, or nothing is resolved.
RESOLVED = 2.0
#: A test of a true hypothesis fails this often.
LEVEL = 0.01
#: Largest bias of a significance without a signal, in σ, and how much wider than 1 its distribution may be.
BIAS, WIDER = 0.3, 0.15
#: Deviation from 1 of found over injected signal events that is no matter, and standard errors that are.
SLOPE, ERRORS = 0.1, 2.0
#: Below this a change of the spectrum is no matter: a Kolmogorov–Smirnov distance, and what a bin keeps too much of.
SHAPE = 0.1
#: Change of a significance, in σ, that moving an edge may make on average.
MOVED = 0.5


def closure_checks(test: ClosureTest) -> Iterator[Check]:
    """The largest AUC, the largest difference of a count, and features that differ, of all validation regions."""
    if not test.closures:
        yield not_made(CLOSURE, "AUC", "no validation region was tested")
        return
    worst = max(test.closures, key=lambda each: each.auc)
    yield Check(
        CLOSURE,
        f"AUC − ½, largest of {len(test.closures)} regions",
        worst.auc - 0.5,
        worst.auc_error,
        f"< {TOLERANCE - 0.5:.2g} within two errors",
        all(each.passed for each in test.closures),
        f"{worst.low:g}–{worst.high:g} GeV",
    )
    if test.shifts:
        far = max(test.shifts, key=lambda each: abs(each.shift) / max(each.error, 1e-12))
        yield Check(
            CLOSURE,
            f"counted over predicted − 1, farthest of {len(test.shifts)}",
            far.shift,
            far.error,
            "none off at 1 % for all together",
            all(each.passed for each in test.shifts),
            f"{far.low:g}–{far.high:g} GeV",
        )
    if test.features:
        differ = sorted({each.feature for each in test.features if not each.passed})
        yield Check(
            CLOSURE,
            f"features that differ, of {len({each.feature for each in test.features})}",
            float(len(differ)),
            0.0,
            "0",
            not differ,
            ", ".join(differ),
        )


def null_checks(efficiency: float, significances: Sequence[float]) -> Iterator[Check]:
    """Mean and width of significances without a signal, and p-values of one half corrected by the other."""
    cut = f"at {efficiency:g}"
    if len(significances) < FEWEST:
        yield not_made(NULL, f"significances {cut}", f"{len(significances)} experiments; {FEWEST} are needed")
        return
    null = NullDistribution(tuple(significances))
    mean, width = null.mean, null.width
    yield _near(NULL, f"mean significance {cut}", mean, 0.0, BIAS, f"{len(null)} experiments")
    narrow = width[0] - ERRORS * width[1] < 1 + WIDER
    yield Check(NULL, f"width of the significances {cut}", *width, f"< {1 + WIDER:g} within two errors", narrow)
    if len(significances) < 2 * FEWEST:
        yield not_made(NULL, f"corrected p-values {cut}", f"two halves of {FEWEST} experiments are needed")
        return
    by, of = halves(significances)
    p = [by.corrected(z).value for z in of.significances]
    uniform = float(stats.kstest(p, "uniform").pvalue)
    yield Check(
        NULL,
        f"KS p of corrected p-values {cut}",
        uniform,
        0.0,
        f"> {LEVEL:g}",
        uniform > LEVEL,
        f"{len(of)} experiments by {len(by)}; uncorrected KS p = {null.ks_p_value:.2g}",
    )


def injection_checks(efficiency: float, found: Sequence[Injection]) -> Iterator[Check]:
    """A line through events found against those that were put in and pass: slope and intercept."""
    cut = f"at {efficiency:g}"
    strengths = {each.injected for each in found}
    if len(strengths) < 2 or len(found) < 4:
        yield not_made(INJECTION, f"found over injected {cut}", "two strengths and four searches are needed")
        return
    x = np.array([each.beyond(efficiency) for each in found])
    cuts = [each.cuts[efficiency] for each in found]
    y = np.array([each.observed - each.expected for each in cuts])
    error = np.sqrt([max(each.observed, 1.0) + each.error**2 for each in cuts])
    terms = np.stack([x, np.ones_like(x)], axis=1) / error[:, None]
    covariance = np.linalg.pinv(terms.T @ terms)
    slope, intercept = (float(each) for each in covariance @ terms.T @ (y / error))
    of_slope, of_intercept = (float(each) for each in np.sqrt(np.diag(covariance)))
    searches = f"{len(found)} searches"
    yield _near(INJECTION, f"found over injected events that pass {cut}", (slope, of_slope), 1.0, SLOPE, searches)
    yield Check(
        INJECTION,
        f"events found where none are injected {cut}",
        intercept,
        of_intercept,
        "0 within three errors",
        abs(intercept) < 3 * of_intercept,
        searches,
    )


def sculpting_checks(efficiency: float, found: Sequence[Sculpting]) -> Iterator[Check]:
    """χ², KS distance and distance correlation of cut and sideband mass, over background-only experiments."""
    cut = f"at {efficiency:g}"
    if not found:
        yield not_made(SCULPTING, f"shape of the spectrum {cut}", "too few sideband events pass in every experiment")
        return
    # A bump in one bin hardly moves the distance of whole spectra, so χ² is excused by what one bin keeps too much of.
    distance, bin_ = _small([each.ks for each in found]), _small([each.largest for each in found])
    whole, local = f"a KS distance below {SHAPE:g}", f"no bin keeps {100 * SHAPE:g} % too much beyond two errors"
    for name, p_values, sizes, small, excuse in (
        ("χ²/ndf", [each.p_value for each in found], [each.chi2 / each.ndof for each in found], bin_, local),
        ("KS distance", [each.ks_p_value for each in found], [each.ks for each in found], distance, whole),
        (
            "distance correlation",
            [each.distance_p_value for each in found],
            [each.distance_correlation for each in found],
            distance,
            whole,
        ),
    ):
        p, size = ([each for each in values if each is not None] for values in (p_values, sizes))
        if not p:
            yield not_made(SCULPTING, f"{name} {cut}", "the experiments were made before it was measured")
            continue
        unlikely = sum(each < LEVEL for each in p)
        by_chance = float(stats.binom.sf(unlikely - 1, len(p), LEVEL)) > LEVEL
        yield Check(
            SCULPTING,
            f"{name} {cut}, median",
            float(np.median(size)),
            float(np.std(size) / len(size) ** 0.5),
            f"p < {LEVEL:g} as often as by chance, or {excuse}",
            by_chance or small,
            f"{unlikely} of {len(p)} experiments have p < {LEVEL:g}",
        )


def _small(sizes: Sequence[float | None]) -> bool:
    measured = [each for each in sizes if each is not None]
    return bool(measured) and float(np.median(measured)) < SHAPE


def morphing_checks(efficiency: float, found: Sequence[Morphed]) -> Iterator[Check]:
    """Mean change of the significance of background-only experiments with every edge of the window moved."""
    cut = f"at {efficiency:g}"
    names = list(dict.fromkeys(each.name for each in found if each.name))
    nominal = {each.number: each.significance[efficiency] for each in found if not each.name}
    if not names or not nominal:
        yield not_made(MORPHING, f"change of the significance {cut}", "no experiment has moved edges")
        return
    for name in names:
        moved = {each.number: each.significance[efficiency] for each in found if each.name == name}
        change = np.array([moved[n] - nominal[n] for n in moved if n in nominal])
        change = change[np.isfinite(change)]
        if len(change) < 2:
            yield not_made(MORPHING, f"{name} {cut}", f"{len(change)} experiments have a significance with both edges")
            continue
        mean, error = float(change.mean()), float(change.std(ddof=1) / len(change) ** 0.5)
        note = f"{len(change)} experiments; in one of them it changes by {float(change.std(ddof=1)):.2g}"
        yield _near(MORPHING, f"mean change of the significance, {name}, {cut}", (mean, error), 0.0, MOVED, note)


def not_made(group: str, name: str, why: str) -> Check:
    """A test that could not be made."""
    return Check(group, name, math.nan, math.nan, "", None, why)


def _near(group: str, name: str, found: tuple[float, float], right: float, tolerance: float, note: str) -> Check:
    """Passed within the tolerance and two errors, unless these are so large that much more would pass as well."""
    value, error = found
    off = abs(value - right)
    passed: bool | None = off - ERRORS * error < tolerance
    if passed and off + ERRORS * error > RESOLVED * tolerance:
        passed = None
        note = f"unresolved: {RESOLVED:g} times as much is not excluded, more experiments are needed; {note}"
    requirement = (
        f"within {right:g} ± {tolerance:g} and two errors" if right else f"within ± {tolerance:g} and two errors"
    )
    return Check(group, name, value, error, requirement, passed, note)
