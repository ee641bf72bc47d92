"""Inductive CaloFlow: contract, which layers share a flow, and a density that is one of its draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.registry import create
from tests.generators.contracts import EventContract
from tests.generators.showers.toys import MIXED, PAIR, of_mixed, of_pair, shares_of_patterns

TEACHER: dict[str, Any] = {
    "kind": "caloflow_teacher",
    "blocks": 3,
    "hidden": 24,
    "dropout": 0.0,
    "bijection": "standardise",
    "training": {"epochs": None, "steps": 200, "batch_size": 256, "learning_rate": 8e-3},
}
STUDENT = {"kind": "caloflow_student", "teacher": TEACHER, "hidden": 24, "training": TEACHER["training"]}


def system(flow: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "inductive_caloflow", "layers": MIXED, "first": flow, "following": flow}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return system({**TEACHER, "training": {**TEACHER["training"], "steps": 30}})


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*of_mixed(600, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 600
    events = staticmethod(of_mixed)


def test_layers_of_one_shape_share_a_flow() -> None:
    layers = [[[2, 2], [2, 2], [2, 2], [1, 4], [1, 4], [1, 4]], [[2, 1], [2, 1], [1, 2]]]
    found = [
        [[block.layers for block in part.blocks] for part in create({**system(TEACHER), "layers": each}).parts()]
        for each in layers
    ]
    assert found[0] == [[[0]], [[1], [2]], [[3], [4], [5]]]
    assert found[1] == [[[0]], [[1]], [[2]]]


def test_density_is_that_of_the_draws() -> None:
    made = create({**system(TEACHER), "layers": PAIR, "draws": 32}).fit(*of_pair(2_000, 10), seed=1)
    integrals, found = shares_of_patterns(made, 0.02, 0.03, 14)
    assert integrals.sum() == pytest.approx(1, abs=0.06)
    assert np.abs(integrals - found).max() < 0.04


@pytest.mark.slow
def test_a_student_is_a_density_too() -> None:
    x, c = of_pair(600, 10)
    flow = {**STUDENT, "teacher": {**TEACHER, "training": {**TEACHER["training"], "steps": 20}}}
    made = create({**system(flow), "layers": PAIR}).fit(x, c, seed=1)
    assert np.isfinite(made.log_prob(x, c)).all()
