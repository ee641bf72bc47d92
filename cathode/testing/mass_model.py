"""What every mass model must satisfy, tried on a falling spectrum that is known."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cathode.errors import MassModelError
from cathode.region import Interval, Region
from cathode.template.mass_models import MassModel, mass_model_from_dict
from generators.testing.contract import Check, Contract, expect, refused, run_all

Floats = NDArray[np.float64]

REGION = Region(3300, 3700, sideband_low=2700, sideband_high=5500)
GRID = np.linspace(2600.0, 12_000.0, 40_001)


def _spectrum(mass: Floats) -> Floats:
    x = mass / 13_000.0
    return np.asarray((1 - x) ** 9 / x ** (5 + 0.4 * np.log(x)))


CUMULATIVE: Floats = np.concatenate([[0.0], np.cumsum(0.5 * (_spectrum(GRID[1:]) + _spectrum(GRID[:-1])))])
CUMULATIVE /= CUMULATIVE[-1]


def dijet_masses(rng: np.random.Generator, events: float) -> Floats:
    """Masses in GeV of a dijet spectrum from 2.6 TeV; their number is Poisson distributed about `events`."""
    return np.interp(rng.random(rng.poisson(events)), CUMULATIVE, GRID)


def share(low: float, high: float) -> float:
    """Share of `dijet_masses` between two masses in GeV."""
    return float(np.diff(np.interp([low, high], GRID, CUMULATIVE))[0])


class MassModelContract(Contract):
    """`make` gives an unfitted mass model."""

    def __init__(self, make: Callable[[], MassModel]) -> None:
        self.make = make

    def fitted(self, seed: int = 1, events: float = 50_000) -> MassModel:
        """A mass model of the sidebands of so many events."""
        mass = dijet_masses(np.random.default_rng(seed), events)
        return self.make().fit(mass[REGION.sideband(mass)], REGION)

    def check_is_a_mass_model(self) -> None:
        """It has the methods of the protocol."""
        expect(isinstance(self.fitted(), MassModel), "A mass model has fit, sample, expected, density, band, to_dict.")

    def check_prediction_in_the_window_is_unbiased_with_the_right_error(self) -> None:
        """Pulls of 60 pseudo-experiments have mean 0 and width 1."""
        rng = np.random.default_rng(2)
        inside = 20_000 * share(REGION.low, REGION.high)
        pulls = []
        for _ in range(60):
            mass = dijet_masses(rng, 20_000)
            expected = self.make().fit(mass[REGION.sideband(mass)], REGION).expected()
            pulls.append((expected.events - inside) / expected.error)
        mean, width = float(np.mean(pulls)), float(np.std(pulls))
        expect(abs(mean) <= 0.45, f"The expectation in the window is biased by {mean:.2f} of its errors.")
        expect(0.7 <= width <= 1.3, f"The error of the expectation is wrong by a factor of {width:.2f}.")

    def check_drawn_masses_follow_the_background(self) -> None:
        """No Kolmogorov–Smirnov distance from the truth beyond chance."""
        from scipy import stats

        drawn = self.fitted(events=400_000).sample(20_000, seed=3)
        low, high = np.interp([REGION.low, REGION.high], GRID, CUMULATIVE)
        p = stats.kstest(drawn, lambda m: (np.interp(m, GRID, CUMULATIVE) - low) / (high - low)).pvalue
        expect(p > 0.01, f"Drawn masses must follow the background in the window; their p-value is {p:.2g}.")

    def check_draws_stay_in_the_window_and_repeat_with_the_seed(self) -> None:
        """Also in another interval, and no masses if none are asked for."""
        model = self.fitted()
        drawn = model.sample(5000, seed=5)
        expect(drawn.shape == (5000,), f"sample(5000) must have the shape (5000,); it has {drawn.shape}.")
        expect(REGION.signal(drawn).all(), "Masses were drawn outside of the window.")
        expect(np.array_equal(drawn, model.sample(5000, seed=5)), "The same seed must draw the same masses.")
        expect(not np.array_equal(drawn, model.sample(5000, seed=6)), "Another seed must draw other masses.")
        interval = Interval(3100, 3300)
        expect(
            interval(model.sample(100, seed=5, within=interval)).all(), "sample(within=…) must stay in the interval."
        )
        expect(len(model.sample(0, seed=1)) == 0, "sample(0) must draw nothing.")

    def check_a_mass_in_the_window_is_refused(self) -> None:
        """A mass model is blind: one mass in the window is an error, which says how many there are."""
        mass = dijet_masses(np.random.default_rng(7), 30_000)
        inside = int(REGION.signal(mass).sum())
        with refused(MassModelError, "All masses, those of the window too", f"{inside} of {len(mass)} masses"):
            self.make().fit(mass, REGION)
        one = np.append(mass[REGION.sideband(mass)], REGION.low)
        with refused(MassModelError, "One mass at the lower edge of the window", f"1 of {len(one)} masses"):
            self.make().fit(one, REGION)

    def check_density_and_count_agree_and_the_band_encloses(self) -> None:
        """The integral of the density is the expectation; parts add up; beside the window it is what was seen."""
        model = self.fitted()
        mass = np.linspace(REGION.low, REGION.high, 2001)
        integral, events = float(np.trapezoid(model.density(mass), mass)), model.expected().events
        expect(abs(integral - events) <= 1e-4 * events, f"∫ density is {integral:.2f}, expected() is {events:.2f}.")
        middle = 0.5 * (REGION.low + REGION.high)
        halves = [model.expected(Interval(a, b)) for a, b in ((REGION.low, middle), (middle, REGION.high))]
        together = sum(half.events for half in halves)
        expect(
            abs(together - events) <= 1e-5 * events, f"Halves of the window add up to {together:.2f}, not {events:.2f}."
        )
        errors = sum(half.error for half in halves)
        expect(errors >= model.expected().error, "The error of the window exceeds those of its halves together.")
        low, high = model.band(mass)
        inside = np.all((low < model.density(mass)) & (model.density(mass) < high))
        expect(inside, "The band must enclose the density.")
        seen = dijet_masses(np.random.default_rng(1), 50_000)
        due, found = float(np.sum((seen >= 2900) & (seen < 3300))), model.expected(Interval(2900, 3300)).events
        expect(abs(found - due) <= 0.03 * due, f"Of {due:g} events beside the window the model expects {found:.0f}.")

    def check_events_beyond_the_sidebands_do_not_count(self) -> None:
        """What lies outside of both sidebands changes nothing."""
        mass = dijet_masses(np.random.default_rng(8), 20_000)
        side = mass[REGION.sideband(mass)]
        far = np.concatenate([side, np.full(5000, 2650.0), np.full(300, 6000.0)])
        same = self.make().fit(far, REGION).expected() == self.make().fit(side, REGION).expected()
        expect(same, "Events beyond the sidebands changed the expectation.")

    def check_weights_count_negative_ones_too(self) -> None:
        """A tenth that subtracts a tenth: the expectation follows the sum of weights, the error that of squares."""
        rng = np.random.default_rng(9)
        mass = dijet_masses(rng, 100_000)
        side = mass[REGION.sideband(mass)]
        plain = self.make().fit(side, REGION).expected()
        signed = np.where(rng.random(len(side)) < 0.2, -1.0, 1.0)
        weighted = self.make().fit(side, REGION, weights=signed).expected()
        due = 0.6 * plain.events
        expect(
            abs(weighted.events - due) <= 4 * weighted.error,
            f"With a sum of weights of 0.6 of the events {due:.0f} are due; it is {weighted.events:.0f}.",
        )
        # 0.6 of the content carries the variance of all of it; the choice of a function varies on top of that.
        ratio = weighted.error / plain.error
        expect(0.7 < ratio < 2.5, f"The error with negative weights is {ratio:.2f} of that without.")

    def check_survives_json_with_its_settings(self) -> None:
        """`to_dict` and `mass_model_from_dict` give the same model."""
        model = self.fitted()
        stored = json.loads(json.dumps(model.to_dict(), allow_nan=False))
        back = mass_model_from_dict(stored)
        expect(back == model, "Settings must survive to_dict and from_dict; a dataclass compares them.")
        expect(back.region_ == REGION, "The region must survive to_dict and from_dict.")
        expect(back.expected() == model.expected(), "The expectation must survive to_dict and from_dict bit for bit.")
        same = np.array_equal(back.sample(100, seed=1), model.sample(100, seed=1))
        expect(same, "Draws must survive to_dict and from_dict bit for bit.")

    def check_what_can_not_be_modelled_is_named(self) -> None:
        """No fit, one side alone, nothing, NaN, and weights of another length."""
        with refused(MassModelError, "expected() before fit()", "must be fitted first"):
            self.make().expected()
        with refused(MassModelError, "sample() before fit()", "must be fitted first"):
            self.make().sample(3, seed=1)
        mass = dijet_masses(np.random.default_rng(13), 20_000)
        side = mass[REGION.sideband(mass)]
        for what, given, weights in (
            ("The lower sideband alone", side[side < REGION.low], None),
            ("No mass at all", side[:0], None),
            ("A mass that is NaN", np.append(side, np.nan), None),
            ("Three weights for all masses", side, np.ones(3)),
        ):
            with refused(MassModelError, what):
                self.make().fit(given, REGION, weights=weights)


def mass_model_checks(make: Callable[[], MassModel]) -> list[Check]:
    """What a mass model that `make` gives, unfitted, must satisfy."""
    return MassModelContract(make).checks()


def check_mass_model(make: Callable[[], MassModel]) -> None:
    """Run all of `mass_model_checks`.

    Raises
    ------
    AssertionError
        Names every check that failed.
    """
    run_all(mass_model_checks(make))
