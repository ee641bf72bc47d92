"""A resonance on a falling spectrum: the maximum against Minuit, toys, and the limit of an exact background."""

from __future__ import annotations

import numpy as np
import pytest
from iminuit import Minuit

from analysis.errors import SpectrumError
from analysis.inference.function_choice import ProfiledFamily
from analysis.inference.limits import asymptotic_limit, toy_confidence
from analysis.inference.signal_shapes import DoubleCrystalBall, in_bins
from analysis.inference.spectrum_model import SpectrumModel

from .spectra import EDGES, SIGNAL, background, model


@pytest.mark.parametrize("function", ["f2", "f3", "f4"])
@pytest.mark.parametrize("events", [300.0, 40_000.0])
def test_the_maximum_and_its_error_are_those_of_minuit(function: str, events: float) -> None:
    ours = model(1.0, function=function, events=events)
    fit = ours.best

    def loss(theta: np.ndarray) -> float:
        expected = ours._background(theta[:-1]) + theta[-1] * SIGNAL
        if (expected <= 0).any():
            return 1e12
        return float((expected - ours.counts * np.log(expected)).sum())

    minuit = Minuit(loss, np.append(fit.theta, fit.strength) + 0.003)
    minuit.errordef = Minuit.LIKELIHOOD
    minuit.strategy = 2
    minuit.migrad()
    minuit.hesse()
    assert minuit.valid
    # Minuit's own tolerance is a thousandth of a standard deviation squared.
    assert fit.strength == pytest.approx(minuit.values[-1], abs=0.05 * fit.error)
    assert loss(np.append(fit.theta, fit.strength)) <= float(minuit.fval) + 1e-6
    # Minuit has the curvature that was seen, we the one that is expected.
    assert fit.error == pytest.approx(minuit.errors[-1], rel=0.15)


@pytest.mark.parametrize("strength", [0.0, 1.5])
def test_pulls_of_toys_are_normal(strength: float) -> None:
    rng = np.random.default_rng(5)
    first = model()
    fits = [first.seeing(rng.poisson(background() + strength * SIGNAL)).best for _ in range(150)]
    pulls = np.array([(fit.strength - strength) / fit.error for fit in fits])
    assert abs(pulls.mean()) < 4 / 150**0.5
    assert pulls.std() == pytest.approx(1.0, abs=0.2)


def test_a_signal_is_found_and_none_is_not() -> None:
    assert model(3.0).discovery() > 5
    assert abs(model(0.0).discovery()) < 3


def test_q_tilde_is_zero_above_and_the_asimov_limit_is_the_expected_one() -> None:
    seen = model(0.5)
    assert seen.q_tilde(seen.best.strength - 0.1) == 0.0
    assert seen.q_tilde(seen.best.strength + 3 * seen.best.error) == pytest.approx(9.0, rel=0.15)
    limit, again = asymptotic_limit(seen), asymptotic_limit(seen.asimov())
    assert again.observed == pytest.approx(limit.expected[2], rel=1e-3)


def test_a_background_that_cannot_move_gives_the_limit_of_a_counting_experiment() -> None:
    """With all signal in one bin and a sideband of enormous counts the shape is known."""
    from analysis.inference.counting_model import CountingModel

    contents = background(3e9)
    spike = np.zeros(len(contents))
    spike[12] = 1e5
    many = SpectrumModel(EDGES, contents, spike)
    counting = CountingModel(contents[12], contents[12], 0.0, 1e5)
    assert asymptotic_limit(many).observed == pytest.approx(asymptotic_limit(counting).observed, rel=0.1)


def test_empty_bins_are_bins() -> None:
    few = model(events=120.0)
    assert (few.counts == 0).sum() > 5
    assert np.isfinite(few.best.strength)
    assert few.fit(0.0).expected.sum() == pytest.approx(few.counts.sum(), rel=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"counts": np.ones(3)},
        {"counts": -background()},
        {"signal": np.zeros(len(SIGNAL))},
        {"edges": EDGES[::-1]},
        {"sqrt_s": 5000.0},
        {"counts": (np.arange(len(SIGNAL)) < 3).astype(float)},
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpectrumError):
        SpectrumModel(**{"edges": EDGES, "counts": background(), "signal": SIGNAL, **wrong})  # type: ignore[arg-type]


def sparse(counts: np.ndarray) -> SpectrumModel:
    """Hardly any background under a resonance of ten events at 5 TeV."""
    return SpectrumModel(EDGES, counts, 10 * in_bins(DoubleCrystalBall(5000, 120), EDGES))


def test_without_events_under_the_signal_toys_say_what_three_events_do() -> None:
    """Of no event and no background a strength of 3.0 events is excluded at 95 %, whatever asymptotic formulae say."""
    expected = background(100.0)
    seen = sparse(np.round(expected))
    assert seen.counts[seen.signal > 0.5].sum() <= 1
    assert np.isfinite(seen.at_most())
    assert seen.at_most() > 0.5
    # 1.5 events are not excluded, 6 are; an exact count of none has a CLs of exp(−s).
    assert toy_confidence(seen, 0.15, toys=400, seed=1).cls == pytest.approx(np.exp(-1.5), abs=0.1)
    assert toy_confidence(seen, 0.6, toys=100, seed=1).cls < 0.03
    family = ProfiledFamily.of(seen, ("f2", "f3"))
    assert toy_confidence(family, 0.6, toys=40, seed=1).cls < 0.1


def test_toys_of_many_events_agree_with_asymptotic_formulae() -> None:
    seen = model(0.0)
    strength = asymptotic_limit(seen).observed
    assert toy_confidence(seen, strength, toys=400, seed=2).cls == pytest.approx(0.05, abs=0.03)
