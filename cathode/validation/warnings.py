"""What a result says in words: summaries of its parts, and warnings that a reader needs before believing a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from analysis.events import Events
from analysis.printing import number, p_value
from analysis.repeated import repeated_events
from analysis.statistics.binning import SPAN
from cathode.methods.protocol import Learned
from cathode.region import Region
from cathode.registry import METHODS
from cathode.result import FeatureTest, MassModelSummary, ReweightingSummary, SearchResult, Training
from cathode.template.mass_models import MassModel
from cathode.template.rejection import Reweighted, steps
from cathode.validation.inputs import heaviest, strange_columns
from cathode.validation.mass_fit import NEAR

#: Below this probability the mass fit, and what hangs on it, deserves a warning.
_BAD_FIT = 0.01

#: Template events after a cut that give a usable estimate.
_FEW = 25


def summary_of_mass_model(model: MassModel, region: Region, events: Events) -> MassModelSummary:
    """The fitted mass model and what it predicts in the window, beside what is there."""
    signal = events[region.signal(events.mass)]
    fit: Any = getattr(model, "density_", None)
    expected = model.expected()
    return MassModelSummary(
        kind=model.kind,
        parameters=dict(getattr(model, "parameters_", {})),
        chi2=_number(fit, "chi2"),
        ndof=None if _number(fit, "ndof") is None else int(fit.ndof),
        p_value=_number(fit, "p_value"),
        fit_range=tuple(getattr(model, "fit_range_", (region.low, region.high))),
        expected=float(expected.events),
        expected_error=float(expected.error),
        observed=float(signal.weights.sum()),
        far_below=int(np.count_nonzero(region.lower(events.mass) & (events.mass * SPAN < region.low))),
    )


def summary_of_trainings(learned: Mapping[str, Learned], seconds: Mapping[str, float]) -> tuple[Training, ...]:
    """Losses of every generator that keeps them."""
    return tuple(
        Training(
            stage=stage,
            epochs=len(generator.train_losses_),
            train_loss=tuple(generator.train_losses_),
            validation_loss=tuple(generator.validation_losses_),
            best_epochs=tuple(generator.best_epochs_),
            seconds=seconds.get("generator", 0.0),
        )
        for stage, generator in ((stage, each.generator) for stage, each in learned.items())
        if hasattr(generator, "train_losses_")
    )


def summary_of_reweightings(learned: Mapping[str, Learned]) -> tuple[ReweightingSummary, ...]:
    """Diagnostics of every generator that was reweighted, step by step."""
    return tuple(
        _reweighting(stage, number, each)
        for stage, found in learned.items()
        for number, each in enumerate(steps(found.sampler), start=1)
    )


def _reweighting(stage: str, number: int, sampler: Reweighted) -> ReweightingSummary:
    found = sampler.reweighting.diagnostics_
    return ReweightingSummary(
        stage=stage,
        step=number,
        auc_before=found.closure_before.value,
        auc_before_error=found.closure_before.error,
        auc_after=found.closure_after.value,
        auc_after_error=found.closure_after.error,
        outside_support=found.outside_support,
        events=found.weights.events,
        effective_sample_size=found.weights.effective_sample_size,
        largest=found.weights.largest,
        clipped=found.weights.clipped,
        drawn=sampler.drawn,
        proposed=sampler.proposed,
        unaccepted=sampler.unaccepted,
        warnings=sampler.warnings(),
    )


def warnings_of(result: SearchResult) -> tuple[str, ...]:
    """Everything that weakens the numbers, in plain words, the gravest first."""
    return tuple(_warnings(result))


def warnings_of_events(events: Events) -> tuple[str, ...]:
    """What the events themselves give reason to doubt."""
    return (*_left_out(events), *_repeated(events))


def warnings_of_inputs(events: Events, method: Mapping[str, Any]) -> tuple[str, ...]:
    """What features and weights give reason to doubt before anything is trained, with the line that mends it."""
    return (*_heavy(events), *_strange(events, method))


def _heavy(events: Events) -> Iterator[str]:
    found = heaviest(events)
    if found is not None:
        row, share = found
        yield (
            f"One event carries {100 * share:.0f} % of all weight ({events.place_of(row)}, weight "
            f"{events.weights[row]:.4g}): counts, fits and trainings are those of this event. Cut its weight in the "
            f"selection, as in `selection: abs(genWeight) < {0.5 * abs(events.weights[row]):.6g}`, or mend the weight."
        )


def _strange(events: Events, method: Mapping[str, Any]) -> Iterator[str]:
    """Features that no generator or no cut can be right about; a bijection that is made for them is an answer."""
    specification = str(method)
    for found in strange_columns(events):
        if found.what in ("equals", "follows"):
            verb = "is the mass in other words" if found.what == "equals" else "follows the mass"
            yield (
                f"The feature '{found.name}' {verb} (rank correlation {found.number:+.3f}): a classifier can find the "
                "window by it, and a cut then sculpts the spectrum. Leave it out of `features:`, or divide by the mass "
                f"what grows with it, as in `{found.name}: (…) / mass`."
            )
        elif "generator" not in method or "'dequantise'" in specification or "'atoms'" in specification:
            continue
        elif found.what == "steps":
            yield (
                f"The feature '{found.name}' has only {found.number:.0f} values, which no density on a line can have. "
                f"Under template.generator say {_mended(found.index, 'dequantise')}."
            )
        else:
            yield (
                f"The feature '{found.name}' has the value {found.number:g} in {100 * found.share:.0f} % of the "
                f"events, which no density on a line can have. Under template.generator say "
                f"{_mended(found.index, 'atoms')}."
            )


def _mended(index: int, kind: str) -> str:
    """Line of an analysis file that gives a column to a bijection that is made for it."""
    return (
        f'`bijection: {{kind: chain, bijections: [{{kind: columns, maps: {{"{index}": {kind}}}}}, quantile_normal]}}`'
    )


def _sighted(specification: Any) -> Iterator[str]:
    """Kinds of methods in a specification that learn the background from the window too."""
    if isinstance(specification, Mapping):
        kind = specification.get("kind")
        if kind in METHODS and not getattr(METHODS.resolve(kind), "blind", True):
            yield str(kind)
        specification = list(specification.values())
    if isinstance(specification, list | tuple):
        for each in specification:
            yield from _sighted(each)


def _round(edge: float) -> str:
    """An edge in GeV that nobody takes for a fitted one: two digits, or three of large ones."""
    return f"{float(f'{edge:.2g}'):g}"


def _left_out(events: Events) -> Iterator[str]:
    failed = [source for source in events.sources if source.error]
    if failed:
        yield (
            f"{len(failed)} of {len(events.sources)} files could not be read and were left out, the first because: "
            f"{failed[0].error} Luminosity and weights of the sample are not what the list of files says."
        )


def _repeated(events: Events) -> tuple[str, ...]:
    found = repeated_events(events)
    if found is None:
        return ()
    return (
        f"{found.events:,} of {len(events):,} events have the mass and all features of another event under another "
        f"number, where chance would give about {found.expected:.0f}; the first are {events.place_of(found.first)} and "
        f"{events.place_of(found.second)}. A sample that is there twice doubles its counts, and classifiers are asked "
        "about events that they were trained on: do not believe an excess before the copies are removed.",
    )


def _warnings(result: SearchResult) -> Iterator[str]:
    if result.withheld:
        yield f"No significance is quoted: {result.withheld}."
    for kind in dict.fromkeys(_sighted(result.method)):
        yield (
            f"This search is not blind: the method {kind} learns the background from the events of the window too, and "
            "no fold is held out of that. Compare with a method that is blind, such as cathode, before you believe an "
            "excess."
        )
    for region in result.closures:
        if not region.passed:
            yield (
                f"The template does not close in {region.low:g}–{region.high:g} GeV: a classifier tells it from data "
                f"with AUC {region.auc:.3f} ± {region.auc_error:.3f} (0.5 would be closure). Part of any excess may be "
                "a flaw of the template; train longer or use another generator."
            )
    if not result.closures:
        yield (
            "The template was not tested in validation regions of the sidebands, so its systematic uncertainty is "
            "unknown and not in the p-values. Switch the closure test on."
        )
    if result.region.sides != "both":
        yield (
            f"There is a sideband only {result.region.sides} the window: mass spectrum and template in it are "
            "extrapolated, not interpolated, and neither closure test nor errors show how far that can be trusted."
        )
    yield from _shifts(result)
    yield from _features(result)
    yield from _mass_fit(result)
    yield from _oversampled(result)
    if result.drawn:
        yield (
            f"The background above the cuts is counted from draws, because {result.drawn}. Draws of the default "
            "generator were too few by 3 to 18 % above a cut at 1 % in five windows of simulated dijets; sideband "
            "events that are moved along a flow were not. Only the validation regions say what it is here."
        )
    yield from _reweighted(result)
    # By the efficiency that the test itself names: a cut too tight to be tested has none.
    for test in result.sculpting:
        if not test.passed:
            yield (
                f"The cut at background efficiency {test.background_efficiency:g} changes the shape of the sideband "
                f"mass spectrum (p = {p_value(test.p_value)}). The counting result does not use that shape; a fit to "
                "the spectrum after this cut would."
            )
    model = result.mass_model
    if model.p_value is not None and model.p_value < _BAD_FIT:
        yield (
            f"The fit of the sideband mass spectrum is poor (χ² = {model.chi2:.0f} for {model.ndof} degrees of "
            f"freedom, p = {p_value(model.p_value)}). Only its shape inside the window is used, to draw masses."
        )
    if model.far_below:
        yield (
            f"{model.far_below} sideband events lie more than a factor {SPAN:g} below the window, where the mass fit "
            "leaves them out and the generator does not. Exclude them in the selection, or give the sidebands an outer "
            "edge."
        )
    yield from _expectations(result)


def _reweighted(result: SearchResult) -> Iterator[str]:
    """What a reweighting says of itself."""
    for reweighting in result.reweightings:
        which = "template" if reweighting.stage == "template" else "template of the sideband closure test"
        step = "" if reweighting.step == 1 else f", step {reweighting.step}"
        for words in reweighting.warnings:
            yield f"Reweighting of the {which}{step}: {words}"


def _expectations(result: SearchResult) -> Iterator[str]:
    """Where the expectation of a cut is none, is indirect, or comes from few events."""
    for cut in result.cuts:
        if cut.estimate == "spectrum":
            yield (
                f"At background efficiency {cut.background_efficiency:g} the expectation is a fit of the mass spectrum "
                f"after the cut, not a direct estimate: {cut.reason}. It holds only if the cut does not change the "
                "shape of the background spectrum."
            )
        elif cut.reason and cut.reason != result.withheld:
            yield (
                f"At background efficiency {cut.background_efficiency:g} there is no expectation: {cut.reason}. Loosen "
                "the cut, or use a reference with fewer negative weights."
            )
        if "scores are tied" in cut.obstacle:
            yield (
                f"The classifier tells too few events apart for a cut at {cut.background_efficiency:g}: "
                f"{cut.obstacle}. Give it more to look at under `features:`, or ask for a looser cut, as in "
                f"`background_efficiencies: [{2 * cut.effective_efficiency:.1g}]`."
            )
        if cut.template_passing < _FEW:
            yield (
                f"Only {cut.template_passing} template events pass the cut at background efficiency "
                f"{cut.background_efficiency:g}; raise the oversampling for a firmer estimate."
            )


def _oversampled(result: SearchResult) -> Iterator[str]:
    """Whether more events were drawn than the template is worth."""
    size = result.template_size
    if size is not None and size.high is not None and result.counts.template > size.high:
        yield (
            f"The template has {result.counts.template:,} events and is worth {size}, by its features in the "
            "validation regions: more draws make its statistical error smaller and not the template better. Train "
            "longer or use another generator, not a higher oversampling; what is quoted rests on the systematic."
        )


def _number(fit: Any, name: str) -> float | None:
    value = getattr(fit, name, None)
    return None if value is None else float(value)


def _shifts(result: SearchResult) -> Iterator[str]:
    """What counted and predicted events of the validation regions say of each cut."""
    for cut in result.cuts:
        where = f"at background efficiency {cut.background_efficiency:g}"
        if cut.shift:
            yield (
                f"In the validation regions the events that pass the cut {where} were off the prediction by "
                f"{100 * cut.shift:+.2g} %; the expectation is corrected for it."
            )
        mine = [each for each in result.region_shifts if each.background_efficiency == cut.background_efficiency]
        for each in mine:
            if not each.passed:
                whose = "" if each.classifiers == "region" else " by the classifiers of the window"
                yield (
                    f"In {each.low:g}–{each.high:g} GeV {each.counted:.4g} events passed the cut {where}{whose} where "
                    f"{each.expected * (1 + cut.shift):.4g} were expected, which is "
                    f"{abs(each.shift - cut.shift) / each.error:.1f} standard errors off (p = {p_value(each.p_value)} "
                    "for all regions and cuts). The systematic error contains it; the template is not right there."
                )


def _features(result: SearchResult) -> Iterator[str]:
    """Which features differ, region by region."""
    failed: dict[tuple[float, float], list[FeatureTest]] = {}
    for test in result.feature_tests:
        if not test.passed:
            failed.setdefault((test.low, test.high), []).append(test)
    for (low, high), tests in failed.items():
        listed = ", ".join(f"{t.feature} ({100 * t.deviation:.2g} %)" for t in tests)
        yield (
            f"The distribution of {listed} in {low:g}–{high:g} GeV is not that of the data: root mean square of the "
            "difference beyond statistics in brackets, significant among all features and regions. A cut on the score "
            "may select what is wrong there."
        )


def _mass_fit(result: SearchResult) -> Iterator[str]:
    """Where the mass fit is off."""
    lowest = result.mass_model.fit_range[0]
    for test in result.mass_fit_tests:
        if test.passed:
            continue
        where = f"{test.low:g}–{test.high:g} GeV"
        expected, there = f"{number(test.expected)} ± {number(test.error)}", number(test.observed)
        numbers = f"{expected} expected, {there} there, {test.pull:+.1f} errors"
        if test.what == "nearby sidebands":
            yield (
                f"The sidebands nearby predict another count in {where} than all of them: {there} where "
                f"all give {expected}, {test.pull:+.1f} errors. Limit the sidebands, as in "
                f"`sidebands: [{_round(test.low / NEAR)}, {_round(test.high * NEAR)}]` under `region:`."
            )
        elif test.fails:
            yield (
                f"The mass fit does not predict the events in {where}: {numbers}. The template has the masses of that "
                f"fit; begin the sidebands above the turn-on, as in `sidebands: [{_round(0.5 * (lowest + test.low))}, "
                "null]` under `region:`, or say `mass_model: {kind: kde}`."
            )
        else:
            yield (
                f"The window holds more events than the mass fit expects before any cut: {numbers}. Either the signal "
                "is so strong that it needs no classifier, or the fit misses."
            )
