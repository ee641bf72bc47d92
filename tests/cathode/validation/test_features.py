"""A feature that is wrong in the template is named; equal ones raise no alarm among many."""

from __future__ import annotations

import numpy as np

from analysis.events import Events
from cathode.methods.protocol import Reference
from cathode.region import Interval
from cathode.validation.features import SCORE, feature_tests
from cathode.validation.trial import Trial

REGIONS = (Interval(1000, 1100), Interval(2000, 2100))


def trial(seed: int, *, shift: float = 0.0, events: int = 3_000) -> Trial:
    """Two normal features in two regions; the second is shifted in the reference of the upper one."""
    rng = np.random.default_rng(seed)
    mass = np.repeat([1050.0, 2050.0], events)
    data = Events(rng.normal(size=(2 * events, 2)).astype(np.float32), mass, ("one", "two"))
    made = np.repeat(mass, 4)
    x = rng.normal(size=(len(made), 2))
    x[:, 1] += np.where(made > 1500, shift, 0.0)
    fold = np.zeros(len(made), np.int64)
    reference = Reference(x, made, rng.random(len(made)), fold, np.ones(len(made)))
    return Trial(data, rng.random(2 * events), np.zeros(2 * events, np.int64), reference)


def test_equal_ones_pass() -> None:
    """Six pairs of tests in each of 50 trials; together they fail in 1 % at most."""
    found = [feature_tests(trial(seed, events=500), REGIONS) for seed in range(50)]
    assert sum(not all(t.passed for t in tests) for tests in found) <= 2
    assert [(t.low, t.feature) for t in found[0]] == [(r.low, name) for r in REGIONS for name in (SCORE, "one", "two")]


def test_the_wrong_one_is_named() -> None:
    failed = [t for t in feature_tests(trial(1, shift=0.2), REGIONS) if not t.passed]
    assert [(t.low, t.feature) for t in failed] == [(2000, "two")]
    assert failed[0].deviation > 0.1


def test_what_is_significant_and_small_is_shown_and_passes() -> None:
    found = {(t.low, t.feature): t for t in feature_tests(trial(2, shift=0.03, events=100_000), REGIONS)}
    assert found[2000, "two"].p_value < 1e-6
    assert found[2000, "two"].passed


def test_events_without_columns_are_compared_by_their_score() -> None:
    from dataclasses import replace

    plain = trial(3)
    clouds = Events(np.zeros((len(plain.data), 4, 3), np.float32), plain.data.mass, ("pt", "eta", "phi"))
    found = feature_tests(replace(plain, data=clouds), REGIONS)
    assert {t.feature for t in found} == {SCORE}
