"""Sideband events that predict what passes the cut, in the place of a generator that is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.events import Events
from analysis.weights import effective_sample_size
from cathode.cut_and_count import count, make_cut
from cathode.errors import ConfigError
from cathode.methods import create as create_method
from cathode.methods.protocol import Reference
from cathode.search import Search
from cathode.template.drawing import Template, folds_of
from cathode.template.transport import moved_template, transport_along
from generators.registry import create
from generators.tabular.spline_flow import AutoregressiveSplineFlow
from generators.training.settings import TrainingSettings

from ..toys import REGION, Discriminant, TrueGenerator, TrueMass, toy_events

HASTY = {"kind": "autoregressive_spline", "hidden": 8, "training": {"steps": 4, "batch_size": 256}}


def sideband(n: int = 6_000, seed: int = 5, **changes: Any) -> Events:
    events = toy_events(n, seed=seed, **changes)
    return events[REGION.sideband(events.mass)]


def fitted(specification: dict[str, Any], events: Events) -> Any:
    return create(specification).fit(events.x, events.context, seed=1)


@pytest.fixture(scope="module")
def hasty() -> tuple[Any, Events]:
    events = sideband()
    return fitted(HASTY, events), events


def test_events_are_moved_into_the_window(hasty: tuple[Any, Events]) -> None:
    generator, events = hasty
    predictor = transport_along(generator, events, reach=1.2)
    mass = np.linspace(3_300, 3_699, 5_000)
    moved = moved_template(predictor, mass, seed=2)
    assert moved is not None
    assert moved.origin is not None
    assert np.array_equal(moved.mass, mass)
    start = np.sort(events.mass)[moved.origin]
    assert ((start >= 3_300 / 1.2 - 5) & (start < 3_700 * 1.2 + 5)).all()
    assert not REGION.signal(start).any()


def test_there_is_nothing_to_move_with(hasty: tuple[Any, Events]) -> None:
    generator, events = hasty
    assert transport_along(TrueGenerator(), events, reach=1.2) is None
    mixture = {"kind": "gaussian_mixture", "components": 1, "training": {"steps": 5}}
    assert transport_along(fitted(mixture, events), events, reach=1.2) is None
    signed = sideband(weights=np.where(np.arange(6_000) % 7, 1.0, -0.5))
    assert transport_along(generator, signed, reach=1.2) is None
    assert moved_template(None, np.array([3_500.0]), seed=1) is None


def test_a_mass_without_sideband_on_one_side_is_left_to_the_template(hasty: tuple[Any, Events]) -> None:
    predictor = transport_along(*hasty, reach=1.2)
    assert moved_template(predictor, np.array([3_500.0, 9_000.0]), seed=1) is None


def test_copies_stay_in_one_fold() -> None:
    origin = np.random.default_rng(1).integers(0, 900, 4_000) * 7
    fold = folds_of(Template(np.zeros((4_000, 1)), np.zeros(4_000), origin=origin), 5, seed=1)
    assert all(len(set(fold[origin == one])) == 1 for one in np.unique(origin))
    assert np.bincount(fold, minlength=5).min() > 600


def test_copies_count_as_one() -> None:
    scores = np.repeat(np.arange(1_000.0), 4)
    fold = np.zeros(4_000, np.int64)
    origin = np.repeat(np.arange(1_000), 4)
    copies = Reference(np.empty((4_000, 0)), np.empty(4_000), scores, fold, np.ones(4_000), origin=origin)
    counted = count(make_cut(0.1, copies, 1), scores, np.ones(4_000), fold, copies)
    assert counted.template_passing == 400
    assert counted.effective == pytest.approx(100)
    assert effective_sample_size(np.array([3.0, 3.0])) == 2


def test_error_of_a_prediction_by_copies_is_their_scatter() -> None:
    """Samples of events, each used a random number of times: the share above a cut scatters as said."""
    rng = np.random.default_rng(2)
    shares, errors = [], []
    for _ in range(300):
        origin = rng.integers(0, 500, 4_000)
        scores = rng.random(500)[origin]
        passing = (scores > 0.9).astype(float)
        shares.append(passing.mean())
        errors.append(passing.mean() / np.sqrt(effective_sample_size(np.bincount(origin, passing))))
    assert np.std(shares) == pytest.approx(np.mean(errors), rel=0.15)


class Smearing(AutoregressiveSplineFlow):
    """Learns features that are smeared to one side, so that its density is wrong at every mass in the same way."""

    kind = AutoregressiveSplineFlow.kind

    def fit(self, x: Any, context: Any, **rest: Any) -> Any:
        noise = np.random.default_rng(3).exponential(0.4, len(x))
        return super().fit(x - noise[:, None] * [1, 0, 0], context, **rest)


def test_what_a_wrong_generator_predicts_and_what_its_transport_does() -> None:
    """No signal; a wrong density is told from data, and what is cut on is its error."""
    events = toy_events(100_000, seed=17)
    training = TrainingSettings(steps=250, batch_size=512, learning_rate=1e-2)
    found = {}
    for reach in (None, 1.2):
        search = Search.of(
            "cathode",
            region=REGION,
            generator=Smearing(hidden=16, training=training),
            mass_model=TrueMass(),
            classifier=Discriminant(),
            reach=reach,
            folds=2,
            background_efficiencies=(0.1,),
            closure=False,
            workers=1,
        )
        (cut,) = search.run(events).cuts
        error = np.hypot(cut.statistical, np.sqrt(cut.expected))
        found[reach] = (cut.observed / cut.expected - 1, error / cut.expected)
    assert found[None][0] > 5 * found[None][1]
    assert abs(found[1.2][0]) < 3 * found[1.2][1]


@pytest.mark.parametrize("reach", [1.0, 0.0, float("inf"), float("nan")])
def test_a_reach_that_reaches_nothing_is_refused(reach: float) -> None:
    with pytest.raises(ConfigError, match="reach"):
        create_method({"kind": "cathode", "reach": reach})
