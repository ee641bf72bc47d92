"""What a result means, in sentences: the verdict, its validation, and the way from scores to the p-value."""

from __future__ import annotations

from dataclasses import dataclass

from cathode.result import CutResult, SearchResult


@dataclass(frozen=True)
class Step:
    """One step of a calculation: what was done, and the numbers that it was done with."""

    text: str
    numbers: str


def headline(result: SearchResult) -> str:
    """The verdict in one sentence, for the cut that was listed first."""
    cut = result.primary
    where = f"between {result.region.low:g} and {result.region.high:g} GeV"
    failed = "" if result.validated else ", but validation failed"
    if cut.significance < 1:
        return f"No significant excess {where}{failed}."
    size = "A small" if cut.significance < 2 else "A mild" if cut.significance < 3 else "An"
    if cut.significance >= 5:
        size = "A strong"
    return f"{size} excess {where}: {cut.significance:.1f} σ locally{failed}."


def validation(result: SearchResult) -> str:
    """What the closure test said, in one sentence; empty if none was made."""
    if not result.closures:
        return ""
    worst = max(result.closures, key=lambda c: abs(c.auc - 0.5))
    measured = f"AUC {worst.auc:.3f} ± {worst.auc_error:.3f} in {worst.low:g}–{worst.high:g} GeV; 0.5 would be perfect"
    if result.validated:
        return f"Validation passed: in validation regions template and data can hardly be told apart ({measured})."
    failed = sum(not c.passed for c in result.closures)
    return (
        f"Validation failed: in {failed} of {len(result.closures)} validation regions a classifier tells "
        f"template from data ({measured}). Do not quote the significance."
    )


def derivation(result: SearchResult, cut: CutResult) -> list[Step]:
    """From scores to the p-value of one cut, with every number in between."""
    relative = 100 * cut.systematic / cut.expected if cut.expected else 0.0
    total = 100 * cut.uncertainty / cut.expected if cut.expected else 0.0
    return [
        Step(
            "Every event was scored by a classifier that had not seen it. Folds come from a hash of run, luminosity "
            "block and event number.",
            f"{len(cut.thresholds)} folds",
        ),
        Step(
            f"In each fold the score was cut where {cut.background_efficiency:g} of the held-out template remains. "
            "This background efficiency was chosen before the data were looked at.",
            "score ≥ " + ", ".join(f"{t:.4g}" for t in cut.thresholds),
        ),
        Step(
            "The fraction of the template that passes, times the number of events in the signal region, is the "
            "expected background; it is taken fold by fold and summed.",
            f"{cut.template_passing:,} of {cut.template_total:,} pass; × {result.counts.signal_region:,} events "
            f"= {number(cut.expected)} events",
        ),
        Step(
            "The template is finite, which is a statistical error; events of it that are made of one event of the "
            "sidebands count once.",
            f"{number(cut.expected)} / √{number((cut.expected / cut.statistical) ** 2)} = ± "
            f"{number(cut.statistical)} events",
        ),
        Step(
            "How well the template predicts events that it was not fitted to was measured in validation regions of "
            "the sidebands: a common mean corrects the expectation, their scatter beyond statistics is the systematic "
            "error. "
            f"Less than {number(100 * cut.resolution)} % could not be told from none.",
            f"correction {100 * cut.shift:+.2g} %; {number(relative)} % of {number(cut.expected)} = ± "
            f"{number(cut.systematic)} events",
        ),
        Step("Then the events of the signal region that pass were counted.", f"{number(cut.observed)} events"),
        Step(
            "How often background alone gives at least that many, when only the finite template is uncertain: exact, "
            "from the negative binomial distribution.",
            f"p = {p_value(cut.p_value_exact)}",
        ),
        Step(
            "The same with the systematic error added in quadrature, as if the background had been counted in a "
            "sample of correspondingly fewer events (Cousins, Linnemann, Tucker, physics/0702156). This is the "
            "p-value to quote.",
            f"{number(cut.expected)} ± {number(cut.uncertainty)} events ({number(total)} %): p = "
            f"{p_value(cut.p_value)}, {cut.significance:.2f} σ one-sided",
        ),
    ]


CAVEATS = (
    "The p-values are local: they are for this one window and this one cut. Looking in several places makes a small "
    "p-value likely somewhere (trials factor).",
    "Training in folds that share events makes p-values somewhat too small in the far tail (Hein, Nachman, Shih, "
    "2512.13787). Calibrate with background-only pseudo-experiments before quoting more than 3 σ.",
)


def number(value: float) -> str:
    """Events for reading: whole numbers stay whole, the rest gets three significant digits or one decimal.

    >>> number(612.0), number(480.33), number(0.01234)
    ('612', '480.3', '0.0123')
    """
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


def p_value(value: float) -> str:
    """A p-value for reading.

    >>> p_value(0.0421), p_value(3.3e-7), p_value(0.0)
    ('0.042', '3.3 × 10⁻⁷', 'below 10⁻³⁰⁰')
    """
    if value == 0:
        return "below 10⁻³⁰⁰"
    if value >= 1e-3:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}"


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
