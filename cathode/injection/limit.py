"""The limit of a search whose cut was learned: it keeps more of a large signal than of a small one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.inference.counting_model import CountingModel
from analysis.inference.limits import BANDS, UpperLimit, asymptotic_limit
from cathode.errors import InjectionError
from cathode.injection.experiments import CutFound, Injection
from cathode.result import worst

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SignalYield:
    """Injected events that pass a cut, against how many were injected: mean and standard error over repeats, (G,).

    What passes is counted beyond what the signal adds to the expectation: this is the background efficiency times all
    events of the window, and the injected ones are among them. `efficiency` is the ratio; it belongs to the strength at
    which it was found. `scatter` is the standard deviation of one search beyond that of its number of events: other
    trainings keep another share.
    """

    injected: FloatArray
    passing: FloatArray
    error: FloatArray
    scatter: FloatArray

    @property
    def efficiency(self) -> FloatArray:
        """Share of injected events that pass, (G,)."""
        return self.passing / self.injected

    def limits(self, model: CountingModel) -> tuple[FloatArray, FloatArray]:
        """Limits on passing events, observed (G,) and expected (5, G), with the scatter of every strength."""
        # What passes is in injected events, the error of a model in those that fluctuate as such.
        errors = [math.hypot(model.error, each * model.signal) for each in self.scatter]
        found = [asymptotic_limit(replace(model, error=error)) for error in errors]
        return np.array([each.observed for each in found]), np.array([each.expected for each in found]).T

    def excluded(self, events: float | FloatArray) -> float:
        """The smallest strength from which on more than so many events pass: what a limit on these excludes.

        The limit is one number, or (G,) where it depends on the strength.

        Never less than the smallest that was injected: a cut keeps a smaller share of a weaker signal, and how much
        less was not tried.

        Raises
        ------
        InjectionError
            If the largest injected signal leaves fewer: nothing is said beyond it.
        """
        limit = np.broadcast_to(np.asarray(events, dtype=np.float64), self.passing.shape)
        enough = self.passing >= limit
        if not enough[-1]:
            raise InjectionError(
                f"{self.passing[-1]:.3g} events pass of the largest injected signal ({self.injected[-1]:g}), and the "
                f"limit is {limit[-1]:.3g}. Inject more; nothing is said beyond what was tried."
            )
        if enough.all():
            return float(self.injected[0])
        high = len(enough) - int(np.argmin(enough[::-1]))
        low = high - 1
        missing, more = limit[low] - self.passing[low], self.passing[high] - limit[high]
        part = missing / (missing + more)
        return float(self.injected[low] + part * (self.injected[high] - self.injected[low]))


@dataclass(frozen=True)
class InjectedLimit:
    """A limit on the strength of a signal, in events before the cut, with the expected one and its bands.

    `passing` is the limit on events that pass, and `model` the counting experiment that it is of. `low` and `high` are
    the observed limit with the yield one standard error up and down. `inclusive` is the limit without the learned cut,
    from the count of the window alone. Of pseudo-experiments nothing is observed: those are NaN, `low` and `high`
    belong to the median of what is expected, and `model` sees just that.

    No limit is below `smallest`, the weakest signal that was injected. `validation` says whether the template passed.
    """

    background_efficiency: float
    passing: UpperLimit
    model: CountingModel
    observed: float
    expected: tuple[float, ...]
    low: float
    high: float
    inclusive: float
    smallest: float = 0.0
    validation: str = "not made"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What has to be said wherever the limit stands."""
        at = f"At a background efficiency of {self.background_efficiency:g}"
        said = []
        if self.validation in ("failed", "unresolved"):
            said.append(
                f"{at} validation is {self.validation}: an expectation that is too high makes the limit too strict."
            )
        lowest = self.expected[BANDS.index(0.0)] if math.isnan(self.observed) else self.observed
        if lowest <= self.smallest:
            said.append(
                f"{at} fewer signal events may be excluded than the {self.smallest:g} that were injected at least; "
                "inject less to see it."
            )
        return tuple(said)


def signal_yield(injections: Sequence[Injection], background_efficiency: float) -> SignalYield:
    """The yield of a cut over all strengths that were injected.

    Raises
    ------
    InjectionError
        If no signal was injected.
    """
    strengths = sorted({each.injected for each in injections if each.injected})
    if not strengths:
        raise InjectionError("No search has an injected signal; a limit needs some.")
    by_strength = [
        np.array([each.beyond(background_efficiency) for each in injections if each.injected == strength])
        for strength in strengths
    ]
    # One repeat has no spread: the binomial one of its events is the least that there is.
    errors = [
        max(
            float(passing.std(ddof=1)) / len(passing) ** 0.5 if len(passing) > 1 else 0.0,
            (passing.mean() * max(1 - passing.mean() / strength, 0.0) / len(passing)) ** 0.5,
        )
        for strength, passing in zip(strengths, by_strength, strict=True)
    ]
    means = np.array([p.mean() for p in by_strength])
    # Of a Poisson number of injected events, as in pseudo-experiments, a Poisson one passes, of a fixed one a binomial.
    fixed = not all(each.pseudo for each in injections if each.injected)
    counting = means * (1 - means / np.array(strengths) if fixed else 1.0)
    variances = np.array([p.var(ddof=1) if len(p) > 1 else 0.0 for p in by_strength])
    scatter = np.sqrt(np.maximum(variances - counting, 0.0))
    return SignalYield(np.array(strengths, float), means, np.array(errors), scatter)


def injected_limit(injections: Sequence[Injection], background_efficiency: float) -> InjectedLimit:
    """The limit of a cut from searches with and without an injected signal.

    What was seen and expected is that of the searches without one, the mean over their repeats, whose scatter over
    trainings is a nuisance parameter beside the error of the expectation. The strength is the one from which on more
    events pass than the CLs limit on passing events allows, where the scatter of what passes is one more uncertainty.
    Of pseudo-experiments there are expected limits alone.

    Raises
    ------
    InjectionError
        If no search is without signal or none is with it, the limit lies beyond what was injected, or what the cut
        expects is not to be believed.
    """
    none = [each for each in injections if not each.injected]
    if not none:
        raise InjectionError("No search without an injected signal: what the data themselves give is not known.")
    cuts = [each.cuts[background_efficiency] for each in none]
    for cut in cuts:
        if cut.obstacle:
            raise InjectionError(
                f"No limit at a background efficiency of {background_efficiency:g}: {cut.obstacle}. What the cut "
                "expects is not to be believed, nor is a limit by it."
            )
    pseudo = all(each.pseudo for each in none)
    model = _expected_alone(none, cuts) if pseudo else _seen(none, cuts)
    limit = asymptotic_limit(model)
    if pseudo:
        limit = replace(limit, observed=math.nan, without_cls=math.nan)
    found = signal_yield(injections, background_efficiency)
    observed, expected = found.limits(model)
    quoted = expected[BANDS.index(0.0)] if pseudo else observed
    more, fewer = (replace(found, passing=np.maximum(found.passing + sign * found.error, 1e-9)) for sign in (1, -1))
    return InjectedLimit(
        background_efficiency,
        limit,
        model,
        math.nan if pseudo else found.excluded(observed),
        tuple(found.excluded(events) for events in expected),
        more.excluded(quoted),
        fewer.excluded(quoted),
        math.nan if pseudo else _inclusive(injections, none, cuts),
        float(found.injected[0]),
        worst([] if pseudo else [each.validation for each in none]),
    )


def _seen(none: Sequence[Injection], cuts: Sequence[CutFound]) -> CountingModel:
    """Means over trainings in the same data, in events that fluctuate as such; strength 1 is an injected event."""
    observed, expected, error = (
        _mean([each / cut.per_event for each, cut in zip(values, cuts, strict=True)])
        for values in zip(*((cut.observed, cut.expected, cut.error) for cut in cuts), strict=True)
    )
    excess = np.array([(cut.observed - cut.expected) / cut.per_event for cut in cuts])
    # Other trainings find something else in the same data: one more uncertainty of their mean.
    spread = float(excess.std(ddof=1)) / len(excess) ** 0.5 if len(excess) > 1 else 0.0
    return CountingModel(observed, expected, math.hypot(error, spread), _signal(none, cuts))


def _expected_alone(none: Sequence[Injection], cuts: Sequence[CutFound]) -> CountingModel:
    """The experiment that sees what is expected: counts of several pseudo-experiments are no count of one."""
    expected, error = (_mean([getattr(cut, name) / cut.per_event for cut in cuts]) for name in ("expected", "error"))
    return CountingModel(expected, expected, error, _signal(none, cuts))


def _signal(none: Sequence[Injection], cuts: Sequence[CutFound]) -> float:
    return _mean([each.weight / cut.per_event for each, cut in zip(none, cuts, strict=True)])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _inclusive(injections: Sequence[Injection], none: Sequence[Injection], cuts: Sequence[CutFound]) -> float:
    """Of the window without a cut: its count beside what the mass model expects there."""
    inside = sum(each.inside for each in injections) / sum(each.injected for each in injections)
    unit = _mean([cut.per_event for cut in cuts])
    expected, error = (_mean([each.spectrum[part] for each in none]) / unit for part in (0, 1))
    window = _mean([each.window for each in none]) / unit
    return asymptotic_limit(CountingModel(window, expected, error, inside * _signal(none, cuts))).observed
