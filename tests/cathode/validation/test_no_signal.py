"""Without a signal the p-value is uniform: whole searches of background-only pseudo-experiments.

Every fold alone is exactly calibrated. The sum over folds fluctuates a little more than the formula says, because the
classifiers of two folds share most of their training events (Hein, Nachman, Shih, 2512.13787); at the loose cut of this
test, where the discriminant reacts most to a fluctuation, the spread of the pulls is about 1.1 instead of 1.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.folds import fold_of
from cathode import evaluation
from cathode.runtime import run_folder

from ..toys import REGION, Discriminant, background_features, falling_masses, toy_events, toy_search

EXPERIMENTS = 220
EFFICIENCY = 0.1
SIGNAL_REGION_EVENTS = 2_100


class Null(NamedTuple):
    p_values: NDArray[np.float64]
    pulls: NDArray[np.float64]


@cache
def _versions() -> dict[str, str]:
    return run_folder.versions()


@pytest.fixture(
    scope="module", params=[1, pytest.param(4, marks=pytest.mark.slow)], ids=["small template", "large template"]
)
def null(request: pytest.FixtureRequest) -> Null:
    p_values, pulls = [], []
    with pytest.MonkeyPatch.context() as patch:
        # Reading the versions of all packages takes longer than a search of a toy.
        patch.setattr(evaluation, "versions", _versions)
        for seed in range(EXPERIMENTS):
            cut = (
                toy_search(
                    background_efficiencies=(EFFICIENCY,), oversampling=request.param, closure=False, seed=1_000 + seed
                )
                .run(toy_events(10 * SIGNAL_REGION_EVENTS, seed=1_000 * request.param + seed))
                .primary
            )
            p_values.append(cut.p_value_exact)
            pulls.append((cut.observed - cut.expected) / (cut.expected + cut.statistical**2) ** 0.5)
    return Null(np.array(p_values), np.array(pulls))


def test_p_values_are_uniform(null: Null) -> None:
    assert stats.kstest(null.p_values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("level", [0.05, 0.2, 0.5])
def test_as_many_p_values_are_small_as_should_be(null: Null, level: float) -> None:
    small = int((null.p_values < level).sum())
    assert stats.binomtest(small, EXPERIMENTS, level).pvalue > 0.01


def test_background_is_predicted_without_bias_and_its_error_is_right(null: Null) -> None:
    assert abs(null.pulls.mean()) < 4 * null.pulls.std() / EXPERIMENTS**0.5
    assert 0.9 < null.pulls.std() < 1.25


def test_scoring_what_was_trained_on_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: without held-out folds the same pseudo-experiments are anything but uniform."""
    rng = np.random.default_rng(9)
    pulls = []
    for _ in range(40):
        x = background_features(falling_masses(2_000, rng, REGION.low, REGION.high), rng)
        y = background_features(falling_masses(2_000, rng, REGION.low, REGION.high), rng)
        trained = Discriminant().fit(np.concatenate([x, y]), np.concatenate([np.ones(2_000), np.zeros(2_000)]), seed=1)
        threshold = np.quantile(trained.score(y), 1 - EFFICIENCY)
        pulls.append((trained.score(x) > threshold).sum() - EFFICIENCY * 2_000)
    assert np.mean(pulls) / (np.std(pulls) / 40**0.5) > 5


def test_a_null_experiment_fills_the_signal_region_as_it_should() -> None:
    events = toy_events(10 * SIGNAL_REGION_EVENTS, seed=1)
    inside = events[REGION.signal(events.mass)]
    assert len(inside) == pytest.approx(SIGNAL_REGION_EVENTS, rel=0.1)
    assert stats.kstest(np.bincount(fold_of(inside.ids, 5)) / len(inside), stats.norm(0.2, 0.02).cdf).pvalue > 1e-3
