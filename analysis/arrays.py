"""Columns by name out of whatever holds them: numpy, pandas, awkward, a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError


def named_columns(table: Any) -> dict[str, NDArray[Any]] | None:
    """Name -> (N,) of a data frame, a record array of numpy or awkward, or a mapping; None of what has no names.

    >>> named_columns({"a": [1, 2]})["a"]
    array([1, 2])

    Raises
    ------
    AnalysisError
        If a column is jagged or has missing values.
    """
    if isinstance(table, Mapping):
        names = list(table)
    elif getattr(getattr(table, "dtype", None), "names", None):
        names = list(table.dtype.names)
    elif getattr(table, "fields", None):
        names = list(table.fields)
    elif hasattr(table, "columns") and hasattr(table, "to_numpy"):
        names = list(table.columns)
    else:
        return None
    return {str(name): _column(str(name), table[name]) for name in names}


def _column(name: str, values: Any) -> NDArray[Any]:
    try:
        column = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    except ValueError as error:
        raise AnalysisError(f"Column '{name}' is no plain array ({error}). Take one number of every event.") from error
    if column.ndim != 1 or isinstance(column, np.ma.MaskedArray) or column.dtype == object:
        raise AnalysisError(
            f"Column '{name}' has shape {column.shape} and type {column.dtype}; one number of every event is needed, "
            "and none may be missing."
        )
    return np.asarray(column)
