"""The data choose the signal that is there, of all that the classifier was told of."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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


def test_samples_are_known_by_their_names() -> None:
    assert set(signals_of(background(toy_events(2000, seed=1), GRID))) == {
        (first, second) for first in (0.5, 1.0, 1.5) for second in (0.5, 1.0, 1.5)
    }


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
