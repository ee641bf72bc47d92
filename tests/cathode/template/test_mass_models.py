from __future__ import annotations

import json

import numpy as np
import pytest

from cathode.errors import MassModelError
from cathode.template.mass_models import DijetFitMass, KdeMass, mass_model_from_dict
from cathode.testing.mass_model import REGION, dijet_masses, mass_model_checks
from generators.testing import Check

MODELS = (DijetFitMass, KdeMass)
CHECKS = [pytest.param(check, id=f"{made.kind}-{check}") for made in MODELS for check in mass_model_checks(made)]


@pytest.mark.parametrize("check", CHECKS)
def test_contract(check: Check) -> None:
    check()


def fitted(kind: type[DijetFitMass | KdeMass], seed: int = 1, events: float = 50_000) -> DijetFitMass | KdeMass:
    mass = dijet_masses(np.random.default_rng(seed), events)
    return kind().fit(mass[REGION.sideband(mass)], REGION)


@pytest.fixture(params=MODELS, ids=lambda kind: kind.kind)
def kind(request: pytest.FixtureRequest) -> type[DijetFitMass | KdeMass]:
    chosen: type[DijetFitMass | KdeMass] = request.param
    return chosen


def test_a_signal_in_the_window_changes_nothing(kind: type[DijetFitMass | KdeMass]) -> None:
    rng = np.random.default_rng(7)
    mass = dijet_masses(rng, 30_000)
    with_signal = np.concatenate([mass, rng.normal(3500, 40, 3000).clip(3301, 3699)])
    assert REGION.signal(with_signal).sum() - REGION.signal(mass).sum() == 3000
    alone = kind().fit(mass[REGION.sideband(mass)], REGION)
    beside = kind().fit(with_signal[REGION.sideband(with_signal)], REGION)
    assert alone.expected() == beside.expected()
    assert np.array_equal(alone.sample(1000, seed=1), beside.sample(1000, seed=1))


def test_error_of_weighted_events_is_that_of_their_squares() -> None:
    """0.6 of the content carries the variance of all of it; a density makes no choice of a function on top of that."""
    rng = np.random.default_rng(9)
    mass = dijet_masses(rng, 100_000)
    side = mass[REGION.sideband(mass)]
    weights = np.where(rng.random(len(side)) < 0.2, -1.0, 1.0)
    plain, weighted = (KdeMass().fit(side, REGION, weights=w).expected() for w in (None, weights))
    assert 0.9 * plain.error < weighted.error < 1.15 * plain.error


def test_a_model_survives_json_with_its_range(kind: type[DijetFitMass | KdeMass]) -> None:
    model = fitted(kind)
    stored = json.loads(json.dumps(model.to_dict(), allow_nan=False))
    back = mass_model_from_dict(stored)
    assert back.fit_range_ == model.fit_range_  # type: ignore[attr-defined]
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
