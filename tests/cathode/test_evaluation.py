"""From a fitted method to a result, against counts by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from cathode.evaluation import evaluated, result_of
from cathode.methods.protocol import Learned, Reference
from cathode.observables import AsRead, Observed
from cathode.result import SearchResult
from cathode.runtime.progress import silent
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.stages import Stages
from cathode.runtime.timer import Timer
from cathode.validation.sideband_closure import ClosureTest

from .toys import REGION, TrueMass, toy_events, toy_search

FOLDS, EFFICIENCY = 2, 0.1


@dataclass(frozen=True, eq=False)
class FirstColumn:
    """A method whose score is the first feature, and whose reference is handed over."""

    reference: Reference

    def score(self, events: Observed) -> FloatArray:
        return events.events.x[:, 0]


def result(events: Events, weights: np.ndarray) -> SearchResult:
    """What is found with a reference of scores 0, 1, 2, … in turns of the folds, of these weights."""
    search = toy_search(folds=FOLDS, background_efficiencies=(EFFICIENCY,), closure=False)
    number = np.arange(len(weights))
    reference = Reference(
        np.zeros((len(weights), events.x.shape[1])),
        np.full(len(weights), 3500.0),
        np.linspace(events.x[:, 0].min(), events.x[:, 0].max(), len(weights)),
        number % FOLDS,
        weights,
    )
    observed = AsRead().observed(events)
    stages = Stages(Seeds(1), RunFolder(None), silent)
    found = evaluated(search, events.columns, observed, search.method, FirstColumn(reference), None, stages)
    beside = events.mass[REGION.sideband(events.mass)]
    model = TrueMass().fit(beside, REGION, weights=np.ones(len(beside)))
    learned = {"template": Learned(), "validation": Learned()}
    return result_of(search, events, observed, model, learned, ClosureTest(), found, Timer(), RunFolder(None))


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(6_000, seed=3).in_order()


def test_counts_are_those_of_a_count_by_hand(events: Events) -> None:
    (cut,) = result(events, np.ones(2_000)).cuts
    scores = np.linspace(events.x[:, 0].min(), events.x[:, 0].max(), 2_000)
    inside, fold = REGION.signal(events.mass), fold_of(events.ids, FOLDS)
    expected = observed = 0.0
    for index in range(FOLDS):
        mine = np.sort(scores[np.arange(2_000) % FOLDS == index])
        threshold = mine[-100]
        assert cut.thresholds[index] == threshold
        data = events.x[inside & (fold == index), 0]
        observed += (data >= threshold).sum()
        expected += len(data) * 100 / 1_000
    assert (cut.observed, cut.expected) == (observed, pytest.approx(expected))
    assert (cut.template_passing, cut.template_total) == (200, 2_000)
    assert 0 < cut.p_value_exact <= 1


def test_the_result_keeps_what_chooses_models_without_labels(events: Events) -> None:
    """The first feature of the window is told from a reference that is spread evenly over its range."""
    found = result(events, np.ones(2_000))
    assert found.argos is not None
    assert found.argos > 0.2
    assert SearchResult.from_json(found.to_json()).argos == found.argos


def test_weights_that_cancel_above_the_cut_claim_nothing_and_are_said(events: Events) -> None:
    weights = np.ones(2_000)
    # Of both folds one event alone is nearest to a tenth of the weight: with the next one it would be half of it.
    weights[-2:], weights[-4:-2] = -1.0, 1_000.0
    found = result(events, weights)
    (cut,) = found.cuts
    assert cut.expected < 0
    assert cut.template_passing == 2
    assert np.isnan([cut.p_value, cut.significance]).all()
    assert any("there is no expectation" in warning for warning in found.warnings)
    assert SearchResult.from_json(found.to_json()).cuts[0].reason == cut.reason
