"""Truth values where a number is meant: `yes` and `on` would silently be 1, `no` and `off` 0."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationInfo


def number_not_truth_value(cls: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """The value of a field, unless it is a truth value and the field takes none.

    Raises
    ------
    ValueError
        If it is.
    """
    assert info.field_name is not None
    if _has_truth_value(value) and not _takes_truth_values(cls.model_fields[info.field_name].annotation):
        raise ValueError("must not be true, yes or on, nor false, no or off; write a number, or put a word in quotes")
    return value


def _has_truth_value(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_has_truth_value, value)))


def _takes_truth_values(annotation: Any) -> bool:
    return annotation in (bool, Any, object) or any(map(_takes_truth_values, get_args(annotation)))
