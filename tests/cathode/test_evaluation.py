"""What a fitted method says of the events, gathered: counts add up, and truth is there only where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from .toys import REGION, Discriminant, toy_events, toy_search


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
    from cathode.search import Search

    from .toys import TrueMass

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
