"""A critic teaches a map the drift of a density, and what does not drift is left as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError
from generators.registry import create
from generators.tabular.pair_adversary import fit_pairs_against_critic
from generators.tabular.transport import transport

RNG = np.random.default_rng(1)
MASS = RNG.uniform(2.0, 5.0, (5000, 1))
#: The first feature follows the context, the second does not.
X = np.column_stack([1.5 * np.log(MASS[:, 0]), np.zeros(5000)]) + RNG.standard_normal((5000, 2))
TRAINING = {"steps": 70, "learning_rate": 2e-2, "batch_size": 512, "ema_decay": 0.9}


def flow(kind: str = "linear_flow", **settings: Any) -> Any:
    sizes = {"hidden": 8, "layers": 1} if kind == "linear_flow" else {}
    return create({"kind": kind, "bijection": "standardise", "training": TRAINING, **sizes, **settings})


@pytest.fixture(scope="module")
def moved() -> Any:
    return fit_pairs_against_critic(flow(), X, MASS, seed=2)


def test_is_the_identity_at_equal_contexts_and_its_own_way_back(moved: Any) -> None:
    assert np.allclose(transport(moved, X[:500], MASS[:500], MASS[:500]), X[:500], atol=1e-5)
    there = transport(moved, X[:500], MASS[:500], np.full((500, 1), 4.5))
    assert np.allclose(transport(moved, there, np.full((500, 1), 4.5), MASS[:500]), X[:500], atol=1e-4)


def test_moves_along_the_drift_and_leaves_what_does_not_follow_the_context(moved: Any) -> None:
    x = transport(moved, X, MASS, np.full((5000, 1), 4.5))
    assert x[:, 0].mean() == pytest.approx(1.5 * np.log(4.5), abs=0.12)
    assert np.allclose(x.std(axis=0), 1, atol=0.12)
    due = 1.5 * np.log(4.5 / MASS[:, 0])
    assert np.sqrt(np.mean((x[:, 0] - X[:, 0] - due) ** 2)) < 0.3 * due.std()
    assert np.sqrt(np.mean((x[:, 1] - X[:, 1]) ** 2)) < 0.25


@pytest.mark.slow
def test_weights_decide_what_is_there() -> None:
    """Half of the events, without weight, are elsewhere; a map that heeded them would find another drift."""
    wrong = np.column_stack([-X[:, 0], X[:, 1]])
    x, context = np.concatenate([X, wrong]), np.concatenate([MASS, MASS])
    weights = np.concatenate([np.ones(len(X)), np.zeros(len(X))])
    found = fit_pairs_against_critic(flow(), x, context, weights=weights, seed=2)
    there = transport(found, X, MASS, np.full((5000, 1), 4.5))
    assert there[:, 0].mean() == pytest.approx(1.5 * np.log(4.5), abs=0.15)


def test_refuses_what_is_no_composition() -> None:
    with pytest.raises(HyperparameterError, match="no composition"):
        fit_pairs_against_critic(flow("gaussian_mixture"), X, MASS, seed=1)
