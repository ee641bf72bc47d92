"""The allow-list: every function and operator that an expression may use."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial

import numpy as np

from analysis.expressions import arithmetic, logic
from analysis.expressions.column import Column, Operand, Values, elementwise
from analysis.expressions.nodes import missing
from analysis.features.dijets import DIJET_FUNCTIONS

Combination = Callable[[Operand, Operand], Operand]


def _of_floats(ufunc: np.ufunc) -> Callable[..., Values]:
    """A function of numbers in double precision, whatever narrow type the argument has."""

    def function(*values: Values) -> Values:
        return np.asarray(ufunc(*map(arithmetic.as_float, values)))

    return function


def _sum(column: Column) -> Column:
    return column.reduce(arithmetic.total, empty=0)


def _min(column: Column) -> Column:
    return column.reduce(arithmetic.smallest, empty=None)


def _max(column: Column) -> Column:
    return column.reduce(arithmetic.largest, empty=None)


def _any(column: Column) -> Column:
    return logic.any_of(_conditions(column))


def _all(column: Column) -> Column:
    return logic.all_of(_conditions(column))


def _conditions(column: Column) -> Column:
    logic.condition(column)
    return column


REDUCTIONS: dict[str, Callable[[Column], Column]] = {"sum": _sum, "min": _min, "max": _max, "any": _any, "all": _all}
PAIRWISE: dict[str, Combination] = {
    "min": partial(elementwise, arithmetic.minimum),
    "max": partial(elementwise, arithmetic.maximum),
}
FUNCTIONS: dict[str, tuple[Callable[..., Values], int]] = {
    "abs": (arithmetic.absolute, 1),
    "isfinite": (_of_floats(np.isfinite), 1),
    "isnan": (_of_floats(np.isnan), 1),
    "sqrt": (_of_floats(np.sqrt), 1),
    "log": (_of_floats(np.log), 1),
    "log10": (_of_floats(np.log10), 1),
    "exp": (_of_floats(np.exp), 1),
    "sin": (_of_floats(np.sin), 1),
    "cos": (_of_floats(np.cos), 1),
    "tan": (_of_floats(np.tan), 1),
    "sinh": (_of_floats(np.sinh), 1),
    "cosh": (_of_floats(np.cosh), 1),
    "tanh": (_of_floats(np.tanh), 1),
    "hypot": (_of_floats(np.hypot), 2),
    "atan2": (_of_floats(np.arctan2), 2),
}
OF_MISSING: dict[str, Callable[[Operand], Operand]] = {"missing": missing}
#: Functions and the number of arguments that they take.
ARGUMENTS: dict[str, int] = {
    **{name: count for name, (_, count) in FUNCTIONS.items()},
    **dict.fromkeys((*REDUCTIONS, *OF_MISSING, "branch", "num"), 1),
    "default": 2,
    "where": 3,
}
FUNCTION_NAMES = frozenset({*ARGUMENTS, *DIJET_FUNCTIONS})

BINARY: dict[type[ast.operator], Combination] = {
    ast.Add: partial(elementwise, arithmetic.add),
    ast.Sub: partial(elementwise, arithmetic.subtract),
    ast.Mult: partial(elementwise, arithmetic.multiply),
    ast.Div: partial(elementwise, arithmetic.divide),
    ast.FloorDiv: partial(elementwise, arithmetic.floor_divide),
    ast.Mod: partial(elementwise, arithmetic.remainder),
    ast.Pow: partial(elementwise, arithmetic.power),
    ast.BitAnd: logic.bitwise_and,
    ast.BitOr: logic.bitwise_or,
    ast.BitXor: logic.bitwise_xor,
    ast.LShift: logic.shift_left,
    ast.RShift: logic.shift_right,
}
#: What takes the place of an operator whose whole result could have too many digits.
IN_FLOATS: dict[type[ast.operator], Combination] = {
    ast.Mult: partial(elementwise, arithmetic.multiply_floats),
    ast.Pow: partial(elementwise, arithmetic.power_of_floats),
}
BITS = (ast.BitAnd, ast.BitOr, ast.BitXor)
LOGIC: dict[type[ast.boolop], Combination] = {ast.And: logic.conjunction, ast.Or: logic.disjunction}
COMPARE: dict[type[ast.cmpop], Callable[..., Values]] = {
    ast.Lt: arithmetic.comparison(np.less),
    ast.LtE: arithmetic.comparison(np.less_equal),
    ast.Gt: arithmetic.comparison(np.greater),
    ast.GtE: arithmetic.comparison(np.greater_equal),
    ast.Eq: arithmetic.comparison(np.equal),
    ast.NotEq: arithmetic.comparison(np.not_equal),
}
UNARY: dict[type[ast.unaryop], Callable[[Operand], Operand]] = {
    ast.UAdd: partial(elementwise, arithmetic.positive),
    ast.USub: partial(elementwise, arithmetic.negative),
    ast.Not: logic.negation,
    ast.Invert: logic.bitwise_not,
}
