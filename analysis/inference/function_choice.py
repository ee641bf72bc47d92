"""Which background function: goodness of fit and an F-test by toys, and discrete profiling over the family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.errors import SpectrumError
from analysis.inference.spectrum_model import SpectrumFit, SpectrumModel, statistics_of_toys
from analysis.statistics.dijet_fit import FUNCTIONS

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CalibratedFTest:
    """Whether a larger function describes a spectrum better than chance would.

    `statistic` is the fall of −2 ln L; `asymptotic` its p-value by Wilks' theorem, `p_value` by toys of the smaller
    function, with its binomial `error`.
    """

    smaller: str
    larger: str
    statistic: float
    asymptotic: float
    p_value: float
    error: float


@dataclass(frozen=True)
class GoodnessOfFit:
    """How often a spectrum of the fitted function is described worse than this one.

    `statistic` is −2 ln L counted from the model that says every content exactly; `asymptotic` its χ² p-value with
    `ndof` degrees of freedom, which is off where bins have few events; `p_value` that of toys, with its `error`.
    """

    statistic: float
    ndof: int
    asymptotic: float
    p_value: float
    error: float


def goodness_of_fit(model: SpectrumModel, *, with_signal: bool = False, toys: int = 200, seed: int) -> GoodnessOfFit:
    """Of the function alone or, `with_signal`, with the strength that fits best; every toy is fitted as the data."""

    def fitted(one: SpectrumModel) -> SpectrumFit:
        return one.best if with_signal else one.fit(0.0)

    fit = fitted(model)
    rng = np.random.default_rng(seed)
    null = np.array([fitted(model.seeing(n)).deviance for n in rng.poisson(fit.expected, (toys, len(fit.expected)))])
    p = (1 + int((null >= fit.deviance).sum())) / (1 + toys)
    ndof = len(model.counts) - model.parameters - int(with_signal)
    return GoodnessOfFit(
        fit.deviance,
        ndof,
        float(stats.chi2.sf(fit.deviance, ndof)),
        p,
        float(np.sqrt(p * (1 - p) / (1 + toys))),
    )


def f_test(model: SpectrumModel, larger: str, *, toys: int = 200, seed: int) -> CalibratedFTest:
    """Compare the function of a model with a larger one, both at strength 0.

    Raises
    ------
    SpectrumError
        If the other function is not larger.
    """
    other = replace(model, function=larger, form=None)
    if other.parameters <= model.parameters:
        raise SpectrumError(f"{larger} is no larger function than {model.function}.")
    seen = _fall(model, other)
    rng = np.random.default_rng(seed)
    expected = model.fit(0.0).expected
    null = np.array([_fall(model.seeing(n), other.seeing(n)) for n in rng.poisson(expected, (toys, len(expected)))])
    p = (1 + int((null >= seen).sum())) / (1 + toys)
    return CalibratedFTest(
        model.function,
        larger,
        seen,
        float(stats.chi2.sf(seen, other.parameters - model.parameters)),
        p,
        float(np.sqrt(p * (1 - p) / (1 + toys))),
    )


def smallest_sufficient(
    model: SpectrumModel, *, functions: Sequence[str] = FUNCTIONS, threshold: float = 0.05, toys: int = 200, seed: int
) -> tuple[SpectrumModel, tuple[CalibratedFTest, ...]]:
    """The smallest of the functions that no larger one beats at `threshold`, and the tests that led there."""
    tests = []
    current = replace(model, function=functions[0], form=None)
    for number, larger in enumerate(functions[1:]):
        tests.append(f_test(current, larger, toys=toys, seed=seed + number))
        if tests[-1].p_value >= threshold:
            break
        current = replace(model, function=larger, form=None)
    return current, tuple(tests)


@dataclass(frozen=True, eq=False)
class ProfiledFamily:
    """A spectrum under all functions at once: each strength takes the best of them (Dauncey et al., 1408.6865).

    The choice is one more nuisance parameter: −2 ln L of a function is charged `penalty` for each of its parameters.
    A model of limits like a single function.
    """

    models: tuple[SpectrumModel, ...]
    penalty: float = 1.0

    @classmethod
    def of(cls, model: SpectrumModel, functions: Sequence[str] = FUNCTIONS, *, penalty: float = 1.0) -> Self:
        """The family of functions for one spectrum."""
        return cls(tuple(replace(model, function=each, form=None) for each in functions), penalty)

    def deviance(self, strength: float) -> tuple[float, str]:
        """The smallest charged −2 ln L at a strength, and the function that has it."""
        found = [(each.fit(strength).deviance + self.penalty * each.parameters, each.function) for each in self.models]
        return min(found)

    @property
    def strength(self) -> float:
        """The strength that describes the counts best."""
        return self._best[1]

    def q_tilde(self, strength: float) -> float:
        """q̃ of a strength."""
        # Of the functions without a strength above none only that at none counts, see `SpectrumModel.largest`.
        reference, best = min(
            (m.largest.deviance + self.penalty * m.parameters, m.largest.strength) for m in self.models
        )
        if best >= strength:
            return 0.0
        return max(self.deviance(strength)[0] - reference, 0.0)

    def discovery(self) -> float:
        """Signed √q₀."""
        smallest, best = self._best
        return float(np.copysign(np.sqrt(max(self.deviance(0.0)[0] - smallest, 0.0)), best))

    def asimov(self, strength: float = 0.0) -> Self:
        """The spectrum that a strength predicts with the function that is best there."""
        function = self.deviance(strength)[1]
        chosen = next(each for each in self.models if each.function == function)
        return self.seeing(chosen.fit(strength).expected)

    def seeing(self, counts: ArrayLike) -> Self:
        """The same with other counts."""
        return replace(self, models=tuple(each.seeing(counts) for each in self.models))

    def toys(self, strength: float, tested: float, number: int, *, seed: int) -> FloatArray:
        """q̃ of `tested` in so many spectra at a true strength, (number,), by the function that is best there."""
        return statistics_of_toys(self, self.asimov(strength).models[0].counts, tested, number, seed=seed)

    def at_most(self) -> float:
        """A strength that any limit is below."""
        return max(each.at_most() for each in self.models)

    @property
    def _best(self) -> tuple[float, float]:
        return min((m.best.deviance + self.penalty * m.parameters, m.best.strength) for m in self.models)


def _fall(smaller: SpectrumModel, larger: SpectrumModel) -> float:
    return max(smaller.fit(0.0).deviance - larger.fit(0.0).deviance, 0.0)
