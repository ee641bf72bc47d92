"""What a student of a flow in time is told before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from generators.errors import HyperparameterError
from generators.registry import create

TEACHER: dict[str, Any] = {"kind": "flow_matching", "hidden": 8, "layers": 1}


def student(**changes: Any) -> Any:
    return create({"kind": "consistency", "teacher": TEACHER, **changes})


def test_the_teacher_is_kept_with_all_its_hyperparameters_and_lends_its_bijection() -> None:
    made = student(teacher={**TEACHER, "bijection": "standardise"})
    assert made.teacher["hidden"] == 8
    assert made.teacher["training"]["steps"] is not None
    assert made.bijection == "standardise"
    assert create({"kind": "consistency", **made.hyperparameters()}).hyperparameters() == made.hyperparameters()


@pytest.mark.parametrize("name", ["stages", "teacher_steps", "sampling_steps"])
def test_sizes_below_one(name: str) -> None:
    with pytest.raises(HyperparameterError, match=f"{name} = 0 of consistency"):
        student(**{name: 0})


def test_a_teacher_that_is_no_flow_in_time() -> None:
    with pytest.raises(HyperparameterError, match="'gaussian_mixture' is no flow in time"):
        student(teacher={"kind": "gaussian_mixture"})
