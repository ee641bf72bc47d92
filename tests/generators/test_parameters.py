"""The manners of scikit-learn, for generators and classifiers."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import sklearn.base

from cathode.errors import CathodeError
from cathode.registry import CLASSIFIERS
from generators import create
from generators.errors import GeneratorError, HyperparameterError
from generators.parameters import Parameters
from generators.registry import generator_class, kinds


def unfitted() -> list[Any]:
    made = []
    both = (create, kinds(), generator_class), (CLASSIFIERS.create, CLASSIFIERS.kinds(), CLASSIFIERS.resolve)
    for make, names, registered in both:
        for kind in names:
            # Other tests register parts of their own, which need not be of ours.
            if ".testing" in registered(kind).__module__ or kind.startswith("toy_"):
                continue
            # What needs an argument, or an extra, is tried by its own tests.
            with suppress(GeneratorError, CathodeError, ImportError):
                made.append(make(kind))
    return made


@pytest.mark.parametrize("part", unfitted(), ids=lambda part: part.kind)
def test_a_clone_has_the_same_hyperparameters_and_is_another(part: Any) -> None:
    assert isinstance(part, Parameters)
    clone = part.clone()
    assert clone.kind == part.kind
    assert clone is not part
    assert clone.hyperparameters() == part.hyperparameters()
    assert sklearn.base.clone(part, safe=False).hyperparameters() == part.hyperparameters()
    assert set(part.get_params(deep=False)) == {name for name in part.get_params() if "__" not in name}


def test_changed_hyperparameters_are_checked_and_forget_what_was_learned() -> None:
    rng = np.random.default_rng(1)
    mass = rng.uniform(1, 2, 300)
    flow = create("gaussian_mixture", components=2, training={"steps": 20, "batch_size": 64})
    flow.fit(rng.normal(size=(300, 2)), mass[:, None], seed=1)
    with pytest.raises(HyperparameterError, match="'trainings__steps'"):
        flow.set_params(trainings__steps=3)
    with pytest.raises(HyperparameterError):
        flow.set_params(components=0)
    assert flow.sample(mass, seed=1).shape == (300, 2)
    assert flow.set_params(components=3, training__steps=30) is flow
    assert (flow.components, flow.training.steps, flow.training.batch_size) == (3, 30, 64)
    with pytest.raises(GeneratorError, match="not been fitted"):
        flow.sample(mass, seed=1)


def test_a_kind_is_enough_and_what_stands_beside_it_wins() -> None:
    assert create("maf").hyperparameters() == create({"kind": "maf"}).hyperparameters()
    assert create({"kind": "gaussian_mixture", "components": 2}, components=5).components == 5


@pytest.mark.parametrize("kind", ["gaussian_mixture", "event_mixing"])
def test_a_single_column_of_context_needs_no_axis(kind: str) -> None:
    rng = np.random.default_rng(2)
    x, mass = rng.normal(size=(400, 2)), rng.uniform(1, 2, 400)
    made = create(kind, **({"training": {"steps": 20}} if kind == "gaussian_mixture" else {}))
    made.fit(x, mass[:, None], seed=1)
    asked = np.linspace(1.3, 1.6, 50)
    assert (made.sample(asked, seed=3) == made.sample(asked[:, None], seed=3)).all()
    if hasattr(made, "log_prob"):
        assert (made.log_prob(x[:50], asked) == made.log_prob(x[:50], asked[:, None])).all()
