"""What a fitted method says of the events, gathered: counts, truth where it is known, spreads over an ensemble."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cathode import BoostedTrees, Search
from cathode.classifiers.ensembles import parts
from cathode.result import SearchResult

from .toys import REGION, Discriminant, TrueGenerator, TrueMass, toy_events, toy_search


@pytest.mark.parametrize("truth", [True, False])
def test_counts_add_up(truth: bool) -> None:
    events = toy_events(6_000, signal=150, seed=12, truth=truth)
    result = toy_search(closure=False, folds=2, background_efficiencies=(0.05, 0.01)).run(events)
    counts = result.counts
    assert counts.signal_region == int(REGION.signal(events.mass).sum())
    assert counts.sideband_below == int(REGION.lower(events.mass).sum())
    assert counts.sideband_above == int(REGION.upper(events.mass).sum())
    loose, tight = result.cuts
    assert loose.observed >= tight.observed
    assert loose.expected == pytest.approx(5 * tight.expected, rel=0.05)
    assert (result.truth is not None) == truth
    assert (tight.signal_efficiency is not None) == truth
    if truth:
        assert result.truth is not None
        assert 0 < tight.signal_efficiency <= loose.signal_efficiency <= 1  # type: ignore[operator]


def test_a_method_that_predicts_nothing_counts_against_the_spectrum() -> None:
    events = toy_events(6_000, seed=13)
    search = Search.of(
        "cwola",
        region=REGION,
        mass_model=TrueMass(),
        classifier=Discriminant(),
        background_efficiencies=(0.1,),
        folds=2,
        closure=False,
        workers=1,
    )
    found = search.run(events).primary
    assert found.estimate == "spectrum"
    assert np.isfinite(found.expected)


def search(**changes: Any) -> SearchResult:
    settings: dict[str, Any] = {
        "generator": TrueGenerator(),
        "mass_model": TrueMass(),
        "classifier": BoostedTrees(members=5, max_iter=20, jobs=1),
        "closure": False,
        "folds": 2,
        "oversampling": 2,
        "background_efficiencies": (0.05,),
        "workers": 1,
    }
    return Search.of(region=REGION, **(settings | changes)).run(toy_events(12_000, seed=17))


def test_parts_of_an_ensemble_have_its_mean() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(600, 2)), rng.integers(0, 2, 600)
    fitted = BoostedTrees(members=4, max_iter=5, jobs=1).fit(x, y, seed=1)
    found = parts(fitted, 4)
    assert [each.members for each in found] == [1, 1, 1, 1]  # type: ignore[attr-defined]
    np.testing.assert_allclose(np.mean([each.score(x) for each in found], axis=0), fitted.score(x), rtol=1e-12)
    uneven = parts(fitted, 3)
    assert [each.members for each in uneven] == [2, 1, 1]  # type: ignore[attr-defined]
    assert parts(dataclasses.replace(fitted, members=1), 5) != ()


def test_the_spread_is_that_of_searches_with_other_seeds_of_the_classifier() -> None:
    """Within the factor that five of each can tell."""
    results = [search(seed=seed) for seed in range(1, 6)]
    z = [each.primary.significance for each in results]
    mean = np.mean([each.primary.spread for each in results])
    # The seeds also draw another template, so it is a lower bound.
    assert 0 < mean < 2.5 * np.std(z, ddof=1) + 0.3
    assert len({each.primary.spread for each in results}) == 5


def test_one_classifier_alone_has_no_spread() -> None:
    found = search(classifier=BoostedTrees(members=1, max_iter=5, jobs=1))
    assert found.primary.spread is None
    assert found.conclusion.endswith("because validation was not made.")
    # Few trees give equal scores, of which all pass.
    assert 0.05 <= found.primary.effective_efficiency < 0.06
