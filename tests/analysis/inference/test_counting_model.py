"""The counting experiment against pyhf, against brute force, and against published numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from analysis.errors import CountingError
from analysis.inference.counting_model import CountingModel

# pyhf asks jsonschema for what that will remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MODELS = [
    CountingModel(140, 100, 10, 20),
    CountingModel(3, 4.2, 1.5, 2.0),
    CountingModel(60, 100, 10, 20),
    CountingModel(0, 2.0, 0.7, 1.0),
    CountingModel(1000, 900, 30, 50),
]


def _log_poisson(m: float, mean: float) -> float:
    return m * math.log(mean) - mean - math.lgamma(m + 1)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 4.0])
def test_the_profile_is_that_of_a_brute_force_minimum(model: CountingModel, strength: float) -> None:
    tau = model.background / model.error**2
    m = tau * model.background

    def smallest(mu: float) -> float:
        def of(log_b: float) -> float:
            b = math.exp(log_b)
            return -_log_poisson(model.observed, mu * model.signal + b) - _log_poisson(m, tau * b)

        center = math.log(model.background)
        return float(
            optimize.minimize_scalar(
                of, bounds=(center - 6, center + 3), method="bounded", options={"xatol": 1e-12}
            ).fun
        )

    best = max(min(model.strength, 1e9), 0.0)
    expected = 0.0 if model.strength > strength else 2 * (smallest(strength) - smallest(best))
    assert model.q_tilde(strength) == pytest.approx(expected, abs=2e-6)


def test_the_published_significance() -> None:
    # 140 events over 100 ± 10: Z = 2.588, p = 0.0048 (2411.00085 and pyhf); a deficit has a sign.
    assert CountingModel(140, 100, 10).discovery() == pytest.approx(2.588, abs=5e-4)
    assert stats.norm.sf(CountingModel(140, 100, 10).discovery()) == pytest.approx(0.0048, abs=5e-5)
    assert CountingModel(60, 100, 10).discovery() == pytest.approx(-3.18, abs=5e-3)
    assert CountingModel(100, 100, 10).discovery() == 0.0


def test_without_an_uncertainty_it_is_that_of_a_poisson_count() -> None:
    assert CountingModel(120, 100, 0).discovery() == pytest.approx(math.sqrt(2 * (120 * math.log(1.2) - 20)), rel=1e-9)
    nearly = CountingModel(120, 100, 1e-6).discovery()
    assert nearly == pytest.approx(CountingModel(120, 100, 0).discovery(), rel=1e-6)


@pytest.mark.parametrize("model", MODELS[:3])
def test_q_tilde_is_that_of_pyhf(model: CountingModel) -> None:
    pyhf: Any = pytest.importorskip("pyhf")
    theirs = pyhf.simplemodels.uncorrelated_background([model.signal], [model.background], [model.error])
    data = [model.observed, *theirs.config.auxdata]
    for strength in (0.5, 2.0):
        expected = pyhf.infer.test_statistics.qmu_tilde(
            strength,
            data,
            theirs,
            theirs.config.suggested_init(),
            [(0, 100), *theirs.config.suggested_bounds()[1:]],
            theirs.config.suggested_fixed(),
        )
        assert model.q_tilde(strength) == pytest.approx(float(expected), abs=2e-3)


def test_toys_of_many_events_follow_the_asymptotic_distribution() -> None:
    model = CountingModel(1000, 900, 20, 50)
    q = model.toys(3.0, 3.0, 20_000, seed=1)
    # Half of the experiments are above the tested strength; the rest is half a χ² with one degree of freedom.
    assert (q == 0).mean() == pytest.approx(0.5, abs=0.02)
    for level in (1.0, 2.7, 4.0):
        assert (q > level).mean() == pytest.approx(0.5 * stats.chi2.sf(level, 1), abs=0.01)
    np.testing.assert_array_equal(q, model.toys(3.0, 3.0, 20_000, seed=1))


@pytest.mark.parametrize(
    "wrong",
    [{"observed": -1}, {"background": 0}, {"error": -1}, {"signal": 0}, {"background": math.nan}, {"error": math.inf}],
)
def test_numbers_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(CountingError, match=next(iter(wrong))):
        CountingModel(**{"observed": 3, "background": 3, "error": 1, "signal": 1, **wrong})
