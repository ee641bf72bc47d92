"""A quotient of one flow: the identity at one context whatever was learned, and the drift between two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError
from generators.registry import create
from generators.tabular.pair_likelihood import fit_pairs
from generators.tabular.transport import decoded, encoded, transport

RNG = np.random.default_rng(1)
MASS = RNG.uniform(2.0, 5.0, (5000, 1))
X = np.column_stack([1.5 * np.log(MASS[:, 0]), np.zeros(5000)]) + RNG.standard_normal((5000, 2))
TRAINING = {"steps": 300, "learning_rate": 1e-2, "batch_size": 512, "ema_decay": 0.98}


def flow(kind: str, **settings: Any) -> Any:
    return create({"kind": kind, "bijection": "standardise", "training": TRAINING, **settings})


@pytest.fixture(scope="module")
def base() -> Any:
    return flow("linear_flow", hidden=8, layers=1).fit(X, MASS, seed=1)


@pytest.fixture(scope="module")
def moved(base: Any) -> Any:
    return fit_pairs(flow("affine_coupling", blocks=2, hidden=16, layers=1), base, X, MASS, seed=2)


def test_is_the_identity_at_equal_contexts(moved: Any) -> None:
    assert np.allclose(transport(moved, X[:500], MASS[:500], MASS[:500]), X[:500], atol=1e-5)


def test_moves_along_the_drift_of_the_density(moved: Any) -> None:
    to = np.full((5000, 1), 4.5)
    x = transport(moved, X, MASS, to)
    assert x[:, 0].mean() == pytest.approx(1.5 * np.log(4.5), abs=0.08)
    assert np.allclose(x.std(axis=0), 1, atol=0.1)
    # Not by chance: an event goes on the shortest way, by the difference of the means.
    due = 1.5 * np.log(4.5 / MASS[:, 0])
    assert np.sqrt(np.mean((x[:, 0] - X[:, 0] - due) ** 2)) < 0.2


def test_the_base_is_left_alone(base: Any, moved: Any) -> None:
    again = flow("linear_flow", hidden=8, layers=1).fit(X, MASS, seed=1)
    assert np.array_equal(again.log_prob(X[:50], MASS[:50]), base.log_prob(X[:50], MASS[:50]))


def test_refuses_another_preprocessing_and_what_is_no_composition(base: Any) -> None:
    with pytest.raises(HyperparameterError, match="preprocessing"):
        fit_pairs(create({"kind": "affine_coupling", "training": TRAINING}), base, X, MASS, seed=1)
    with pytest.raises(HyperparameterError, match="no composition"):
        fit_pairs(flow("gaussian_mixture"), base, X, MASS, seed=1)


def test_noise_of_an_event_gives_it_back(base: Any) -> None:
    noise = encoded(base, X, MASS)
    assert np.allclose(noise.mean(axis=0), 0, atol=0.1)
    assert np.allclose(noise.std(axis=0), 1, atol=0.1)
    assert np.allclose(decoded(base, noise, MASS), X, atol=1e-4)
