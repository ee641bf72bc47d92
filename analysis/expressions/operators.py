"""The allow-list: every function and operator that an expression may use."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.features.dijets import DIJET_FUNCTIONS

REDUCTIONS: dict[str, tuple[np.ufunc, bool | int | None]] = {
    "sum": (np.add, 0),
    "min": (np.minimum, None),
    "max": (np.maximum, None),
    "any": (np.logical_or, False),
    "all": (np.logical_and, True),
}
PAIRWISE: dict[str, np.ufunc] = {"min": np.minimum, "max": np.maximum}
FUNCTIONS: dict[str, tuple[np.ufunc, int]] = {
    "abs": (np.abs, 1),
    "sqrt": (np.sqrt, 1),
    "log": (np.log, 1),
    "log10": (np.log10, 1),
    "exp": (np.exp, 1),
    "sin": (np.sin, 1),
    "cos": (np.cos, 1),
    "tan": (np.tan, 1),
    "sinh": (np.sinh, 1),
    "cosh": (np.cosh, 1),
    "tanh": (np.tanh, 1),
    "hypot": (np.hypot, 2),
    "atan2": (np.arctan2, 2),
}
FUNCTION_NAMES = frozenset({*REDUCTIONS, *FUNCTIONS, *DIJET_FUNCTIONS, "branch", "num", "where"})


def _multiply(a: Any, b: Any) -> Any:
    """Product in floats: a product of integers can leave 64 bits."""
    return np.multiply(a, b, dtype=np.float64)


def _power(a: Any, b: Any) -> Any:
    return np.power(a, b, dtype=np.float64)


def _integer_safe(function: np.ufunc) -> Callable[[Any, Any], Any]:
    """Division with remainder whose division by zero is NaN for integers too, not a silent zero."""

    def divide(a: Any, b: Any) -> Any:
        return function(a, b) if np.all(b) else function(a, b, dtype=np.float64)

    return divide


BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: _multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: _integer_safe(np.floor_divide),
    ast.Mod: _integer_safe(np.remainder),
    ast.Pow: _power,
}
LOGIC: dict[type[ast.AST], np.ufunc] = {
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
    ast.BitAnd: np.logical_and,
    ast.BitOr: np.logical_or,
}
COMPARE: dict[type[ast.cmpop], np.ufunc] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
