"""`SearchResult`: everything that a search found, as frozen dataclasses that survive a round trip through JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from analysis.events import SourceFile
from cathode.runtime.documents import Document


@dataclass(frozen=True)
class CutResult:
    """One cut on the score, at a background efficiency that was chosen before looking.

    Attributes
    ----------
    background_efficiency : the efficiency that was asked for.
    observed : events of the signal region that pass.
    expected : background events predicted by the template.
    statistical : absolute error of `expected` from the finite template, in events.
    systematic : absolute error of `expected` from the closure test, in events.
    p_value_exact : p-value of counting against a finite template (negative binomial), without the systematic.
    p_value : p-value including the systematic; this is the one to quote.
    significance : `p_value` in one-sided standard deviations; 0 for a deficit.
    thresholds : score threshold of each fold.
    template_passing, template_total : template events that pass, and all of them, summed over the folds.
    signal_efficiency : fraction of the true signal that passes, or None where nobody knows.
    estimate : what `expected` comes from: "template", the share of the reference that passes, or "spectrum", a fit of
        the mass spectrum after the cut. NaN in `expected`, p-values and significance says that there is none.
    reason : why it does not come from the template; empty where it does.
    shift : relative correction that `expected` contains, from the mean of the closure test.
    resolution : relative systematic that the closure test can not tell from none.
    """

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

    @property
    def uncertainty(self) -> float:
        """Statistical and systematic error of `expected`, added in quadrature."""
        return float((self.statistical**2 + self.systematic**2) ** 0.5)

    @property
    def effective_efficiency(self) -> float:
        """Fraction of the template that passes; differs from what was asked for by rounding and by ties."""
        return self.template_passing / self.template_total if self.template_total else 0.0


@dataclass(frozen=True)
class CalibratedCut:
    """What a cut is worth under background-only pseudo-experiments of the same search, everything retrained.

    Attributes
    ----------
    background_efficiency : which cut.
    p_value : corrected, with `low` and `high` one standard deviation of the pseudo-experiments away.
    significance : of `p_value`, signed.
    resolution : the smallest p-value that so many experiments can give.
    extrapolated : whether it comes from a normal tail fitted to them.
    experiments, null_mean, null_width : how many there were, and mean and width of their significances.
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
    effective events.
    """

    background_efficiency: float
    low: float
    high: float
    counted: float
    expected: float
    shift: float
    error: float


@dataclass(frozen=True)
class Sculpting:
    """Whether the cut changes the shape of the mass spectrum; `p_value` is small when it does."""

    background_efficiency: float
    chi2: float
    ndof: float
    p_value: float
    passed: bool


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
    systematics : background efficiency -> relative systematic error of the expected background.
    trainings : losses of everything that was trained.
    reweightings : what sideband reweighting did to the template and to that of the closure test; empty without.
    truth : evaluation against truth labels, or None for real data.
    calibrated : every cut under a calibration of this search; empty without one.
    warnings : what a reader must know before believing the numbers, in plain words.
    inputs : the files that were read.
    versions : package -> version.
    config : the resolved analysis file (JSON types only), or None when the search was composed in Python.
    seed : the seed of everything random.
    seconds : stage -> wall time.
    fingerprint : hash of data and settings; equal fingerprints mean the same analysis.
    """

    schema_version: ClassVar[int] = 2
    renamed: ClassVar[Mapping[int, Mapping[str, str]]] = {
        1: {"reweightings.unreached": "outside_support", "reweightings.exhausted": "unaccepted"}
    }

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
    trainings: tuple[Training, ...] = ()
    reweightings: tuple[ReweightingSummary, ...] = ()
    truth: TruthEvaluation | None = None
    calibrated: tuple[CalibratedCut, ...] = ()
    warnings: tuple[str, ...] = ()
    inputs: tuple[SourceFile, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] | None = None
    seed: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def primary(self) -> CutResult:
        """The cut that was listed first; never the best one, which would be a choice after looking."""
        return self.cuts[0]

    @property
    def validated(self) -> bool:
        """Whether the template closed in every validation region that was tested.

        Sculpting does not enter: counting against the template makes no use of the mass spectrum after the cut.
        """
        return all(closure.passed for closure in self.closures)

    def __str__(self) -> str:
        region = f"Signal region {self.region.low:g}–{self.region.high:g} GeV: {self.counts.signal_region:,} events."
        cuts = [
            f"Background efficiency {c.background_efficiency:g}: {c.observed:g} observed, {c.expected:.1f} "
            f"± {c.statistical:.1f} (stat) ± {c.systematic:.1f} (sys) expected; "
            f"local significance {c.significance:.1f} σ (p = {c.p_value:.2g})."
            for c in self.cuts
        ]
        cuts += [
            f"Background efficiency {c.background_efficiency:g}, calibrated by {c.experiments} pseudo-experiments: "
            f"p = {c.p_value:.2g} ({c.low:.2g} to {c.high:.2g}), {c.significance:.1f} σ"
            + (", extrapolated." if c.extrapolated else ".")
            for c in self.calibrated
        ]
        return "\n".join([region, *cuts, *(f"Warning: {w}" for w in self.warnings)])
