"""Fewer states of one training are the states of a training that kept fewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators import create
from generators.errors import HyperparameterError
from generators.tabular.states import with_best


@pytest.fixture(scope="module")
def fitted() -> dict[int, Any]:
    """The same training, keeping so many states."""
    rng = np.random.default_rng(1)
    context = rng.uniform(1, 2, (400, 1))
    x = rng.normal(context, 1, (400, 2))
    training = {"epochs": 5, "batch_size": 128, "learning_rate": 1e-2}
    return {
        kept: create({"kind": "maf", "training": {**training, "best_states": kept}}).fit(x, context, seed=2)
        for kept in (1, 3)
    }


def test_equals_a_training_that_kept_fewer(fitted: dict[int, Any]) -> None:
    context = np.linspace(1, 2, 50)[:, None]
    fewer = with_best(fitted[3], 1)
    assert fewer.hyperparameters() == fitted[1].hyperparameters()
    assert np.array_equal(fewer.sample(context, seed=3), fitted[1].sample(context, seed=3))
    state = fewer.state()
    assert state.keys() == fitted[1].state().keys()
    assert all(np.array_equal(state[name], value) for name, value in fitted[1].state().items())


def test_leaves_the_generator_as_it_was(fitted: dict[int, Any]) -> None:
    before = {name: value.clone() for name, value in fitted[3].state().items()}
    two = with_best(fitted[3], 2)
    assert (len(two.states_), two.best_epochs_) == (2, fitted[3].best_epochs_[:2])
    assert fitted[3].training.best_states == len(fitted[3].states_) == 3
    assert all(np.array_equal(fitted[3].state()[name], value) for name, value in before.items())


@pytest.mark.parametrize("count", [0, 4])
def test_more_than_there_are_is_refused(fitted: dict[int, Any], count: int) -> None:
    with pytest.raises(HyperparameterError, match=f"maf has 3 states; {count}"):
        with_best(fitted[3], count)
