"""The spread of an ensemble of generators: what is known of toys, and what a search makes of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cathode.cut_and_count import Count, Cut, background_only
from cathode.methods.protocol import Reference
from cathode.report.words import derivation
from cathode.validation.ensemble_spread import ensemble_spread
from tests.cathode.toys import TrueGenerator, toy_events, toy_search

MEMBERS, FOLDS, EVENTS = 5, 2, 100_000


def reference(rng: np.random.Generator, efficiencies: np.ndarray) -> Reference:
    """Members whose parts pass a cut at ½ with known probabilities."""
    member = rng.permutation(np.arange(EVENTS) % MEMBERS)
    scores = np.where(rng.random(EVENTS) < efficiencies[member], 1.0, 0.0)
    one = np.ones(EVENTS)
    return Reference(one[:, None], one, scores, rng.integers(0, FOLDS, EVENTS), one, member=member)


def spreads(scatter: float, toys: int = 60) -> np.ndarray:
    cut, data = Cut(0.01, np.full(FOLDS, 0.5)), np.ones(10_000)
    fold = np.arange(len(data)) % FOLDS
    found = []
    for seed in range(toys):
        rng = np.random.default_rng(seed)
        value = ensemble_spread(cut, reference(rng, 0.01 * (1 + scatter * rng.standard_normal(MEMBERS))), data, fold)
        assert value is not None
        found.append(value)
    return np.array(found)


def test_scatter_of_members_is_found_and_counting_is_not_taken_for_it() -> None:
    """10 % between members are 10 %/√5 of their mean; 200 events that pass fluctuate by 7 %, which is taken away."""
    assert np.sqrt(np.mean(spreads(0.1) ** 2)) == pytest.approx(0.1 / MEMBERS**0.5, rel=0.25)
    alike = spreads(0.0)
    assert np.median(alike) < 0.01
    assert np.sqrt(np.mean(alike**2)) < 0.02


def test_without_members_nothing_is_said() -> None:
    cut, data = Cut(0.01, np.full(FOLDS, 0.5)), np.ones(10)
    whole = reference(np.random.default_rng(1), np.full(MEMBERS, 0.01))
    fold = np.arange(10) % FOLDS
    assert ensemble_spread(cut, dataclasses.replace(whole, member=None), data, fold) is None
    nothing = dataclasses.replace(whole, scores=np.where(whole.member == 2, 0.0, whole.scores))
    assert ensemble_spread(cut, nothing, data, fold) is None


def test_the_systematic_is_never_below_the_spread() -> None:
    counts = Count(observed=110.0, expected=100.0, template_passing=400, template_total=40_000, effective=400.0)
    cut = Cut(0.01, np.zeros(1))
    for systematic, spread, due in ((0.0, 0.08, 8.0), (0.1, 0.08, 10.0), (0.1, None, 10.0)):
        found = background_only(counts, cut, systematic=systematic, ensemble_spread=spread, signal_efficiency=None)
        assert found.systematic == pytest.approx(due)
        assert found.ensemble_spread == spread


class Apart(TrueGenerator):
    """Of four members, each spoils the first feature in its own way."""

    def sample(self, context: Any, *, seed: int) -> Any:
        x = TrueGenerator().sample(context, seed=seed)
        x[:, 0] += self.shift * self.members_of(context, seed=seed)
        return x

    def members_of(self, context: Any, *, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).permutation(np.arange(len(context)) % 4)


def test_a_search_says_how_far_its_members_are_apart() -> None:
    found = {}
    for shift in (0.0, 0.4):
        search = toy_search(
            generator=Apart(shift), oversampling=8, background_efficiencies=(0.05,), folds=2, closure=False
        )
        result = search.run(toy_events(30_000, seed=6))
        (cut,) = result.cuts
        assert cut.ensemble_spread is not None
        assert cut.systematic == pytest.approx(cut.expected * cut.ensemble_spread)
        assert "members of the ensemble" in " ".join(str(step) for step in derivation(result, cut))
        found[shift] = cut.ensemble_spread
    assert found[0.4] > 0.1 > found[0.0] + 0.05
    alone = toy_search(background_efficiencies=(0.05,), folds=2, closure=False).run(toy_events(5_000, seed=6)).cuts[0]
    assert alone.ensemble_spread is None
