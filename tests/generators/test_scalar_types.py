"""Hyperparameters of another type than declared are refused by name, in every way to make a part."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from typing import Any

import numpy as np
import pytest

from cathode.registry import CLASSIFIERS
from generators import create
from generators.errors import HyperparameterError
from generators.scalar_types import require_scalar_types


@dataclass
class Settings:
    number: int | None = None
    shape: list[int] = field(default_factory=list)
    known: int = field(default=1, init=False)


def test_what_is_not_scalar_or_not_given_is_not_looked_at() -> None:
    settings = Settings(shape="no list")  # type: ignore[arg-type]
    settings.known = "x"  # type: ignore[assignment]
    require_scalar_types(settings, "settings")
    with pytest.raises(HyperparameterError, match=r"settings: number = 2\.0 must be an integer or null\."):
        require_scalar_types(Settings(number=2.0), "settings")  # type: ignore[arg-type]


def test_types_may_be_declared_by_text_or_as_they_are() -> None:
    """As modules with and without postponed annotations do."""
    made = make_dataclass("Declared", [("steps", int | None, None), ("rate", float, 0.5), ("name", "str", "a")])
    require_scalar_types(made(), "declared")
    for wrong in ({"steps": 1.5}, {"rate": "1"}, {"name": 3}):
        with pytest.raises(HyperparameterError, match=f"declared: {next(iter(wrong))} = "):
            require_scalar_types(made(**wrong), "declared")


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda: create("maf", hidden=1.5), r"maf: hidden = 1\.5 must be an integer"),
        (lambda: create("maf", hidden="64"), "hidden = '64' must be an integer"),
        (lambda: create("maf", blocks=True), "blocks = True must be an integer"),
        (lambda: create("maf", training={"steps": 1.5}), r"training: steps = 1\.5 must be an integer or null"),
        (lambda: CLASSIFIERS.create("mlp", members=1.5), r"mlp: members = 1\.5 must be an integer"),
        (lambda: CLASSIFIERS.create("boosted_trees", learning_rate="0.1"), "learning_rate = '0.1' must be a number"),
        (lambda: CLASSIFIERS.create("mlp", selection=1), "selection = 1 must be a string"),
    ],
)
def test_a_hyperparameter_of_another_type_is_refused_by_name(made: Any, named: str) -> None:
    with pytest.raises(HyperparameterError, match=named):
        made()


def test_numbers_of_numpy_are_numbers() -> None:
    made = CLASSIFIERS.create("mlp", members=np.int64(2), learning_rate=np.float32(0.5), epochs=np.int32(3))
    assert (made.members, made.epochs) == (2, 3)


def test_changed_hyperparameters_are_looked_at_too() -> None:
    with pytest.raises(HyperparameterError, match="maf: blocks = '2' must be an integer"):
        create("maf").set_params(blocks="2")
