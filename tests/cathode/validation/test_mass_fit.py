"""A mass fit that predicts counts passes; one that misses is found, in the window and beside it."""

from __future__ import annotations

import numpy as np

from analysis.events import FloatArray
from cathode.region import Region
from cathode.result import MassFitTest
from cathode.template.mass_models import DijetFitMass
from cathode.testing.mass_model import dijet_masses
from cathode.validation.mass_fit import mass_fit_tests

REGION = Region(3300, 3700, sideband_low=2700)
REGIONS = REGION.validation_regions(fraction=0.5)


def outcome(mass: FloatArray, region: Region = REGION, model: DijetFitMass | None = None) -> tuple[MassFitTest, ...]:
    blank = model or DijetFitMass(functions=("f3",))
    fitted = DijetFitMass(functions=blank.functions).fit(mass[region.sideband(mass)], region)
    return mass_fit_tests(fitted, blank, mass, np.ones(len(mass)), REGIONS)


def test_a_falling_spectrum_passes_with_pulls_of_unit_width() -> None:
    rng = np.random.default_rng(1)
    found = [outcome(dijet_masses(rng, 40_000)) for _ in range(25)]
    pulls = np.array([[t.pull for t in tests if t.what != "nearby sidebands"] for tests in found])
    assert pulls.shape == (25, 3)
    assert 0.7 < pulls.std() < 1.3
    assert sum(not t.passed for tests in found for t in tests) <= 1


def test_a_step_beside_the_window_is_found() -> None:
    mass = dijet_masses(np.random.default_rng(2), 60_000)
    lost = REGIONS[0](mass) & (np.random.default_rng(3).random(len(mass)) < 0.2)
    found = outcome(mass[~lost])
    assert any(t.fails and t.low == REGIONS[0].low for t in found)


def test_an_excess_may_be_a_signal_and_a_deficit_can_not() -> None:
    mass = dijet_masses(np.random.default_rng(4), 60_000)
    inside = REGION.signal(mass)
    more = outcome(np.concatenate([mass, np.full(inside.sum() // 4, 3500.0)]))[0]
    fewer = outcome(mass[~(inside & (np.arange(len(mass)) % 4 == 0))])[0]
    assert (more.what, more.passed, more.fails) == ("window", False, False)
    assert more.pull > 5
    assert (fewer.passed, fewer.fails) == (False, True)


def test_nothing_in_the_window_changes_what_is_said_of_the_sidebands() -> None:
    mass = dijet_masses(np.random.default_rng(5), 40_000)
    planted = np.concatenate([mass, np.full(5_000, 3500.0)])
    assert outcome(mass)[1:] == outcome(planted)[1:]


def test_a_region_that_can_not_be_fitted_is_left_out() -> None:
    mass = dijet_masses(np.random.default_rng(6), 2_000)
    low = Region(3300, 3700, sideband_low=3290)
    few = mass[(mass > 3290) & (mass < 6000)]
    model = DijetFitMass(functions=("f2",), low=3290)
    fitted = DijetFitMass(functions=("f2",)).fit(few[low.sideband(few)], low)
    found = mass_fit_tests(fitted, model, few, np.ones(len(few)), low.validation_regions(fraction=0.01))
    assert {t.what for t in found} <= {"window", "nearby sidebands", "validation region"}
