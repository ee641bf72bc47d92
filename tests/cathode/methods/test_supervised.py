"""A classifier that is told what the signal is finds it where the data hold none, and finds the best cut."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cathode.errors import ConfigError
from cathode.methods.supervised import Supervised

from ..toys import REGION, Discriminant, separation, toy_events
from .asking import answer, background, task

METHOD = Supervised(classifier=Discriminant())


def test_separates_as_well_as_the_best_discriminant_of_data_without_a_signal() -> None:
    labelled = toy_events(20_000, signal=3000, seed=4, truth=True)
    _, fitted = answer(METHOD, task(toy_events(6000, seed=1), {"labelled": labelled}))
    test = toy_events(20_000, signal=3000, seed=5, truth=True)
    there = test[REGION.signal(test.mass)]
    scores = fitted.score(task(test).background.observables.observed(there))
    assert there.truth is not None
    gap = scores[there.truth].mean() - scores[~there.truth].mean()
    # Labels of the whole spectrum of signal against background of the window: nothing is better in this world.
    assert gap / scores[~there.truth].std() == pytest.approx(separation(), rel=0.05)


@pytest.mark.parametrize("truth", [None, np.zeros(500, bool), np.ones(500, bool)])
def test_wants_labels_of_both_kinds(truth: np.ndarray | None) -> None:
    labelled = dataclasses.replace(toy_events(500, seed=4), truth=truth)
    with pytest.raises(ConfigError, match="labelled"):
        METHOD.require(background(toy_events(2000, seed=1), {"labelled": labelled}))
