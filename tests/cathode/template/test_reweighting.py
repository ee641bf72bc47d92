"""Sideband reweighting: the density ratio that is known, what it costs, and that nobody weights what he has seen."""

from __future__ import annotations

import copy
import dataclasses
import math
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from analysis.errors import TooFewEventsError
from analysis.events import Events
from analysis.weights import effective_sample_size
from cathode.classifiers import BoostedTrees, Mlp
from cathode.errors import ConfigError
from cathode.template.drawing import Template
from cathode.template.reweighting import Reweighting
from generators.errors import NotFittedError

Array = NDArray[np.float64]

SIDEBANDS, WINDOW = ((2500.0, 3300.0), (3700.0, 4500.0)), ((3300.0, 3700.0),)


def masses(n: int, intervals: tuple[tuple[float, float], ...], rng: np.random.Generator) -> Array:
    """Evenly distributed in intervals of equal length, GeV."""
    low = np.array([low for low, _ in intervals])[rng.integers(len(intervals), size=n)]
    return np.asarray(low + (intervals[0][1] - intervals[0][0]) * rng.random(n))


def data_events(n: int, seed: int) -> Events:
    """Two standard normal features."""
    rng = np.random.default_rng([1, seed])
    return Events(x=rng.normal(size=(n, 2)), mass=masses(n, SIDEBANDS, rng), columns=("a", "b"))


def template(n: int, seed: int, *, shift: float = 0.0, drift: float = 0.0, window: bool = False) -> Template:
    """As the data, but the first feature is off by `shift` and by `drift` per TeV from 3.5 TeV."""
    rng = np.random.default_rng([2, seed])
    mass = masses(n, WINDOW if window else SIDEBANDS, rng)
    x = rng.normal(size=(n, 2))
    x[:, 0] += shift + drift * (mass - 3500) / 1000
    return Template(x, mass)


def trees(members: int = 2) -> BoostedTrees:
    return BoostedTrees(members=members, max_iter=30, jobs=1)


def network(epochs: int = 5) -> Mlp:
    return Mlp(epochs=epochs, best_epochs=2, hidden=16, layers=2, batch_size=256, learning_rate=5e-3)


@dataclasses.dataclass
class Memory:
    """Knows what it saw, and nothing else."""

    kind: ClassVar[str] = "memory"

    def fit(self, x: Any, y: Any, *, weights: Any = None, seed: int, monitor: Any = None) -> Self:
        self.shape_, self.seen_ = x.shape[1:], {row.tobytes(): float(label) for row, label in zip(x, y, strict=True)}
        return self

    def score(self, x: Any) -> Array:
        return np.array([0.5 + 0.4 * (2 * self.seen_.get(row.tobytes(), 0.5) - 1) for row in x])

    def hyperparameters(self) -> dict[str, Any]:
        return {}

    def save(self, folder: Any) -> Path:
        raise AssertionError

    @classmethod
    def load(cls, folder: Any) -> Self:
        raise AssertionError


def test_a_known_density_ratio_is_found_and_costs_what_it_must() -> None:
    """A unit Gaussian off by δ has the ratio exp(−δx + δ²/2), an AUC of Φ(δ/√2), and leaves exp(−δ²) of the events."""
    shift = 0.5
    fit = Reweighting(classifier=network(), folds=2).fit(
        data_events(5000, seed=1), template(7500, seed=2, shift=shift), seed=3
    )
    inside = template(8000, seed=4, shift=shift, window=True)
    weights, found = fit.weights_with_diagnostics(inside)
    exact = np.exp(-shift * inside.x[:, 0].astype(float) + shift**2 / 2)
    assert weights.mean() == pytest.approx(1)
    assert np.abs(weights - exact / exact.mean()).mean() < 0.12
    assert np.average(inside.x[:, 0], weights=weights) == pytest.approx(0, abs=0.07)
    assert found.effective_sample_size / 8000 == pytest.approx(math.exp(-(shift**2)), rel=0.1)
    assert found.largest == weights.max()
    report = fit.diagnostics_
    assert report.closure_before.value == pytest.approx(norm.cdf(shift / math.sqrt(2)), abs=0.02)
    assert abs(report.closure_after.value - 0.5) < 3 * report.closure_after.error + 0.005
    assert report.weights.effective_sample_size / 7500 == pytest.approx(math.exp(-(shift**2)), rel=0.1)
    assert report.warnings == ()


def test_the_ratio_is_interpolated_in_the_mass() -> None:
    """Off to one side below the window and to the other above: right in the middle, and useless without the mass."""
    fit = Reweighting(classifier=network(15), folds=2).fit(
        data_events(5000, seed=5), template(5000, seed=6, drift=1.0), seed=7
    )
    for mass in (2700.0, 4300.0):
        drawn = template(4000, seed=8, shift=(mass - 3500) / 1000)
        weights = fit.weights(Template(drawn.x, np.full(4000, mass)))
        assert abs(np.average(drawn.x[:, 0], weights=weights)) < 0.3 * 0.8
    weights, found = fit.weights_with_diagnostics(template(4000, seed=10, drift=1.0, window=True))
    assert found.effective_sample_size > 0.9 * 4000
    assert np.abs(weights - 1).mean() < 0.2


def test_equal_distributions_keep_their_weights() -> None:
    fit = Reweighting(classifier=trees(4), folds=2).fit(data_events(4000, seed=11), template(6000, seed=12), seed=13)
    report = fit.diagnostics_
    for closure in (report.closure_before, report.closure_after):
        assert abs(closure.value - 0.5) < 3.5 * closure.error
    assert report.weights.effective_sample_size > 0.95 * 6000
    assert (report.outside_support, report.warnings) == (0.0, ())


@pytest.mark.parametrize("shape", [(3,), (2, 4, 3)])
def test_nobody_weights_what_he_has_seen(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(14)
    data = Events(x=rng.normal(size=(700, *shape)), mass=masses(700, SIDEBANDS, rng), columns=("a", "b", "c"))
    other = Template(rng.normal(size=(800, *shape)), masses(800, SIDEBANDS, rng))
    fit = Reweighting(classifier=Memory(), folds=4).fit(data, other, seed=15)
    # Each event is unknown to the classifier of its fold, and known to the three others.
    np.testing.assert_array_equal(fit.template_weights_, 1.0)
    assert fit.diagnostics_.closure_before.value == 0.5
    shapes = {each.shape_ for each in fit.cross_fit_.classifiers}  # type: ignore[attr-defined]
    # Feature vectors have the mass beside them; constituents have it in themselves.
    assert shapes == {(4,) if len(shape) == 1 else shape}


def test_weights_are_cut_and_a_poor_overlap_is_told() -> None:
    data = data_events(3000, seed=16)
    sharp = Template(np.abs(template(4500, seed=17).x) + 0.1, template(4500, seed=17).mass)
    fit = Reweighting(classifier=trees(), folds=2, clip=3.0).fit(data, sharp, seed=18)
    report = fit.diagnostics_
    cut = np.log(fit.template_weights_.max() / fit.template_weights_.min())
    assert cut <= 2 * math.log(3.0) + 1e-9
    assert 0 < report.weights.clipped <= 4500
    # No event of the template is below 0.1: the data outside of that quadrant can not be reached.
    assert report.outside_support == pytest.approx(1 - norm.cdf(-0.1) ** 2, abs=0.05)
    assert any("Poor overlap" in words for words in report.warnings)
    assert any("still differ" in words for words in report.warnings)


def test_other_masses_than_those_of_the_data_are_told() -> None:
    drawn = template(3000, seed=19)
    steeper = Template(drawn.x, np.minimum(drawn.mass, 4300.0) - 150.0)
    fit = Reweighting(classifier=Memory(), folds=2).fit(data_events(3000, seed=20), steeper, seed=21)
    assert any("mass spectra" in words for words in fit.diagnostics_.warnings)


def test_the_weights_of_the_data_count() -> None:
    """Half of the data is weighted away: what is left lies to one side."""
    data = data_events(6000, seed=22)
    weighted = dataclasses.replace(data, weights=np.where(data.x[:, 0] > 0, 1.0, 0.1))
    fit = Reweighting(classifier=trees(), folds=2).fit(weighted, template(6000, seed=23), seed=24)
    inside = template(6000, seed=25, window=True)
    up = inside.x[:, 0] > 0
    weights = fit.weights(inside)
    assert weights[~up].mean() / weights[up].mean() == pytest.approx(0.1, abs=0.08)


def test_the_same_seed_repeats_and_a_finished_folder_is_read(tmp_path: Path) -> None:
    data, drawn = data_events(450, seed=26), template(450, seed=27, shift=0.5)
    plain = Reweighting(classifier=trees(1), folds=2)
    heard: list[float] = []
    first = copy.deepcopy(plain).fit(data, drawn, seed=28, folder=tmp_path / "run", progress=heard.append)
    again = copy.deepcopy(plain).fit(data, drawn, seed=28)
    read = copy.deepcopy(plain).fit(data, drawn, seed=28, folder=tmp_path / "run")
    for other in (again, read):
        np.testing.assert_array_equal(other.template_weights_, first.template_weights_)
        np.testing.assert_array_equal(other.weights(drawn), first.weights(drawn))
        assert other.diagnostics_ == first.diagnostics_
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    changed = copy.deepcopy(plain).fit(data, drawn, seed=29)
    assert not np.array_equal(changed.template_weights_, first.template_weights_)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="folds = 1"):
        Reweighting(folds=1)
    for clip in (1.0, math.inf, math.nan):
        with pytest.raises(ConfigError, match="clip"):
            Reweighting(clip=clip)
    with pytest.raises(TooFewEventsError, match="folds = 5"):
        Reweighting().fit(data_events(500, seed=32), template(2000, seed=33), seed=34)
    with pytest.raises(TooFewEventsError, match="40 template events"):
        Reweighting().fit(data_events(2000, seed=32), template(400, seed=33), seed=34)
    with pytest.raises(NotFittedError):
        Reweighting().weights(template(5, seed=30))


def test_the_effective_sample_size_counts_equal_events() -> None:
    weights = np.random.default_rng(31).exponential(size=100_000)
    # E[w]²/E[w²] of an exponential is one half.
    assert effective_sample_size(weights) == pytest.approx(50_000, rel=0.02)
    assert effective_sample_size(3 * weights) == pytest.approx(effective_sample_size(weights))
    assert effective_sample_size(np.zeros(3)) == 0.0
