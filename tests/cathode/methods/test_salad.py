"""The weights of SALAD are the known ratio of data to simulation, in a window that the classifier never saw."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from analysis.events import Events
from cathode.classifiers.mlp import Mlp
from cathode.errors import ConfigError
from cathode.methods.salad import Salad
from cathode.testing.toy import toy_auxiliary

from ..toys import COVARIANCE, DRIFT, REGION, RESONANCE, Discriminant, toy_events
from .asking import answer, background, task

#: By how much the features of the simulation of the toy world are off.
OFF = np.array([0.25, 0.0, -0.15])


def known_ratio(events: Events) -> np.ndarray:
    """Logarithm of data over simulation, up to a constant: a shift of normal features, and the steeper spectrum."""
    mean = (events.mass[:, None] - RESONANCE) / 1000 * DRIFT
    inverse = np.linalg.inv(COVARIANCE)
    of_features = -(events.x - mean - OFF / 2) @ inverse @ OFF
    return np.asarray(of_features + events.mass / 8000)


def test_weights_are_the_known_ratio_in_the_window() -> None:
    simulation = toy_auxiliary()["simulation"]
    method = Salad(ratio=Mlp(hidden=32, layers=2, epochs=15, batch_size=512, best_epochs=3), classifier=Discriminant())
    learned, fitted = answer(method, task(toy_events(30_000, seed=1), {"simulation": simulation}))
    there = simulation[REGION.signal(simulation.mass)]
    found, due = np.log(method.weights(learned.model, there)), known_ratio(there)
    off = found - due - np.mean(found - due)
    assert np.std(due) > 0.3
    assert np.std(off) < 0.25 * np.std(due)
    # They are what classifier and count are given.
    assert np.allclose(fitted.reference.weights, np.exp(found))
    # So the weighted simulation has the features of the data.
    data = task(toy_events(30_000, seed=1)).target.events
    error = data.x.std(axis=0) * len(data) ** -0.5
    weighted = np.average(fitted.reference.x, axis=0, weights=fitted.reference.weights)
    assert np.all(np.abs(there.x.mean(axis=0) - data.x.mean(axis=0))[[0, 2]] > 5 * error[[0, 2]])
    assert np.all(np.abs(weighted - data.x.mean(axis=0)) < 4 * error)


def test_refuses_simulation_of_other_features_or_elsewhere() -> None:
    data, simulation = toy_events(2000, seed=1), toy_events(2000, seed=2)
    method = Salad(ratio=Discriminant(), classifier=Discriminant())
    with pytest.raises(ConfigError, match="has the features a, b, c"):
        method.require(background(data, {"simulation": dataclasses.replace(simulation, columns=("a", "b", "c"))}))
    inside = simulation[REGION.signal(simulation.mass)]
    with pytest.raises(ConfigError, match="lies in the sidebands"):
        method.require(background(data, {"simulation": inside}))


def test_refuses_a_clip_that_leaves_nothing() -> None:
    with pytest.raises(ConfigError, match="clip"):
        Salad(clip=1.0)
