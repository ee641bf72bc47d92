"""`SearchResult`: everything that a search found, as frozen dataclasses that survive a round trip through JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from analysis.events import SourceFile
from analysis.printing import html_table, number, p_value, sigma
from cathode.runtime.documents import Document

#: A held-out classifier may tell template from data this well before a validation region fails.
TOLERANCE = 0.51

#: "passed" needs regions that all closed, and enough events in them to have seen a difference as large as tolerated.
Validation = Literal["passed", "failed", "unresolved", "not made"]
#: The same, the worst first.
_WORST_FIRST: tuple[Validation, ...] = ("failed", "unresolved", "not made", "passed")


def worst(validations: Iterable[str]) -> str:
    """The worst verdict of several searches; that of none is that validation was not made."""
    said = set(validations)
    return next((each for each in _WORST_FIRST if each in said), "not made")


#: Why no significance is claimed.
NOT_CLAIMED: Mapping[Validation, str] = {
    "failed": "validation failed",
    "unresolved": "validation has too few events to see a difference as large as its tolerance",
    "not made": "validation was not made",
}

#: A cut that leaves so many times the events that it was asked for is one of tied scores.
_TIED = 2.0


@dataclass(frozen=True)
class CutResult:
    """One cut on the score, at a background efficiency as configured.

    Attributes
    ----------
    background_efficiency : the efficiency that was asked for.
    observed : events of the signal region that pass.
    expected : background events predicted by the template.
    statistical : absolute error of `expected` from the finite template, in events.
    systematic : absolute error of `expected` from the closure test, in events.
    p_value_exact : p-value of counting against a finite template (negative binomial), without the systematic.
    p_value : p-value including the systematic; this is the one to quote.
    significance : in one-sided standard deviations: of `p_value` for an excess, and for a deficit, where it is
        negative, of the probability of at most as many events.
    thresholds : score threshold of each fold.
    template_passing, template_total : template events that pass, and all of them, summed over the folds.
    signal_efficiency : fraction of the true signal that passes, or None where nobody knows.
    estimate : what `expected` comes from: "template", the share of the reference that passes, or "spectrum", a fit of
        the mass spectrum after the cut. NaN in `expected`, p-values and significance says that there is none.
    reason : why it does not come from the template, or why there is none; else empty.
    shift : relative correction that `expected` contains, from the mean of the closure test.
    resolution : relative systematic that the closure test can not tell from none.
    realised_efficiency : share of the template that passes, by weight; None in results of before.
    ensemble_spread : relative error of `expected` from how far the members of an ensemble of generators are apart; the
        systematic is never below it. None where the template comes from one generator.
    spread : standard deviation of `significance` over the members of the classifier ensemble, for the mean of all; None
        where there is no ensemble. Retraining the generator adds to it.
    per_event : Σw²/Σw of the events of the window, 1 without weights: so much weight fluctuates like one event.
    """

    derived: ClassVar[tuple[str, ...]] = ("effective_efficiency", "exact_usable", "obstacle")

    background_efficiency: float
    observed: float
    expected: float
    statistical: float
    systematic: float
    p_value_exact: float
    p_value: float
    significance: float
    thresholds: tuple[float, ...]
    template_passing: int
    template_total: int
    signal_efficiency: float | None = None
    estimate: str = "template"
    reason: str = ""
    shift: float = 0.0
    resolution: float = 0.0
    realised_efficiency: float | None = None
    spread: float | None = None
    ensemble_spread: float | None = None
    per_event: float = 1.0

    @property
    def uncertainty(self) -> float:
        """Statistical and systematic error of `expected`, added in quadrature."""
        return math.hypot(self.statistical, self.systematic)

    @property
    def effective_efficiency(self) -> float:
        """Fraction of the template that passes; differs from what was asked for by rounding and by ties."""
        if self.realised_efficiency is not None:
            return self.realised_efficiency
        return self.template_passing / self.template_total if self.template_total else 0.0

    @property
    def exact_usable(self) -> bool:
        """Whether `p_value_exact`, which knows no systematic, agrees with the validation regions.

        It does not where they have a common mean that had to be corrected for, or scatter by more than they resolve.
        """
        relative = self.systematic * (1 + self.shift) / self.expected if self.expected else 0.0
        scatters = self.resolution > 0 and relative**2 > 2 * self.resolution**2
        return self.shift == 0 and not scatters

    @property
    def obstacle(self) -> str:
        """Why no significance can be computed; empty if it can."""
        if not math.isfinite(self.significance) or not self.expected > 0:
            return self.reason or "no background is expected"
        if self.uncertainty > self.expected:
            return f"the error of the expected background is {100 * self.uncertainty / self.expected:.0f} % of it"
        if self.effective_efficiency > _TIED * self.background_efficiency:
            return (
                f"scores are tied: {100 * self.effective_efficiency:.3g} % of the template pass a cut that was to keep "
                f"{100 * self.background_efficiency:.3g} %"
            )
        return ""

    def local(self, validation: Validation) -> str:
        """The local significance as it may be shown; in parentheses where validation does not support a claim."""
        if self.obstacle:
            return "not computable"
        text = sigma(self.significance, self.spread)
        return text if validation == "passed" else f"({text})"


@dataclass(frozen=True)
class CalibratedCut:
    """What a cut is worth under background-only pseudo-experiments of the same search, everything retrained.

    Attributes
    ----------
    background_efficiency : which cut.
    p_value : corrected, with `low` and `high` one standard deviation of the pseudo-experiments away.
    significance : of `p_value`, signed.
    resolution : the smallest p-value that so many experiments can give.
    extrapolated : whether it comes from the tail of a normal distribution fitted to them.
    experiments, null_mean, null_width : how many there were, and mean and width of their significances.
    null : their significances, (experiments,).
    """

    background_efficiency: float
    p_value: float
    low: float
    high: float
    significance: float
    resolution: float
    extrapolated: bool
    experiments: int
    null_mean: float
    null_width: float
    null: tuple[float, ...] = ()


@dataclass(frozen=True)
class Closure:
    """A classifier that tries to tell template from data in a validation region; `auc` of 0.5 is closure."""

    low: float
    high: float
    auc: float
    auc_error: float
    events: int
    template_events: int
    passed: bool


@dataclass(frozen=True)
class RegionShift:
    """Counted and predicted events above one cut in one validation region, or in neighbouring ones that are few.

    `shift` is counted over predicted less one, `error` its standard deviation; `counted` and `expected` are in
    effective events. `classifiers` are those of the region, or those of the window, asked about regions far from it.
    `p_value` is that of the shift less the common one, for all regions and cuts of the search together.
    """

    background_efficiency: float
    low: float
    high: float
    counted: float
    expected: float
    shift: float
    error: float
    classifiers: Literal["region", "window"] = "region"
    p_value: float = 1.0
    passed: bool = True


@dataclass(frozen=True)
class FeatureTest:
    """One feature in one validation region: χ² and Kolmogorov–Smirnov of template against data.

    `deviation` is the root mean square relative difference of the bins beyond statistics, `p_value` the smaller one of
    both tests, of this feature alone; `passed` knows how many there are, and what is too small to matter. `size` are
    the effective events N·M / (N + M) of the comparison, 0 in results of before.
    """

    low: float
    high: float
    feature: str
    chi2: float
    ndof: int
    ks: float
    deviation: float
    p_value: float
    passed: bool
    size: float = 0.0


@dataclass(frozen=True)
class TemplateSize:
    """How many true events the template is worth, n_equiv, by its features in the validation regions.

    `events` is None where template and data differ by no more than chance; `low` and `high` are two standard errors
    away, and `high` is None where no upper end is seen.
    """

    events: float | None
    low: float
    high: float | None

    def __str__(self) -> str:
        if self.high is None:
            return f"more than {self.low:,.0f} true events"
        assert self.events is not None
        return f"about {self.events:,.0f} true events ({self.low:,.0f} to {self.high:,.0f})"


@dataclass(frozen=True)
class MassFitTest:
    """What a mass fit expects somewhere, and what is there.

    `what` is the window, a validation region that a fit was made without, or the window as the sidebands nearby predict
    it, which is `observed` then. `pull` is the difference over its error.
    """

    what: str
    low: float
    high: float
    expected: float
    error: float
    observed: float
    pull: float
    passed: bool

    @property
    def fails(self) -> bool:
        """Whether it speaks against the fit; more events in the window may be a signal, fewer can not."""
        return not self.passed and not (self.what == "window" and self.pull > 0)


@dataclass(frozen=True)
class Sculpting:
    """Whether the cut changes the shape of the mass spectrum; p-values are small when it does.

    `p_value` is that of χ² and decides; Kolmogorov–Smirnov distance and distance correlation see changes of any form.
    `largest` is how much more or less of the events of one bin of mass pass than of all, beyond two standard errors.
    None where they were not measured.
    """

    background_efficiency: float
    chi2: float
    ndof: float
    p_value: float
    passed: bool
    ks: float | None = None
    ks_p_value: float | None = None
    distance_correlation: float | None = None
    distance_p_value: float | None = None
    largest: float | None = None


@dataclass(frozen=True)
class MassModelSummary:
    """The fit of the mass spectrum outside of the blinded window, and what it predicts inside.

    `expected` and `expected_error` are events in the signal region before any cut, `observed` is the count there, and
    `far_below` the number of sideband events that lie too far below the window to be described.
    """

    kind: str
    parameters: dict[str, float]
    chi2: float | None
    ndof: int | None
    p_value: float | None
    fit_range: tuple[float, float]
    expected: float
    expected_error: float
    observed: float
    far_below: int = 0


@dataclass(frozen=True)
class Training:
    """Loss per epoch of one training; `stage` says of what ("template", "validation", "classifier fold 0", …)."""

    stage: str
    epochs: int
    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    best_epochs: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class ReweightingSummary:
    """What one sideband reweighting did to one template; `stage` says to which ("template", "validation").

    Attributes
    ----------
    step : which of several it is, from 1; each corrects what those before it left.
    auc_before, auc_before_error, auc_after, auc_after_error : closure in the sidebands, held out; 0.5 is perfect.
    outside_support : fraction of the sideband data where the template is too thin for any weight.
    events, effective_sample_size, largest, clipped : the sideband template and its weights; the largest in units of the
        mean.
    drawn, proposed, unaccepted : events that were drawn (of the last step, the template), draws of what is reweighted
        that they took, and events that were never kept.
    warnings : in plain words.
    """

    stage: str
    auc_before: float
    auc_before_error: float
    auc_after: float
    auc_after_error: float
    outside_support: float
    events: int
    effective_sample_size: float
    largest: float
    clipped: int
    drawn: int
    proposed: int
    unaccepted: int
    warnings: tuple[str, ...] = ()
    step: int = 1


@dataclass(frozen=True)
class TruthEvaluation:
    """How well the held-out scores rank true signal above true background in the signal region.

    `sic` maps a background efficiency to (significance improvement, error). `idealised` is the same evaluation of the
    same classifier with true background in the place of the template: the bound of any template.
    """

    signal_events: int
    background_events: int
    auc: float
    auc_error: float
    max_sic: float
    max_sic_error: float
    efficiency_at_max: float
    sic: dict[float, tuple[float, float]] = field(default_factory=dict)
    idealised: TruthEvaluation | None = None


@dataclass(frozen=True)
class Counts:
    """Selected events by place; `template` counts the generated ones."""

    total: int
    signal_region: int
    sideband_below: int
    sideband_above: int
    template: int


@dataclass(frozen=True)
class RegionSummary:
    """Borders of the search in GeV, half-open; a sideband border of None means all events on that side.

    `veto` are ranges that belong to no sideband, and `sides` says where sidebands are: "both", "below" or "above".
    """

    low: float
    high: float
    sideband_low: float | None = None
    sideband_high: float | None = None
    veto: tuple[tuple[float, float], ...] = ()
    sides: Literal["both", "below", "above"] = "both"


@dataclass(frozen=True)
class SearchResult(Document):
    """What one search found, how it was validated, and from what it was made.

    Attributes
    ----------
    region : borders of the signal region and the sidebands, GeV.
    columns : names of the features that were read.
    method : kind and hyperparameters of the method and of its parts.
    observables : kind and hyperparameters of what the classifier saw of them.
    counts : how many events went where.
    mass_model : the fit of the sideband spectrum.
    cuts : one per background efficiency, in the order in which they were asked for.
    closures, sculpting : validation in data.
    region_shifts : counted and predicted events of every cut in every validation region.
    feature_tests : template against data, feature by feature, in every validation region.
    template_size : how many true events the template is worth by them; None without.
    mass_fit_tests : the mass fit against counts, in the window and beside it.
    cuts_agree : chance that all cuts have the same correction and systematic, which they share where it is not small.
    systematics : background efficiency -> relative systematic error of the expected background.
    trainings : losses of everything that was trained.
    reweightings : what sideband reweighting did to the template and to that of the closure test; empty without.
    argos : figure of merit of the held-out scores without labels, see `held_out_argos`; None in results of before.
    findings : what the method measured of its own, such as the fraction of signal of r_anode; empty for most.
    truth : evaluation against truth labels, or None for real data.
    calibrated : every cut under a calibration of this search; empty without one.
    drawn : why the expectation counts draws of a generator and no sideband events; empty where it does not.
    withheld : why no p-value and no significance is quoted, with the remedy; empty where they are.
    warnings : what a reader must know before believing the numbers, in plain words.
    inputs : the files that were read.
    versions : package -> version.
    config : the resolved analysis file (JSON types only), or None when the search was composed in Python.
    seed : the seed of everything random.
    seconds : stage -> wall time.
    fingerprint : hash of data and settings; equal fingerprints mean the same analysis.
    configured : when the run folder first saw this configuration, ISO 8601 in UTC; empty without a folder.
    conclusion : the headline, see `cathode.validation.claims`.
    quick : whether it was a cheap trial, with everything small, which is no result.
    """

    schema_version: ClassVar[int] = 3
    renamed: ClassVar[Mapping[int, Mapping[str, str]]] = {
        1: {"reweightings.unreached": "outside_support", "reweightings.exhausted": "unaccepted"},
        2: {},
    }
    derived: ClassVar[tuple[str, ...]] = ("validation",)

    region: RegionSummary
    columns: tuple[str, ...]
    counts: Counts
    mass_model: MassModelSummary
    cuts: tuple[CutResult, ...]
    observables: dict[str, Any] = field(default_factory=lambda: {"kind": "as_read"})
    method: dict[str, Any] = field(default_factory=lambda: {"kind": "cathode"})
    closures: tuple[Closure, ...] = ()
    sculpting: tuple[Sculpting, ...] = ()
    systematics: dict[float, float] = field(default_factory=dict)
    region_shifts: tuple[RegionShift, ...] = ()
    feature_tests: tuple[FeatureTest, ...] = ()
    template_size: TemplateSize | None = None
    mass_fit_tests: tuple[MassFitTest, ...] = ()
    cuts_agree: float = 1.0
    trainings: tuple[Training, ...] = ()
    reweightings: tuple[ReweightingSummary, ...] = ()
    argos: float | None = None
    findings: dict[str, float] = field(default_factory=dict)
    truth: TruthEvaluation | None = None
    calibrated: tuple[CalibratedCut, ...] = ()
    drawn: str = ""
    withheld: str = ""
    warnings: tuple[str, ...] = ()
    inputs: tuple[SourceFile, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] | None = None
    seed: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    fingerprint: str = ""
    configured: str = ""
    conclusion: str = ""
    quick: bool = False

    @property
    def primary(self) -> CutResult:
        """The cut that was listed first; never the best one, which would be a choice after looking."""
        return self.cuts[0]

    @property
    def validation(self) -> Validation:
        """What all tests came to: AUC, counts and features in the validation regions, and the mass fit.

        Sculpting does not enter: counting against the template makes no use of the mass spectrum after the cut.
        """
        if self.withheld:
            return "failed"
        if not self.closures:
            return "not made"
        groups = (
            [test.passed for test in self.closures],
            [test.passed for test in self.region_shifts],
            [test.passed for test in self.feature_tests],
            [not test.fails for test in self.mass_fit_tests],
        )
        if not all(all(group) for group in groups):
            return "failed"
        value, error = self.closure_mean
        if value - 2 * error > TOLERANCE:
            return "failed"
        return "passed" if 2 * error < TOLERANCE - 0.5 else "unresolved"

    @property
    def validated(self) -> bool:
        """Whether a validation was made, and passed at a resolution that could have seen it fail."""
        return self.validation == "passed"

    @property
    def closure_mean(self) -> tuple[float, float]:
        """Weighted mean of the AUC of all validation regions and its error; NaN without any."""
        if not self.closures:
            return math.nan, math.nan
        weights = [max(closure.auc_error, 1e-9) ** -2 for closure in self.closures]
        mean = sum(w * closure.auc for w, closure in zip(weights, self.closures, strict=True)) / sum(weights)
        return mean, sum(weights) ** -0.5

    def __repr__(self) -> str:
        cut = self.primary
        return (
            f"<SearchResult: {self.region.low:g}–{self.region.high:g} GeV, {cut.observed:g} observed, "
            f"{cut.expected:.1f} expected at background efficiency {cut.background_efficiency:g}, "
            f"{cut.local(self.validation)}, validation {self.validation}>"
        )

    def _repr_html_(self) -> str:
        """A table for notebooks, the headline above it."""
        header = ("background efficiency", "observed", "expected", "stat", "sys", "p", "local")
        rows = [
            (
                f"{c.background_efficiency:g}",
                number(c.observed),
                number(c.expected),
                f"± {number(c.statistical)}",
                f"± {number(c.systematic)}",
                p_value(c.p_value),
                c.local(self.validation),
            )
            for c in self.cuts
        ]
        warnings = [(warning,) for warning in self.warnings]
        return html_table(self.conclusion, header, rows) + (html_table("", ("Warnings",), warnings) if warnings else "")

    def __str__(self) -> str:
        region = f"Signal region {self.region.low:g}–{self.region.high:g} GeV: {self.counts.signal_region:,} events."
        cuts = [
            f"Background efficiency {c.background_efficiency:g}: {c.observed:g} observed, {c.expected:.1f} "
            f"± {c.statistical:.1f} (stat) ± {c.systematic:.1f} (sys) expected; "
            f"local significance {c.local(self.validation)} (p = {c.p_value:.2g})."
            for c in self.cuts
        ]
        if not self.validated:
            cuts.append(f"No significance is claimed: {NOT_CLAIMED[self.validation]}.")
        cuts += [
            f"Background efficiency {c.background_efficiency:g}, calibrated by {c.experiments} pseudo-experiments: "
            f"p = {c.p_value:.2g} ({c.low:.2g} to {c.high:.2g}), {sigma(c.significance)}"
            + (", extrapolated." if c.extrapolated else ".")
            for c in self.calibrated
        ]
        return "\n".join([region, *cuts, *(f"Warning: {w}" for w in self.warnings)])
