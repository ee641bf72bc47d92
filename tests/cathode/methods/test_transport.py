"""The contract of everything that moves events: nothing moves where masses are equal, and the way back leads home."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.events import Events
from cathode.errors import WeightsError
from cathode.methods.curtains import Curtains
from cathode.methods.feta import Feta
from cathode.methods.rad_ot import Paths
from cathode.methods.transit import Transit
from cathode.methods.transport import AlongFlow, Transport, moved_events, refuse_negative
from cathode.testing.toy import toy_auxiliary
from generators.registry import create

from ..toys import DRIFT, REGION, Discriminant, background_features, toy_events
from .asking import background, stages

DATA = toy_events(9000, seed=1)


def flow(kind: str = "affine_coupling", **settings: Any) -> Any:
    training = {"steps": 120, "learning_rate": 1e-2, "batch_size": 1024, "ema_decay": 0.9}
    return create({"kind": kind, "bijection": "standardise", "training": training, **settings})


def gaussian() -> Any:
    return flow("linear_flow", hidden=8, layers=1)


def curtains() -> Transport:
    method = Curtains(generator=gaussian(), map=flow(blocks=2, hidden=8, layers=1), classifier=Discriminant())
    found: Transport = method.learn(background(DATA), stages()).model
    return found


def feta() -> Transport:
    method = Feta(generator=gaussian(), map=gaussian(), classifier=Discriminant())
    found: Transport = method.learn(background(DATA, toy_auxiliary()), stages()).model
    return found


def rad_ot() -> Transport:
    beside = DATA[REGION.sideband(DATA.mass)]
    low, high = (beside[side(beside.mass)][slice(400)] for side in (REGION.lower, REGION.upper))
    return Paths.matched(low, high)


def transit() -> Transport:
    training = {"steps": 70, "learning_rate": 2e-2, "batch_size": 512, "ema_decay": 0.9}
    method = Transit(map=flow("linear_flow", hidden=8, layers=1, training=training), classifier=Discriminant())
    found: Transport = method.learn(background(DATA), stages()).model
    return found


MAPS: dict[str, Callable[[], Transport]] = {"curtains": curtains, "feta": feta, "rad_ot": rad_ot, "transit": transit}


@pytest.fixture(scope="module", params=MAPS)
def named(request: pytest.FixtureRequest) -> tuple[str, Transport]:
    return request.param, MAPS[request.param]()


def events_of(name: str, transport: Any) -> tuple[np.ndarray, np.ndarray]:
    """Events that the map was made for, and their masses; on a path anything else is a neighbour of it."""
    if name == "rad_ot":
        return transport.x[0], transport.mass[0]
    sample = toy_events(300, seed=5)
    return sample.x, sample.mass


def test_the_way_back_leads_home(named: tuple[str, Transport]) -> None:
    name, transport = named
    assert isinstance(transport, Transport)
    x, mass = events_of(name, transport)
    end = np.full(len(x), 3500.0)
    moved = transport.transport(x, mass, end)
    assert np.abs(moved - x).max() > 0.05
    assert np.allclose(transport.back(moved, end, mass), x, atol=2e-3)


def test_nothing_moves_where_masses_are_equal(named: tuple[str, Transport]) -> None:
    name, transport = named
    if name == "feta":
        pytest.skip("takes simulation to data at every mass")
    x, mass = events_of(name, transport)
    assert np.allclose(transport.transport(x, mass, mass), x, atol=1e-3)


def test_moved_events_have_the_means_of_their_new_mass(named: tuple[str, Transport]) -> None:
    name, transport = named
    sample = toy_auxiliary()["simulation"] if name == "feta" else toy_events(20_000, seed=6)
    beside = sample[REGION.sideband(sample.mass)][slice(400 if name == "rad_ot" else 6000)]
    end = np.full(len(beside), 3500.0)
    if name == "rad_ot":
        moved = transport.at(np.arange(len(transport.mass[0])), end)  # type: ignore[attr-defined]
    else:
        moved = transport.transport(beside.x, beside.mass, end)
    # The mean of the toy background is zero at 3500 GeV.
    assert np.allclose(moved.mean(axis=0), 0.0, atol=0.12)
    assert np.allclose(moved.std(axis=0), background_features(end, np.random.default_rng(1)).std(axis=0), atol=0.12)


def test_moved_events_come_from_both_sides_and_say_of_which_event_they_are(named: tuple[str, Transport]) -> None:
    name, transport = named
    if name not in ("curtains", "transit"):
        pytest.skip("the other methods choose their events in another way")
    beside = DATA[REGION.sideband(DATA.mass)]
    template = moved_events(transport, beside, np.full(3000, 3500.0), reach=1.2, seed=1)
    assert template.origin is not None
    near = beside[(beside.mass > 3300 / 1.2) & (beside.mass < 3700 * 1.2)]
    assert len(np.unique(template.origin)) > 0.6 * min(3000, len(near))


def test_a_flow_that_is_right_moves_along_the_drift() -> None:
    """Along a normal density whose mean follows the mass, an event moves by the difference of the means."""
    fitted = flow("linear_flow", hidden=16, layers=1).fit(DATA.x, DATA.context, seed=1)
    x, mass = DATA.x[:500], DATA.mass[:500]
    moved = AlongFlow(fitted).transport(x, mass, mass + 300)
    assert np.allclose((moved - x).mean(axis=0), 0.3 * DRIFT, atol=0.06)


def test_negative_weights_are_refused() -> None:
    weighted = Events(x=DATA.x, mass=DATA.mass, columns=DATA.columns, weights=np.where(np.arange(len(DATA)) < 7, -1, 1))
    with pytest.raises(WeightsError, match="7 of 9000"):
        refuse_negative(weighted, "curtains")
