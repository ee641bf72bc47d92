"""Signal over background as R-ANODE measures it, beside the truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from analysis.events import Events
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.r_anode import MassSpectrum, RAnode, SignalRatio, _findings
from cathode.observables import DijetSubstructure
from generators.registry import create

from ..toys import COVARIANCE, DRIFT, OFFSET, REGION, RESONANCE, SLOPE, WIDTH, TrueGenerator, toy_events
from .asking import answer, background, task


class TrueDensity(TrueGenerator):
    """Knows the density of the background."""

    def log_prob(self, x: Any, context: Any) -> Any:
        mean = (np.asarray(context) - RESONANCE) / 1000 * DRIFT
        return multivariate_normal(np.zeros(3), COVARIANCE).logpdf(x - mean)


class TrueSignal:
    """Knows the density of mass and features of the signal."""

    def log_prob(self, joint: Any, context: Any) -> Any:
        del context
        mass, x = joint[:, 0], joint[:, 1:]
        return norm.logpdf(mass, RESONANCE, WIDTH) + TrueDensity().log_prob(x - OFFSET, mass[:, None])


def component() -> Any:
    training = {"steps": 150, "learning_rate": 3e-2, "batch_size": 1024, "ema_decay": 0.9}
    made = {"kind": "gaussian_mixture", "components": 1, "hidden": 4, "layers": 1, "bijection": "standardise"}
    return create({**made, "training": training})


def method(**changes: Any) -> RAnode:
    return RAnode(**{"generator": TrueDensity(), "signal": component(), "oversampling": 1, **changes})


def test_measures_the_fraction_of_signal() -> None:
    events = toy_events(12_000, signal=150, seed=7, truth=True)
    _, fitted = answer(method(), task(events))
    inside = REGION.signal(events.mass)
    assert events.truth is not None
    truth = events.truth[inside].mean()
    found = fitted.findings
    assert found["signal_fraction"] == pytest.approx(truth, abs=3 * found["signal_fraction_error"])
    assert found["signal_over_background"] == pytest.approx(truth / (1 - truth), abs=0.05)
    assert 0.003 < found["signal_fraction_error"] < 0.03


def test_finds_nothing_where_there_is_nothing() -> None:
    _, fitted = answer(method(), task(toy_events(12_000, seed=8)))
    assert fitted.findings["signal_fraction"] < 4 * fitted.findings["signal_fraction_error"]


#: Events of background in the window, of 12,000.
EXPECTED = float(
    12_000 * np.diff(np.exp(-(np.array([3700.0, 3300.0]) - 2000) / SLOPE))[0] / (1 - np.exp(-4000 / SLOPE))
)


def counted(seed: int, signal: float) -> Events:
    """Poisson numbers of both kinds, so that S/B of the world is that of their means."""
    background, number = np.random.default_rng([3, seed]).poisson([12_000, signal])
    return toy_events(int(background), signal=int(number), seed=2000 + seed)


@pytest.mark.parametrize("signal", [pytest.param(40, marks=pytest.mark.slow), 100])
def test_with_the_true_densities_signal_over_background_covers(signal: int) -> None:
    """200 pseudo-experiments: the interval of one standard deviation holds the truth in 68 % of them."""
    pulls = []
    for seed in range(200):
        events = counted(seed, signal)
        there = events[REGION.signal(events.mass)]
        ratio = SignalRatio(TrueDensity(), (TrueSignal(),)).log_ratio(there.x, there.mass, np.zeros(len(there), int))
        # The masses of the background in the window, exponential.
        of_mass = -there.mass / SLOPE - np.log(SLOPE * -np.diff(np.exp(-np.array([3300.0, 3700.0]) / SLOPE))[0])
        found = _findings((ratio - of_mass).astype(np.float32), there.weights)
        pulls.append((found["signal_over_background"] - signal / EXPECTED) / found["signal_over_background_error"])
    covered = float(np.mean(np.abs(pulls) < 1))
    assert covered == pytest.approx(0.683, abs=3 * (0.683 * 0.317 / 200) ** 0.5)
    assert np.mean(pulls) == pytest.approx(0, abs=3 * 200**-0.5)


@pytest.mark.slow
def test_signal_over_background_is_low_by_less_than_its_error() -> None:
    """60 pseudo-experiments, everything learned anew in each.

    Were the densities the true ones, pulls would have mean 0 (`best_fraction` has its own test of that). A density of
    some fifty signal events misses a part of the others, so the mean is below; it was −0.61.
    """
    pulls = []
    for seed in range(60):
        signal = int(np.random.default_rng(seed).poisson(100))
        events = toy_events(12_000, signal=signal, seed=1000 + seed)
        _, fitted = answer(method(), task(events))
        found = fitted.findings
        pulls.append((found["signal_over_background"] - 100 / EXPECTED) / found["signal_over_background_error"])
    assert -1.0 < np.mean(pulls) < 0.3
    assert 0.7 < np.std(pulls) < 1.6
    # So the interval of one standard deviation holds the truth less often than in 68 %.
    assert np.mean(np.abs(pulls) < 1) > 0.4
    assert np.mean(np.abs(pulls) < 2) > 0.75


def test_the_mass_spectrum_is_that_of_the_masses() -> None:
    mass = 3300 + 400 * np.sqrt(np.random.default_rng(1).random(100_000))
    spectrum = MassSpectrum.of(mass)
    at = np.linspace(3350, 3690, 40)
    assert np.allclose(np.exp(spectrum.log_density(at)), 2 * (at - 3300) / 400**2, rtol=0.1)
    assert np.isfinite(spectrum.log_density(np.array([0.0, 1e9]))).all()


def test_refuses_what_it_can_not_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="generator must know its density"):
        method(generator=TrueGenerator())
    with pytest.raises(ConfigError, match="signal must know its density"):
        method(signal=create({"kind": "vae"}))
    for wrong in ({"fraction": 0.0}, {"fraction": 1.0}, {"oversampling": 0.0}):
        with pytest.raises(ConfigError):
            method(**wrong)
    beside = background(toy_events(2000, seed=1))
    with pytest.raises(ConfigError, match="would be ignored"):
        method().require(dataclasses.replace(beside, observables=DijetSubstructure()))
    with pytest.raises(RunFolderError, match="not a finished run of method r_anode"):
        RAnode.load(tmp_path, folds=2)
