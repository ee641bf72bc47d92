"""L2LFlows: contract, what a layer sees, and a density that is one of its draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError
from generators.registry import create
from tests.generators.contracts import EventContract
from tests.generators.showers.test_inductive_caloflow import TEACHER
from tests.generators.showers.toys import MIXED, PAIR, of_mixed, of_pair, shares_of_patterns

SPECIFICATION: dict[str, Any] = {"kind": "l2lflows", "layers": MIXED, "before": 2, "generator": TEACHER}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return {**SPECIFICATION, "generator": {**TEACHER, "training": {**TEACHER["training"], "steps": 30}}}


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*of_mixed(600, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 600
    events = staticmethod(of_mixed)


def test_a_layer_sees_those_before_it() -> None:
    blocks = [part.blocks[0] for part in create(SPECIFICATION).parts()]
    seen = [[] if block.before is None else block.before.tolist() for block in blocks]
    assert seen == [[], [0, 1], [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7, 8, 9]]
    with pytest.raises(HyperparameterError, match="before"):
        create({**SPECIFICATION, "before": 0})


def test_density_is_that_of_the_draws() -> None:
    made = create({**SPECIFICATION, "layers": PAIR, "draws": 32}).fit(*of_pair(2_000, 10), seed=1)
    integrals, found = shares_of_patterns(made, 0.02, 0.03, 14)
    assert integrals.sum() == pytest.approx(1, abs=0.06)
    assert np.abs(integrals - found).max() < 0.04
