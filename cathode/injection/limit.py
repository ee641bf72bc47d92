"""The limit of a search whose cut was learned: it keeps more of a large signal than of a small one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.inference.counting_model import CountingModel
from analysis.inference.limits import UpperLimit, asymptotic_limit
from cathode.errors import InjectionError
from cathode.injection.experiments import Injection

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SignalYield:
    """Injected events that pass a cut, against how many were injected: mean and standard error over repeats, (G,).

    What passes is counted beyond what the signal adds to the expectation: this is the background efficiency times all
    events of the window, and the injected ones are among them. `efficiency` is the ratio; it belongs to the strength at
    which it was found.
    """

    injected: FloatArray
    passing: FloatArray
    error: FloatArray

    @property
    def efficiency(self) -> FloatArray:
        """Share of injected events that pass, (G,)."""
        return self.passing / self.injected

    def excluded(self, events: float) -> float:
        """The smallest strength from which on more than so many events pass: what a limit on these excludes.

        Raises
        ------
        InjectionError
            If the largest injected signal leaves fewer: nothing is said beyond it.
        """
        enough = self.passing >= events
        if not enough[-1]:
            raise InjectionError(
                f"{self.passing[-1]:.3g} events pass of the largest injected signal ({self.injected[-1]:g}), and the "
                f"limit is {events:.3g}. Inject more; nothing is said beyond what was tried."
            )
        place = len(enough) - int(np.argmin(enough[::-1])) if not enough.all() else 0
        strengths, passing = np.append(0.0, self.injected), np.append(0.0, self.passing)
        low, high = place, place + 1
        part = (events - passing[low]) / (passing[high] - passing[low])
        return float(strengths[low] + part * (strengths[high] - strengths[low]))


@dataclass(frozen=True)
class InjectedLimit:
    """A limit on the strength of a signal, in events before the cut, with the expected one and its bands.

    `passing` is the limit on events that pass, and `model` the counting experiment that it is of. `low` and `high` are
    the observed limit with the yield one standard error up and down. `inclusive` is the limit without the learned cut,
    from the count of the window alone.
    """

    background_efficiency: float
    passing: UpperLimit
    model: CountingModel
    observed: float
    expected: tuple[float, ...]
    low: float
    high: float
    inclusive: float


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
    return SignalYield(np.array(strengths, float), np.array([p.mean() for p in by_strength]), np.array(errors))


def injected_limit(injections: Sequence[Injection], background_efficiency: float) -> InjectedLimit:
    """The limit of a cut from searches with and without an injected signal.

    What was seen and expected is that of the searches without one, the mean over their repeats, whose scatter over
    trainings is a nuisance parameter beside the error of the expectation; the strength is the
    one from which on more events pass than the CLs limit on passing events allows.

    Raises
    ------
    InjectionError
        If no search is without signal or none is with it, or the limit lies beyond what was injected.
    """
    none = [each for each in injections if not each.injected]
    if not none:
        raise InjectionError("No search without an injected signal: what the data themselves give is not known.")
    cuts = [each.cuts[background_efficiency] for each in none]
    mean = {name: float(np.mean([getattr(cut, name) for cut in cuts])) for name in ("observed", "expected", "error")}
    excess = np.array([cut.observed - cut.expected for cut in cuts])
    # Other trainings find something else in the same data: one more uncertainty of their mean.
    spread = float(excess.std(ddof=1)) / len(excess) ** 0.5 if len(excess) > 1 else 0.0
    model = CountingModel(mean["observed"], mean["expected"], math.hypot(mean["error"], spread))
    limit = asymptotic_limit(model)
    found = signal_yield(injections, background_efficiency)
    more, fewer = (
        SignalYield(found.injected, np.maximum(found.passing + sign * found.error, 1e-9), found.error)
        for sign in (1, -1)
    )
    return InjectedLimit(
        background_efficiency,
        limit,
        model,
        found.excluded(limit.observed),
        tuple(found.excluded(events) for events in limit.expected),
        more.excluded(limit.observed),
        fewer.excluded(limit.observed),
        _inclusive(injections, none),
    )


def _inclusive(injections: Sequence[Injection], none: Sequence[Injection]) -> float:
    """Of the window without a cut: its count beside what the mass model expects there."""
    inside = sum(each.inside for each in injections) / sum(each.injected for each in injections)
    expected, error = (float(np.mean([each.spectrum[part] for each in none])) for part in (0, 1))
    window = float(np.mean([each.window for each in none]))
    return asymptotic_limit(CountingModel(window, expected, error, inside)).observed
