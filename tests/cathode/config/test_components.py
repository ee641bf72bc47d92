"""What an analysis file may say of a part comes from the dataclass behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError

from cathode.config.components import ClassifierConfig, component_class, hyperparameter_model, kinds
from cathode.errors import ConfigError
from cathode.registry import ROLES


@dataclass(frozen=True)
class Inner:
    steps: int = 10
    rate: float = 0.5


@dataclass(frozen=True)
class Part:
    width: int = 3
    inner: Inner = field(default_factory=lambda: Inner(steps=99))


def test_naming_one_key_of_a_section_leaves_the_others_as_the_class_wants_them() -> None:
    model = hyperparameter_model(Part)
    assert model.model_validate({"inner": {"rate": 0.1}}).make() == Part(inner=Inner(steps=99, rate=0.1))
    assert model.model_validate({}).make() == Part()


@pytest.mark.parametrize("given", [{"wdith": 3}, {"width": "many"}, {"inner": {"step": 3}}, {"width": True}])
def test_unknown_keys_and_wrong_types_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        hyperparameter_model(Part).model_validate(given)


def test_a_kind_alone_is_enough_and_all_defaults_are_filled_in() -> None:
    part = ClassifierConfig.model_validate("mlp")
    assert part.hyperparameters == {}
    filled = part.filled()
    assert filled["kind"] == "mlp"
    assert len(filled) > 3
    assert part.build().kind == "mlp"


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_role_has_kinds_and_names_the_nearest(role: str) -> None:
    first = sorted(kinds(role))[0]
    assert component_class(role, first)
    with pytest.raises(ConfigError, match=first):
        component_class(role, first + "x")
