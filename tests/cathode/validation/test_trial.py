"""Trials of several generators as one: rows and origins are those of the sideband."""

from __future__ import annotations

import numpy as np

from analysis.events import Events
from cathode.methods.protocol import Reference
from cathode.observables import AsRead
from cathode.region import Interval
from cathode.validation.held_out import HeldOut, held_out
from cathode.validation.region_shifts import covariance_of, region_shifts
from cathode.validation.trial import Trial, joined

from ..toys import REGION, toy_events

REGIONS = (Interval(3000, 3300), Interval(3700, 4000))


def parts(*, moved: bool) -> tuple[Events, list[HeldOut], list[Trial]]:
    """Two held-out regions; references are copies of random background events where they are moved."""
    events = toy_events(30_000, seed=1)
    sideband = events[REGION.sideband(events.mass)]
    rng = np.random.default_rng(2)
    asked = [held_out(sideband, REGION, (r,), observables=AsRead(), folds=2, seed=0) for r in REGIONS]
    scores = rng.random(len(sideband))
    trials = []
    for each in asked:
        number = 4 * len(each.asked)
        origin = rng.integers(0, len(each.learned_from), number)
        reference = Reference(
            x=np.empty((number, 3)),
            mass=np.resize(sideband.mass[each.asked], number),
            scores=scores[each.learned_from][origin],
            fold=rng.integers(0, 2, number),
            weights=np.ones(number),
            origin=origin if moved else None,
        )
        fold = rng.integers(0, 2, len(each.asked))
        trials.append(Trial(each.task.target.observables, scores[each.asked], fold, reference))
    return sideband, asked, trials


def test_rows_and_origins_are_those_of_the_sideband() -> None:
    sideband, asked, trials = parts(moved=True)
    one = joined(trials, asked)
    assert one.rows is not None
    np.testing.assert_array_equal(sideband.mass[one.rows], one.data.mass)
    first = trials[0].reference
    assert one.reference.origin is not None
    assert first.origin is not None
    np.testing.assert_array_equal(one.reference.origin[: len(first)], asked[0].learned_from[first.origin])


def test_an_event_that_passes_in_its_region_and_is_moved_into_another_ties_both() -> None:
    """More events at the top of one region are more passing there, and more predicted in the other."""
    for moved, tied in ((True, True), (False, False)):
        _, asked, trials = parts(moved=moved)
        found = region_shifts(0.1, [joined(trials, asked)], REGIONS, 2)
        correlation = found.covariance[0, 1] / np.sqrt(np.prod(np.diag(found.covariance)))
        if tied:
            # Data of one region in the prediction of the other count against, common origins for both.
            alone = region_shifts(0.1, trials[:1], REGIONS[:1], 2).covariance[0, 0]
            assert abs(correlation) > 0.01
            assert found.covariance[0, 0] < 1.2 * alone
        else:
            assert correlation == 0
    assert covariance_of([found, found]).shape == (4, 4)


def test_draws_and_copies_can_be_joined() -> None:
    _, asked, moved = parts(moved=True)
    _, _, drawn = parts(moved=False)
    one = joined([moved[0], drawn[1]], asked)
    assert one.reference.origin is not None
    tail = one.reference.origin[len(moved[0].reference) :]
    assert len(np.unique(tail)) == len(tail)
    assert not np.isin(tail, one.reference.origin[: len(moved[0].reference)]).any()
