"""Events mixed and moved between masses: the contract of a transport, and toys whose densities are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from generators.artifact import load, save
from generators.errors import (
    ContextRangeError,
    HyperparameterError,
    NotFittedError,
    ShapeError,
    TooFewRowsError,
    TransportError,
    WeightError,
)
from generators.registry import create
from generators.tabular.bracketing import Bracketing
from generators.tabular.event_mixing import EventMixing
from generators.tabular.event_transport import EventTransport
from generators.tabular.transport import transport

from ..contracts import EventContract, gaussian_events, quick

Floats = NDArray[np.float64]

WINDOW = (3000.0, 3500.0)
QUICK = {
    "kind": "autoregressive_spline",
    "hidden": 16,
    "training": {"steps": 400, "batch_size": 512, "learning_rate": 1e-2},
}


def falling_masses(n: int, seed: int) -> Floats:
    """Masses of a falling spectrum beside the window."""
    mass = 2200 + 700 * np.random.default_rng(seed).exponential(size=2 * n)
    outside = mass[(mass < WINDOW[0]) | (mass >= WINDOW[1])]
    return outside[:n]


def drifting(mass: Floats, seed: int) -> NDArray[np.float32]:
    """Two features: the mean of the first is 5 ln m, the second follows the first; both normal otherwise."""
    rng = np.random.default_rng(seed)
    first = 5 * np.log(mass) + rng.normal(size=len(mass))
    return np.column_stack([first, 0.5 * first + 0.3 * rng.normal(size=len(mass))]).astype(np.float32)


def comb(mass: Floats, seed: int) -> NDArray[np.float32]:
    """Narrow teeth, too sharp for a flow of a few steps, in two features that share their number; at any mass."""
    rng = np.random.default_rng(seed)
    tooth = rng.integers(6, size=len(mass))[:, None]
    return (tooth + 0.15 * rng.random((len(mass), 2))).astype(np.float32)


@pytest.fixture(scope="module")
def drift() -> EventTransport:
    mass = falling_masses(20_000, 1)
    return EventTransport(generator=QUICK, reach=1.3).fit(drifting(mass, 2), mass[:, None], seed=1)


class _Contract(EventContract):
    shape = (2,)
    fitted_on = 2_000
    events = staticmethod(gaussian_events)

    @pytest.fixture
    def fitted(self, specification: dict[str, Any]) -> Any:
        return quick(specification).fit(*gaussian_events(self.fitted_on, seed=10), seed=10)


class TestTransportContract(_Contract):
    @pytest.fixture
    def specification(self) -> dict[str, Any]:
        return {"kind": "event_transport", "generator": QUICK}


class TestMixingContract(_Contract):
    @pytest.fixture
    def specification(self) -> dict[str, Any]:
        return {"kind": "event_mixing", "reach": 1.3}


class TestBracketing:
    def test_mean_of_ln_m_is_that_of_the_mass_asked_for(self) -> None:
        mass = np.sort(falling_masses(5000, 3))
        weights = np.random.default_rng(4).random(5000)
        asked = np.full(40_000, 3200.0)
        chosen = mass[Bracketing.of(mass, weights, 1.4).choose(asked, seed=5)]
        error = np.log(chosen).std() / np.sqrt(len(asked))
        assert abs(np.log(chosen).mean() - np.log(3200.0)) < 4 * error

    def test_events_lie_beside_the_gap_and_within_reach(self) -> None:
        mass = np.sort(falling_masses(5000, 3))
        edges = mass[mass < 3000].max(), mass[mass > 3000].min()
        chosen = mass[Bracketing.of(mass, np.ones(5000), 1.1).choose(np.linspace(3001, 3499, 3000), seed=1)]
        assert chosen.min() >= edges[0] / 1.1
        assert chosen.max() <= edges[1] * 1.1
        assert not ((chosen > edges[0]) & (chosen < edges[1])).any()
        assert (chosen < 3000).any()
        assert (chosen > 3500).any()

    def test_events_are_chosen_by_weight(self) -> None:
        mass = np.array([1000.0, 1001.0, 2000.0, 2001.0])
        chosen = Bracketing.of(mass, np.array([1.0, 3.0, 2.0, 2.0]), 1.5).choose(np.full(40_000, 1500.0), seed=1)
        share = np.bincount(chosen, minlength=4) / 40_000
        below = np.log(2000 / 1500) / np.log(2)
        assert share == pytest.approx([below / 4, 3 * below / 4, (1 - below) / 2, (1 - below) / 2], abs=0.01)

    def test_each_side_is_gone_through_evenly(self) -> None:
        mass = np.concatenate([np.linspace(2000, 2100, 500), np.linspace(3000, 3100, 500)])
        times = np.bincount(Bracketing.of(mass, np.ones(1000), 1.2).choose(np.full(1000, 2600.0), seed=1))
        assert times.max() <= 3

    @pytest.mark.parametrize("mass", [500.0, 9000.0])
    def test_needs_events_on_both_sides(self, mass: float) -> None:
        with pytest.raises(ContextRangeError, match="both sides"):
            Bracketing.of(np.linspace(1000, 2000, 60), np.ones(60), 1.2).choose(np.array([1500.0, mass]), seed=1)

    def test_negative_weights_are_refused(self) -> None:
        with pytest.raises(WeightError, match="1 of 2"):
            Bracketing.of(np.array([1.0, 2.0]), np.array([1.0, -1.0]), 1.2)

    def test_no_masses_no_events(self) -> None:
        assert Bracketing.of(np.array([1.0, 2.0]), np.ones(2), 1.2).choose(np.empty(0), seed=1).shape == (0,)


class TestMixing:
    def test_events_are_those_that_were_learned_from(self) -> None:
        mass = falling_masses(3000, 1)
        x = np.random.default_rng(0).normal(size=(3000, 4, 3)).astype(np.float32)
        weights = np.where(np.arange(3000) % 3, 1.0, 0.0)
        made = EventMixing(reach=1.3).fit(x, mass[:, None], weights=weights, seed=1)
        at = np.full((500, 1), 3200.0)
        drawn = made.sample(at, seed=7)
        assert drawn.shape == (500, 4, 3)
        assert np.array_equal(drawn, made.events_[made.origins(at, seed=7)])
        known = {row.tobytes() for row in x[weights > 0]}
        assert all(row.tobytes() in known for row in drawn)

    def test_saved_and_loaded_is_the_same(self, tmp_path: Path) -> None:
        mass = falling_masses(300, 1)
        made = EventMixing().fit(drifting(mass, 2), mass[:, None], seed=1)
        at = np.full((50, 1), 3100.0)
        again = load(save(made, tmp_path / "mixing"))
        assert np.array_equal(again.sample(at, seed=3), made.sample(at, seed=3))

    def test_meets_a_change_linear_in_ln_m(self) -> None:
        mass = falling_masses(40_000, 1)
        share = np.log(mass / 2000) / 2
        x = (np.random.default_rng(3).random(40_000) < share)[:, None].astype(np.float32)
        drawn = EventMixing(reach=1.5).fit(x, mass[:, None], seed=1).sample(np.full((20_000, 1), 3250.0), seed=2)
        assert drawn.mean() == pytest.approx(np.log(3250 / 2000) / 2, abs=0.015)


class TestTransport:
    def test_identity_where_nothing_changes(self, drift: EventTransport) -> None:
        mass = falling_masses(2000, 8)[:, None]
        x = drifting(mass[:, 0], 9)
        assert drift.transport(x, mass, mass) == pytest.approx(x, abs=1e-4)

    def test_back_again_is_where_it_started(self, drift: EventTransport) -> None:
        mass = falling_masses(2000, 8)[:, None]
        x = drifting(mass[:, 0], 9)
        moved = drift.transport(x, mass, 1.2 * mass)
        assert np.abs(moved - x).mean() > 0.1
        assert drift.transport(moved, 1.2 * mass, mass) == pytest.approx(x, abs=1e-3)

    def test_follows_a_linear_drift(self, drift: EventTransport) -> None:
        at = np.random.default_rng(5).uniform(*WINDOW, 20_000)
        drawn = drift.sample(at[:, None], seed=6)
        away = drawn[:, 0] - 5 * np.log(at)
        assert away.mean() == pytest.approx(0, abs=0.08)
        assert away.std() == pytest.approx(1, abs=0.05)
        rest = drawn[:, 1] - 0.5 * drawn[:, 0]
        assert rest.mean() == pytest.approx(0, abs=0.02)
        assert rest.std() == pytest.approx(0.3, abs=0.02)

    def test_what_the_flow_gets_wrong_at_every_mass_cancels(self) -> None:
        mass = np.random.default_rng(1).uniform(2500, 4000, 20_000)
        mass = mass[(mass < 3200) | (mass > 3250)]
        made = EventTransport(generator=QUICK, reach=1.05).fit(comb(mass, 2), mass[:, None], seed=1)
        at = np.random.default_rng(3).uniform(3200, 3250, 10_000)
        moved, drawn = (each.sample(at[:, None], seed=5) for each in (made, made.flow_))
        between = [float((np.mod(x, 1) > 0.2).any(axis=1).mean()) for x in (moved, drawn)]
        assert between[1] > 0.05
        assert between[0] < 0.4 * between[1]

    def test_seed_decides(self, drift: EventTransport) -> None:
        at = np.full((100, 1), 3200.0)
        assert np.array_equal(drift.sample(at, seed=1), drift.sample(at, seed=1))
        assert not np.array_equal(drift.sample(at, seed=1), drift.sample(at, seed=2))

    def test_origins_are_what_is_moved(self, drift: EventTransport) -> None:
        at = np.full((300, 1), 3200.0)
        origins, events = drift.origins(at, seed=4), drift.mixing_
        assert origins is not None
        assert events is not None
        start = events.bracketing_.mass[origins, None]
        assert np.array_equal(drift.sample(at, seed=4), drift.transport(events.events_[origins], start, at))

    def test_saved_and_loaded_is_the_same_bit_for_bit(self, drift: EventTransport, tmp_path: Path) -> None:
        at = np.full((300, 1), 3200.0)
        again = load(save(drift, tmp_path / "transport"))
        assert np.array_equal(again.sample(at, seed=4), drift.sample(at, seed=4))
        assert again.hyperparameters() == drift.hyperparameters()
        assert again.validation_losses_ == drift.validation_losses_

    def test_several_states_share_the_events(self) -> None:
        mass = falling_masses(2000, 1)
        inner = {"kind": "ensemble", "generator": QUICK, "members": 3}
        made = EventTransport(generator=inner, reach=1.3).fit(drifting(mass, 2), mass[:, None], seed=1)
        x, start = drifting(mass[:90], 3), mass[:90, None]
        there = made.transport(x, start, 1.1 * start)
        assert made.transport(there, 1.1 * start, start) == pytest.approx(x, abs=1e-3)

    def test_discrete_features_stay_discrete(self) -> None:
        mass = falling_masses(3000, 1)
        rng = np.random.default_rng(2)
        x = np.column_stack([rng.poisson(mass / 500), rng.normal(size=3000)]).astype(np.float32)
        inner = {
            **QUICK,
            "bijection": {
                "kind": "chain",
                "bijections": [{"kind": "columns", "maps": {"0": "dequantise"}}, "quantile_normal"],
            },
        }
        made = EventTransport(generator=inner, reach=1.3).fit(x, mass[:, None], seed=1)
        drawn = made.sample(np.full((2000, 1), 3200.0), seed=3)
        assert np.array_equal(drawn[:, 0], np.round(drawn[:, 0]))
        assert drawn[:, 0].mean() == pytest.approx(6.4, abs=0.25)
        same = made.transport(x, mass[:, None], mass[:, None])
        assert np.array_equal(same[:, 0], x[:, 0])

    def test_negative_weights_leave_draws_of_the_flow(self) -> None:
        mass = falling_masses(2000, 1)
        weights = np.where(np.arange(2000) % 10, 1.0, -1.0)
        made = EventTransport(generator=QUICK).fit(drifting(mass, 2), mass[:, None], weights=weights, seed=1)
        at = np.full((100, 1), 3200.0)
        assert made.origins(at, seed=1) is None
        assert np.array_equal(made.sample(at, seed=1), made.flow_.sample(at, seed=1))


class TestRefusals:
    @pytest.mark.parametrize("reach", [1.0, 0.5, np.inf, np.nan])
    @pytest.mark.parametrize("kind", ["event_mixing", "event_transport"])
    def test_a_reach_that_reaches_nothing(self, kind: str, reach: float) -> None:
        with pytest.raises(HyperparameterError, match="reach"):
            create({"kind": kind, "reach": reach})

    @pytest.mark.parametrize("inner", ["flow_matching", "gaussian_mixture", "event_mixing", "full_phase_space"])
    def test_what_can_not_be_followed_both_ways(self, inner: str) -> None:
        with pytest.raises(HyperparameterError, match="flow"):
            EventTransport(generator={"kind": inner})

    def test_transport_names_the_generator(self) -> None:
        mass = falling_masses(200, 1)
        other: Any = create({"kind": "gaussian_mixture", "training": {"steps": 5}})
        other.fit(drifting(mass, 2), mass[:, None], seed=1)
        with pytest.raises(TransportError, match="gaussian_mixture"):
            transport(other, drifting(mass, 2), mass[:, None], mass[:, None])

    def test_wrong_shapes(self, drift: EventTransport) -> None:
        with pytest.raises(ShapeError, match="2 features"):
            drift.transport(np.zeros((3, 5)), np.full((3, 1), 2500.0), np.full((3, 1), 2600.0))
        with pytest.raises(ShapeError):
            drift.sample(np.zeros((3, 2)), seed=1)
        with pytest.raises(ContextRangeError, match="not positive"):
            drift.sample(np.array([[-3.0]]), seed=1)

    def test_too_few_events(self) -> None:
        mass = falling_masses(20, 1)
        with pytest.raises(TooFewRowsError):
            EventMixing().fit(drifting(mass, 2), mass[:, None], seed=1)

    @pytest.mark.parametrize("kind", ["event_mixing", "event_transport"])
    def test_unfitted(self, kind: str) -> None:
        with pytest.raises(NotFittedError):
            create({"kind": kind}).sample(np.full((1, 1), 3000.0), seed=1)
