"""Truth values where a number is meant."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from cathode.config.truth_values import number_not_truth_value


class Section(BaseModel):
    number: float = 1.0
    numbers: tuple[float, ...] = ()
    flag: bool = False
    either: bool | float = False
    anything: Any = None

    _numbers = field_validator("*", mode="before")(classmethod(number_not_truth_value))


@pytest.mark.parametrize("given", [{"number": True}, {"numbers": [1.0, False]}, {"number": False}])
def test_they_are_no_numbers(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="yes or on"):
        Section(**given)


def test_where_they_are_meant_they_stay() -> None:
    made = Section(flag=True, either=True, anything=[True], number=2)
    assert made.flag is made.either is True
    assert made.anything == [True]
