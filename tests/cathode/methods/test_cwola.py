"""CWoLa Hunting: the events beside the window are the reference, both sides alike."""

from __future__ import annotations

import numpy as np

from cathode.methods.cwola import Cwola
from cathode.methods.protocol import Background, Learned, Task
from cathode.observables import AsRead
from cathode.region import Interval
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.stages import Stages

from ..toys import REGION, Discriminant, toy_events

WINDOW = (Interval(REGION.low, REGION.high),)


def test_both_sides_have_the_same_weight_and_predict_nothing() -> None:
    events = toy_events(6_000, seed=3)
    beside, inside = events[REGION.sideband(events.mass)], events[REGION.signal(events.mass)]
    task = Task(
        Background(beside, AsRead()),
        AsRead().observed(inside),
        lambda n, seed: np.zeros(n),
        2,
        WINDOW,
    )
    fitted = Cwola(classifier=Discriminant()).fit(task, Learned(), Stages(Seeds(1), RunFolder(None)))
    reference = fitted.reference
    below = reference.mass < REGION.low
    assert 0 < below.sum() < len(reference)
    np.testing.assert_allclose(reference.weights[below].sum(), reference.weights[~below].sum())
    np.testing.assert_allclose(reference.weights.sum(), beside.weights.sum())
    assert not reference.predicts
    np.testing.assert_array_equal(reference.x, beside.x)
