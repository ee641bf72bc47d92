"""The data choose the signal that is there, of all that the classifier was told of."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.datasets import embedded
from analysis.events import Events
from cathode.classifiers.mlp import Mlp
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.paws import Paws, signals_of
from cathode.testing.toy import toy_auxiliary

from ..toys import COVARIANCE, OFFSET, background_features, toy_events
from .asking import answer, background, task

GRID = toy_auxiliary()


def method() -> Paws:
    return Paws(prior=Mlp(epochs=25, batch_size=256, best_epochs=4, learning_rate=3e-3), points=5)


@pytest.fixture(scope="module")
def fitted() -> Any:
    return answer(method(), task(toy_events(12_000, signal=120, seed=4), GRID))[1]


def test_the_data_choose_the_signal_that_is_there(fitted: Any) -> None:
    found = fitted.findings
    # The likelihood of the true densities is flat between here and (1.0, 1.25).
    assert found["parameter_1"] == pytest.approx(1.0, abs=0.35)
    assert found["parameter_2"] == pytest.approx(1.1, abs=0.35)
    assert 0.01 < found["signal_fraction"] < 0.15


def test_the_score_is_the_likelihood_ratio_of_that_signal(fitted: Any) -> None:
    """Ranked as by the known ratio of two normal densities."""
    rng = np.random.default_rng(1)
    mass = np.full(4000, 3500.0)
    x = background_features(mass, rng) + (np.arange(4000) < 2000)[:, None] * OFFSET
    best = x @ np.linalg.solve(COVARIANCE, OFFSET)
    scores = fitted.of_rows(x.astype(np.float32), np.arange(4000) % 2)
    assert np.corrcoef(np.argsort(np.argsort(scores)), np.argsort(np.argsort(best)))[0, 1] > 0.93


def test_a_parameter_that_all_signals_share_is_left_out_of_the_classifier_and_kept_in_the_findings() -> None:
    grid = {name: GRID[name] for name in ("signal_0.5_1", "signal_1_1", "signal_1.5_1")}
    asked = task(toy_events(12_000, signal=120, seed=4), grid)
    _, fitted = answer(Paws(prior=Mlp(epochs=3, batch_size=512, best_epochs=1), points=3), asked)
    assert all(len(at) == 1 for at in fitted.parameters)
    assert fitted.findings["parameter_2"] == 1.0
    assert 0.5 <= fitted.findings["parameter_1"] <= 1.5


def test_samples_are_known_by_their_names() -> None:
    assert set(signals_of(background(toy_events(2000, seed=1), GRID))) == {
        (first, second) for first in (0.5, 1.0, 1.5) for second in (0.5, 1.0, 1.5)
    }


@pytest.mark.slow
def test_a_grid_of_own_simulation_finds_a_signal_between_its_points(tmp_path: Path) -> None:
    """Signals of 300 and 100, 500 and 100 GeV are simulated here; that of the data has 400 and 100 GeV."""
    pytest.importorskip("pythia8mc")
    from analysis import DIJET_MASS, read_events
    from analysis.features.dijets import DIJET_FEATURES
    from analysis.simulation.dijets import simulate_dijets

    def simulated(number: int, seed: int, heavier: float) -> Events:
        place = tmp_path / f"{heavier:g}_{seed}.root"
        simulate_dijets(number, signal="wprime", daughter_masses=(heavier, 100.0), seed=seed, output=place)
        return read_events(place, mass=DIJET_MASS, features=DIJET_FEATURES)

    data = read_events(embedded("dijets"), mass=DIJET_MASS, features=DIJET_FEATURES, truth="isSignal")
    assert data.truth is not None
    data = data[~data.truth & (np.arange(len(data)) % 4 == 0)]
    planted = simulated(300, 7, 400.0)
    x, mass = np.concatenate([data.x, planted.x]), np.concatenate([data.mass, planted.mass])
    both = Events(x=x, mass=mass, columns=data.columns)
    grid = {f"signal_{heavier}_100": simulated(600, 8, float(heavier)) for heavier in (300, 500)}
    prior = Mlp(hidden=64, layers=2, epochs=8, batch_size=1024, best_epochs=2)
    _, fitted = answer(Paws(prior=prior, points=5), task(both, grid))
    assert 320 <= fitted.findings["parameter_1"] <= 480
    test = simulated(400, 9, 400.0)
    window = task(both).target.events
    scores = [fitted.of_rows(each.x, np.arange(len(each)) % 2) for each in (test, window[:2000])]
    assert np.mean(scores[0] > np.quantile(scores[1], 0.98)) > 0.3


def test_wants_a_grid() -> None:
    data = toy_events(2000, seed=1)
    for wrong in (
        {},
        {"signal_1_1": GRID["signal_1_1"]},
        {"signal_1": GRID["signal_1_1"], "signal_1_1": GRID["signal_1_1"]},
        {"simulation": GRID["simulation"]},
    ):
        with pytest.raises(ConfigError, match="needs a grid of signals"):
            method().require(background(data, wrong))
    other = dataclasses.replace(GRID["signal_1_1"], columns=("a", "b", "c"))
    with pytest.raises(ConfigError, match="has the features a, b, c"):
        method().require(background(data, {**GRID, "signal_2_1": other}))
    with pytest.raises(ConfigError, match="points"):
        Paws(points=1)


def test_a_folder_without_its_choice_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no finished run of method paws"):
        Paws.load(tmp_path, folds=2)
    (tmp_path / "signals.json").write_text("[[1.0, 1.0]]")
    with pytest.raises(RunFolderError, match="1 folds, of a search with 2"):
        Paws.load(tmp_path, folds=2)
