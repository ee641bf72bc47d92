"""Every validation region is held out of a generator of its own, which learns from all others."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.events import Events
from cathode.observables import AsRead
from cathode.region import Interval
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.stages import Stages
from cathode.validation import regions as module
from cathode.validation.held_out import HeldOut, beside_window, held_out
from cathode.validation.regions import dealt

from ..toys import REGION, fingerprints, toy_events

REGIONS = tuple(Interval(low, low + 150.0) for low in (2400, 2700, 3000, 3150, 3700, 4000, 4300))


@pytest.fixture(scope="module")
def sideband() -> Events:
    events = toy_events(60_000, seed=3)
    return events[REGION.sideband(events.mass)]


@pytest.fixture
def asked(sideband: Events, monkeypatch: pytest.MonkeyPatch) -> list[HeldOut]:
    monkeypatch.setattr(module, "WORTH", 1_000)
    groups = dealt(sideband.mass, REGIONS, 3)
    return [held_out(sideband, REGION, group, observables=AsRead(), folds=3, seed=i) for i, group in enumerate(groups)]


def test_every_region_is_asked_once(asked: list[HeldOut]) -> None:
    regions = [interval for each in asked for interval in each.regions]
    assert sorted(regions, key=lambda each: each.low) == list(REGIONS)
    # Neighbours belong to different generators, so that each is interpolated from its neighbours.
    assert [each.regions[0] for each in asked] == list(REGIONS[:3])


def test_a_generator_sees_all_but_its_own_regions(sideband: Events, asked: list[HeldOut]) -> None:
    for each in asked:
        learned = each.task.background.events
        mine = np.any([interval(sideband.mass) for interval in each.regions], axis=0)
        assert len(learned) == (~mine).sum()
        assert not np.isin(fingerprints(each.task.target.events.x), fingerprints(learned.x)).any()
        np.testing.assert_array_equal(sideband.mass[each.learned_from], learned.mass)
        np.testing.assert_array_equal(sideband.mass[each.asked], each.task.target.events.mass)


def test_few_events_get_one_generator(sideband: Events) -> None:
    assert dealt(sideband.mass[:5_000], REGIONS, 3) == (REGIONS,)
    assert dealt(sideband.mass, REGIONS, 1) == (REGIONS,)
    assert len(dealt(np.tile(sideband.mass, 20), REGIONS, 50)) == len(REGIONS)


def test_seeds_and_places_are_shared_by_none() -> None:
    stages = [beside_window(Stages(Seeds(1), RunFolder(None)), r, g) for r in range(2) for g in range(3)]
    for purpose in ("events", "template", "folds", "classifier/0", "prediction"):
        # A generator is one for all repetitions, and draws other templates in each.
        assert len({each.seed(purpose) for each in stages}) >= 3
    assert len({each.place("classifiers") for each in stages}) == 6
    assert len({each.place("template") for each in stages}) == 3
