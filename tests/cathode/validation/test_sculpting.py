"""Whether a cut on the score sculpts the spectrum: one that follows the mass does, one that does not does not."""

from __future__ import annotations

import numpy as np

from cathode.cut_and_count import Cut
from cathode.scoring import Scores
from cathode.validation.sculpting import sculpting

from ..toys import REGION, toy_events

EVENTS = toy_events(40_000, seed=4)


def shape_of(passes: np.ndarray) -> object:
    n = len(EVENTS)
    scores = Scores(score=np.zeros(n), fold=np.zeros(n, int), passes=(passes,))  # type: ignore[call-arg]
    return sculpting(EVENTS, scores, (Cut(0.1, (0.0,)),), REGION)


def test_a_cut_that_follows_the_mass_fails_and_a_random_one_passes() -> None:
    rng = np.random.default_rng(1)
    (random,) = shape_of(rng.random(len(EVENTS)) < 0.1).tests  # type: ignore[attr-defined]
    assert random.passed
    follows = 0.05 + 0.1 * (EVENTS.mass - 2000) / 4000
    (sculpted,) = shape_of(rng.random(len(EVENTS)) < follows).tests  # type: ignore[attr-defined]
    assert not sculpted.passed
    assert sculpted.p_value < 1e-3


def test_a_bump_in_the_cut_is_seen_where_the_spectrum_hardly_moves() -> None:
    rng = np.random.default_rng(2)
    bump = np.abs(EVENTS.mass - 2800) < 60
    (found,) = shape_of(rng.random(len(EVENTS)) < np.where(bump, 0.3, 0.1)).tests  # type: ignore[attr-defined]
    (random,) = shape_of(rng.random(len(EVENTS)) < 0.1).tests  # type: ignore[attr-defined]
    assert found.ks < 0.1
    assert found.largest > 0.5
    assert random.largest < 0.1


def test_what_too_few_events_pass_is_not_tested() -> None:
    found = shape_of(np.arange(len(EVENTS)) < 1)
    assert found.tests == ()  # type: ignore[attr-defined]
    assert found.curves == ()  # type: ignore[attr-defined]
