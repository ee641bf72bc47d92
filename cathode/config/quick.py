"""A cheap trial of an analysis: the same search with everything small, to see that it runs and what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Numbers of trainings and their largest value in a trial, wherever they are asked for.
LARGEST: Mapping[str, int] = {
    "steps": 400,
    "epochs": 5,
    "patience": 3,
    "members": 3,
    "max_iter": 40,
    "repeats": 1,
    "generators": 1,
    "folds": 2,
    "oversampling": 2,
}


def smaller(value: Any) -> Any:
    """Settings in JSON types with none of these numbers above its largest value of a trial.

    >>> smaller({"folds": 5, "classifier": {"members": 50, "max_leaf_nodes": 31}})
    {'folds': 2, 'classifier': {'members': 3, 'max_leaf_nodes': 31}}
    """
    if isinstance(value, Mapping):
        return {key: _capped(key, each) for key, each in value.items()}
    return [smaller(each) for each in value] if isinstance(value, list | tuple) else value


def _capped(key: str, value: Any) -> Any:
    if key in LARGEST and isinstance(value, int | float) and not isinstance(value, bool):
        return min(value, LARGEST[key])
    return smaller(value)
