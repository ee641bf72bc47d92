"""What a search would stumble over after hours is refused before anything is trained."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from analysis.errors import TooFewEventsError
from analysis.events import Events
from cathode.errors import EmptyRegionError, WeightsError
from cathode.validation.requirements import require, require_spread
from generators.errors import ConstantFeatureError

from ..toys import REGION, toy_events, toy_search


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(12_000, seed=6)


def asked(events: Events, **changes: Any) -> None:
    require(events, toy_search(**changes), {})


def test_usual_events_are_fine(events: Events) -> None:
    asked(events)
    require_spread(events, REGION)


def test_places_without_events(events: Events) -> None:
    with pytest.raises(EmptyRegionError):
        asked(events[~REGION.signal(events.mass)])
    with pytest.raises((EmptyRegionError, TooFewEventsError)):
        asked(events[REGION.signal(events.mass)])


def test_folds_that_are_too_small_are_named(events: Events) -> None:
    inside = np.flatnonzero(REGION.signal(events.mass))
    few = np.ones(len(events), dtype=bool)
    few[inside[60:]] = False
    with pytest.raises(TooFewEventsError, match=r"Fold \d of 5 has"):
        asked(events[few])


def test_a_cut_that_no_template_event_could_pass(events: Events) -> None:
    with pytest.raises(TooFewEventsError, match="Background efficiency 1e-07"):
        asked(events, background_efficiencies=(1e-7,))


@pytest.mark.parametrize("inside", [True, False])
def test_weights_of_which_nothing_is_left(events: Events, inside: bool) -> None:
    weights = np.ones(len(events))
    weights[REGION.signal(events.mass) == inside] = -1.0
    with pytest.raises(WeightsError, match="sum to -"):
        asked(dataclasses.replace(events, weights=weights))


def test_a_constant_feature_is_named_with_its_value(events: Events) -> None:
    x = events.x.copy()
    x[:, 1] = 2.5
    with pytest.raises(ConstantFeatureError, match=rf"'{events.columns[1]}' has the single value 2.5"):
        require_spread(dataclasses.replace(events, x=x), REGION)
