"""The idealised detector uses every event of true background once, and none that is among the data."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from analysis.errors import TooFewEventsError
from analysis.events import Events
from cathode.errors import ConfigError
from cathode.methods.idealised import Idealised

from ..toys import REGION, Discriminant, toy_events
from .asking import answer, background, task

METHOD = Idealised(classifier=Discriminant())


@pytest.fixture(scope="module")
def data() -> Events:
    return toy_events(6000, seed=1)


def test_uses_every_event_of_the_window_once(data: Events) -> None:
    truth = toy_events(9000, seed=2)
    _, fitted = answer(METHOD, task(data, {"background": truth}))
    due = truth[REGION.signal(truth.mass)]
    assert len(fitted.reference) == len(due)
    assert np.array_equal(np.unique(fitted.reference.x, axis=0), np.unique(due.x, axis=0))


@pytest.mark.parametrize("of", ["signal", "sideband"])
def test_refuses_events_of_the_data(data: Events, of: str) -> None:
    shared = data[getattr(REGION, of)(data.mass)]
    truth = toy_events(9000, seed=2)
    both = Events(
        x=np.concatenate([truth.x, shared.x]), mass=np.concatenate([truth.mass, shared.mass]), columns=data.columns
    )
    if of == "sideband":
        with pytest.raises(ConfigError, match="among the data"):
            METHOD.require(background(data, {"background": both}))
    else:
        METHOD.require(background(data, {"background": both}))
        with pytest.raises(ConfigError, match="among the data"):
            answer(METHOD, task(data, {"background": both}))


def test_refuses_an_event_twice(data: Events) -> None:
    truth = toy_events(9000, seed=2)
    twice = truth[np.r_[np.arange(9000), np.arange(100)]]
    with pytest.raises(ConfigError, match="in the sample itself"):
        METHOD.require(background(data, {"background": dataclasses.replace(twice, ids=np.empty((0, 3), np.uint64))}))


def test_a_sample_that_misses_the_window_is_named(data: Events) -> None:
    truth = toy_events(9000, seed=2)
    beside = truth[~REGION.signal(truth.mass)]
    with pytest.raises(TooFewEventsError, match="'background' has 0 of"):
        answer(METHOD, task(data, {"background": beside}))
