from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from cathode.errors import MassModelError
from cathode.region import Interval, Region
from cathode.template.mass_models import DijetFitMass, KdeMass, MassModel, mass_model_from_dict

REGION = Region(3300, 3700, sideband_low=2700, sideband_high=5500)
GRID = np.linspace(2600.0, 12_000.0, 40_001)
MODELS = (DijetFitMass, KdeMass)


def truth(mass: np.ndarray) -> np.ndarray:
    x = mass / 13_000.0
    return (1 - x) ** 9 / x ** (5 + 0.4 * np.log(x))


CUMULATIVE = np.concatenate([[0.0], np.cumsum(0.5 * (truth(GRID[1:]) + truth(GRID[:-1])))])
CUMULATIVE /= CUMULATIVE[-1]


def background(rng: np.random.Generator, events: float) -> np.ndarray:
    return np.interp(rng.random(rng.poisson(events)), CUMULATIVE, GRID)


def fitted(kind: type[DijetFitMass | KdeMass], seed: int = 1, events: float = 50_000) -> DijetFitMass | KdeMass:
    mass = background(np.random.default_rng(seed), events)
    return kind().fit(mass[REGION.sideband(mass)], REGION)


@pytest.fixture(params=MODELS, ids=lambda kind: kind.kind)
def kind(request: pytest.FixtureRequest) -> type[DijetFitMass | KdeMass]:
    chosen: type[DijetFitMass | KdeMass] = request.param
    return chosen


def test_prediction_in_the_window_is_unbiased_with_the_right_error(kind: type[DijetFitMass | KdeMass]) -> None:
    rng = np.random.default_rng(2)
    inside = 20_000 * np.diff(np.interp([REGION.low, REGION.high], GRID, CUMULATIVE))[0]
    model, pulls = kind(), []
    for _ in range(60):
        mass = background(rng, 20_000)
        expected = model.fit(mass[REGION.sideband(mass)], REGION).expected()
        pulls.append((expected.events - inside) / expected.error)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.45)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.3)


def test_drawn_masses_follow_the_background(kind: type[DijetFitMass | KdeMass]) -> None:
    model = fitted(kind, events=400_000)
    drawn = model.sample(20_000, seed=3)
    low, high = np.interp([REGION.low, REGION.high], GRID, CUMULATIVE)
    assert stats.kstest(drawn, lambda m: (np.interp(m, GRID, CUMULATIVE) - low) / (high - low)).pvalue > 0.01
    # Flat masses would be told apart at once.
    flat = np.random.default_rng(4).uniform(REGION.low, REGION.high, 20_000)
    assert stats.ks_2samp(drawn, flat).pvalue < 1e-10


def test_draws_stay_in_the_window_and_repeat_with_the_seed(kind: type[DijetFitMass | KdeMass]) -> None:
    model = fitted(kind)
    drawn = model.sample(5000, seed=5)
    assert drawn.shape == (5000,)
    assert REGION.signal(drawn).all()
    assert np.array_equal(drawn, model.sample(5000, seed=5))
    assert not np.array_equal(drawn, model.sample(5000, seed=6))
    interval = Interval(3100, 3300)
    assert interval(model.sample(100, seed=5, within=interval)).all()
    assert len(model.sample(0, seed=1)) == 0


def test_a_signal_in_the_window_changes_nothing(kind: type[DijetFitMass | KdeMass]) -> None:
    rng = np.random.default_rng(7)
    mass = background(rng, 30_000)
    with_signal = np.concatenate([mass, rng.normal(3500, 40, 3000).clip(3301, 3699)])
    assert REGION.signal(with_signal).sum() - REGION.signal(mass).sum() == 3000
    alone = kind().fit(mass[REGION.sideband(mass)], REGION)
    beside = kind().fit(with_signal[REGION.sideband(with_signal)], REGION)
    assert alone.expected() == beside.expected()
    assert np.array_equal(alone.sample(1000, seed=1), beside.sample(1000, seed=1))
    with pytest.raises(MassModelError, match=rf"{REGION.signal(mass).sum()} of {len(mass)} masses lie inside"):
        kind().fit(mass, REGION)
    one = np.append(mass[REGION.sideband(mass)], 3300.0)
    with pytest.raises(MassModelError, match=r"1 of .* masses lie inside the window 3300–3700"):
        kind().fit(one, REGION)


def test_density_and_count_agree_and_the_band_encloses(kind: type[DijetFitMass | KdeMass]) -> None:
    model = fitted(kind)
    mass = np.linspace(REGION.low, REGION.high, 2001)
    assert np.trapezoid(model.density(mass), mass) == pytest.approx(model.expected().events, rel=1e-4)
    halves = [model.expected(Interval(a, b)) for a, b in ((3300, 3500), (3500, 3700))]
    assert sum(h.events for h in halves) == pytest.approx(model.expected().events, rel=1e-6)
    assert sum(h.error for h in halves) >= model.expected().error
    low, high = model.band(mass)
    assert np.all((low < model.density(mass)) & (model.density(mass) < high))
    sideband = model.expected(Interval(2900, 3300))
    seen = background(np.random.default_rng(1), 50_000)
    assert sideband.events == pytest.approx(np.sum((seen >= 2900) & (seen < 3300)), rel=0.03)


def test_events_beyond_the_sidebands_do_not_count(kind: type[DijetFitMass | KdeMass]) -> None:
    mass = background(np.random.default_rng(8), 20_000)
    side = mass[REGION.sideband(mass)]
    far = np.concatenate([side, np.full(5000, 2650.0), np.full(300, 6000.0)])
    assert kind().fit(far, REGION).expected() == kind().fit(side, REGION).expected()


def test_weights_count_negative_ones_too(kind: type[DijetFitMass | KdeMass]) -> None:
    rng = np.random.default_rng(9)
    mass = background(rng, 100_000)
    side = mass[REGION.sideband(mass)]
    plain = kind().fit(side, REGION).expected()
    signed = np.where(rng.random(len(side)) < 0.2, -1.0, 1.0)
    weighted = kind().fit(side, REGION, weights=signed).expected()
    assert weighted.events == pytest.approx(0.6 * plain.events, abs=4 * weighted.error)
    # 0.6 of the content carries the variance of all of it; the choice of a function varies on top of that.
    low, high = (0.9, 1.15) if kind is KdeMass else (0.7, 2.5)
    assert low * plain.error < weighted.error < high * plain.error


def test_a_model_survives_json_with_its_settings(kind: type[DijetFitMass | KdeMass]) -> None:
    model = fitted(kind)
    stored = json.loads(json.dumps(model.to_dict(), allow_nan=False))
    back = mass_model_from_dict(stored)
    assert back == model, "same hyperparameters"
    assert back.region_ == REGION
    assert back.expected() == model.expected()
    assert np.array_equal(back.sample(100, seed=1), model.sample(100, seed=1))
    assert back.fit_range_ == model.fit_range_
    assert isinstance(back, MassModel)
    with pytest.raises(MassModelError, match="dijet_fit"):
        mass_model_from_dict({**stored, "kind": "dijet_fitt"})


def test_the_fit_reports_its_parameters_and_quality() -> None:
    model = fitted(DijetFitMass, events=100_000)
    assert isinstance(model, DijetFitMass)
    names = list(model.parameters_)
    assert names == ["ln_norm", *(f"p{i}" for i in range(1, int(model.density_.function[1:]) + 1))]
    assert model.density_.acceptable
    assert model.density_.ndof > 10
    low, high = model.fit_range_
    assert 2700 <= low < 3300
    assert high == 5500


def test_both_models_agree_on_the_background() -> None:
    fit, kde = (fitted(kind, seed=12, events=200_000).expected() for kind in MODELS)
    assert abs(fit.events - kde.events) < 3.5 * np.hypot(fit.error, kde.error)
    assert fit.error < kde.error, "a functional form is worth something"


def test_what_can_not_be_modelled_is_named(kind: type[DijetFitMass | KdeMass]) -> None:
    with pytest.raises(MassModelError, match="must be fitted first"):
        kind().expected()
    with pytest.raises(MassModelError, match="must be fitted first"):
        kind().sample(3, seed=1)
    mass = background(np.random.default_rng(13), 20_000)
    side = mass[REGION.sideband(mass)]
    with pytest.raises(MassModelError):
        kind().fit(side[side < 3300], REGION)
    with pytest.raises(MassModelError):
        kind().fit(side[:0], REGION)
    with pytest.raises(MassModelError, match="finite"):
        kind().fit(np.append(side, np.nan), REGION)
    with pytest.raises(MassModelError, match="length"):
        kind().fit(side, REGION, weights=np.ones(3))
