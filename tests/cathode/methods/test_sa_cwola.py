"""What the simulation of SA-CWoLa is for: features that follow the mass teach the classifier nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from analysis.events import Events
from analysis.metrics.sic_and_auc import auc
from cathode.errors import ConfigError
from cathode.methods.cwola import Cwola
from cathode.methods.protocol import Method
from cathode.methods.sa_cwola import SaCwola

from ..toys import REGION, Discriminant, toy_events
from .asking import answer, task


def bent(events: Events) -> Events:
    """The first feature is smaller in the middle of the window than beside it."""
    x = events.x.copy()
    x[:, 0] += 4 * ((events.mass - 3500) / 1000) ** 2
    return dataclasses.replace(events, x=x)


def of_the_mass(method: Method, auxiliary: dict[str, Events]) -> float:
    """How well the score tells the window from the sidebands where there is no signal: 1/2 if it does not."""
    _, fitted = answer(method, task(bent(toy_events(20_000, seed=1)), auxiliary))
    test = bent(toy_events(20_000, seed=3))
    scores = fitted.score(task(test).background.observables.observed(test))
    inside, beside = REGION.signal(test.mass), REGION.sideband(test.mass)
    return float(auc(scores[inside | beside], inside[inside | beside]).value)


def test_a_perfect_simulation_takes_the_mass_away() -> None:
    simulation = {"simulation": bent(toy_events(40_000, seed=2))}
    assert of_the_mass(Cwola(classifier=Discriminant()), {}) > 0.6
    assert of_the_mass(SaCwola(classifier=Discriminant()), simulation) == pytest.approx(0.5, abs=0.05)


def test_a_simulation_without_the_correlation_takes_nothing_away() -> None:
    assert of_the_mass(SaCwola(classifier=Discriminant()), {"simulation": toy_events(40_000, seed=2)}) > 0.6


def test_makes_no_direct_estimate() -> None:
    _, fitted = answer(
        SaCwola(classifier=Discriminant()), task(toy_events(6000, seed=1), {"simulation": toy_events(6000, seed=2)})
    )
    assert not fitted.reference.predicts
    assert REGION.sideband(fitted.reference.mass).all()


def test_wants_a_penalty() -> None:
    for penalty in (0.0, -1.0, np.inf):
        with pytest.raises(ConfigError, match="penalty"):
            SaCwola(penalty=penalty)
