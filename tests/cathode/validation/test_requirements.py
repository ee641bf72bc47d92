"""What a search would stumble over after hours is refused before anything is trained."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from analysis.errors import TooFewEventsError
from analysis.events import Events
from cathode.errors import EmptyRegionError, WeightsError
from cathode.region import Region
from cathode.search import Search
from cathode.validation.requirements import require, require_spread
from generators.errors import ConstantFeatureError

from ..toys import REGION, Discriminant, TrueGenerator, TrueMass, toy_events, toy_search


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


#: A window with few events between sidebands with many.
NARROW = Region(3490, 3510)


def narrow(method: str, **changes: Any) -> Search:
    settings = {"classifier": Discriminant(), "mass_model": TrueMass(), "closure": False, "folds": 2}
    return Search.of(method, region=NARROW, **{**settings, **changes})


def test_the_reference_of_cwola_is_as_large_as_the_sidebands() -> None:
    """A cut that leaves events of the sidebands is not too tight, however few events the window has."""
    events = toy_events(20_000, seed=1)
    inside, beside = int(NARROW.signal(events.mass).sum()), int(NARROW.sideband(events.mass).sum())
    tight = 2 * 10.0 / beside
    assert tight * inside / 2 < 0.5 < tight * beside / 2
    require(events, narrow("cwola", background_efficiencies=(tight,)), {})
    with pytest.raises(TooFewEventsError, match=r"leaves .* of the template events"):
        require(
            events,
            narrow("cathode", generator=TrueGenerator(), oversampling=1.0, background_efficiencies=(tight,)),
            {},
        )
    with pytest.raises(TooFewEventsError, match=r"leaves .* of the template events"):
        require(events, narrow("cwola", background_efficiencies=(0.5 / beside,)), {})


def test_a_sample_that_is_given_bounds_the_cuts_by_what_there_is_of_it() -> None:
    data, sample = toy_events(20_000, seed=1), toy_events(200_000, seed=2)
    there = int(NARROW.signal(sample.mass).sum())
    beyond = len(sample) - there - int(NARROW.sideband(sample.mass).sum())
    assert beyond == 0
    search = narrow("idealised", background_efficiencies=(2 * 2.0 / there,))
    require(data, search, {"background": sample})
    with pytest.raises(TooFewEventsError, match="on 27 template events"):
        require(data, search, {"background": sample[np.arange(len(sample)) % 20 == 0]})
