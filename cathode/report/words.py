"""The way from scores to the p-value of a cut, in sentences, with every number in between."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.printing import number, p_value, sigma
from cathode.result import CutResult, SearchResult
from cathode.validation.claims import configuration


@dataclass(frozen=True)
class Step:
    """One step of a calculation: what was done, and the numbers that it was done with."""

    text: str
    numbers: str


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
            + configuration(result),
            "score ≥ "
            + ", ".join(f"{t:.4g}" for t in cut.thresholds)
            + f"; {100 * cut.effective_efficiency:.3g} % of the template remain",
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
            f"{number(cut.systematic)} events" + _apart(cut),
        ),
        Step("Then the events of the signal region that pass were counted.", f"{number(cut.observed)} events"),
        Step(
            "How often background alone gives at least that many, when only the finite template is uncertain: exact, "
            "from the negative binomial distribution."
            + ("" if cut.exact_usable else " Unusable here: the validation regions say that there is more."),
            f"p = {p_value(cut.p_value_exact)}",
        ),
        Step(
            "The same with the systematic error added in quadrature, as if the background had been counted in a "
            "sample of correspondingly fewer events (Cousins, Linnemann, Tucker, physics/0702156). This is the "
            "p-value to quote.",
            f"{number(cut.expected)} ± {number(cut.uncertainty)} events ({number(total)} %): p = "
            f"{p_value(cut.p_value)}, {_one_sided(cut)}",
        ),
    ]


def _apart(cut: CutResult) -> str:
    """What an ensemble of generators adds; empty where there is none."""
    if cut.ensemble_spread is None:
        return ""
    return f"; members of the ensemble of generators alone would leave ± {number(100 * cut.ensemble_spread)} %"


def _one_sided(cut: CutResult) -> str:
    return "not computable" if cut.obstacle else f"{sigma(cut.significance, cut.spread, digits=2)} one-sided"
