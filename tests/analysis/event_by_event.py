"""The expression language once more, event by event with Python's own numbers: what the package is tested against.

An event is a mapping of branch name to bool, int, float, None where a number is missing, a list of these, or NO_LIST
where the list itself is. Nothing here comes from the package. The rules:

* whole numbers are exact, of any size; truth values count as 0 and 1; anything with a float is a double;
* by zero is by ±0.0 of IEEE: x / 0 and x // 0 are ±inf or nan, x % 0 is nan; a fraction of a negative power is nan;
* what is missing makes a result missing, except where and, or, any, all are decided by the others, and in where,
  default and missing;
* a number per event meets every element of a list.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class NoList:
    """In place of a list that is null."""


NO_LIST = NoList()
Kind = str  # "condition", "whole" or "float"

COMPARE = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
EXACT = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
BITS = {ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor}
FUNCTIONS = {
    "sqrt": math.sqrt,
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "hypot": math.hypot,
    "atan2": math.atan2,
}


@dataclass
class Reference:
    """Evaluates on one event.

    kinds : branch -> "condition", "whole" or "float".
    nudge : relative change of every function of FUNCTIONS and of powers, which two libraries round differently; a
        result that depends on it is no test of anything.
    """

    kinds: Mapping[str, Kind]
    nudge: float = 0.0
    known: dict[ast.expr, Kind] = field(default_factory=dict)

    def __call__(self, node: ast.expr, event: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return event[node.id]
            case ast.BoolOp():
                values = [self(v, event) for v in node.values]
                return lift(lambda *v: decided(v, isinstance(node.op, ast.Or)), *values, strict=False)
            case ast.UnaryOp():
                return self._unary(node, event)
            case ast.BinOp():
                return self._binary(node, event)
            case ast.Compare():
                sides = [self(side, event) for side in (node.left, *node.comparators)]
                pairs = zip(node.ops, sides, sides[1:], strict=False)
                steps = [lift(COMPARE[type(o)], a, b) for o, a, b in pairs]
                return lift(lambda *v: decided(v, False), *steps, strict=False)
            case ast.Subscript():
                return self._subscript(node, event)
            case ast.Call(func=ast.Name(id=name)):
                return self._call(name, node.args, event)
        raise AssertionError(ast.dump(node))

    def kind(self, node: ast.expr) -> Kind:
        """Known from the text and the types of the branches, so that it is the same for all events."""
        if node not in self.known:
            self.known[node] = self._kind(node)
        return self.known[node]

    def _kind(self, node: ast.expr) -> Kind:
        match node:
            case ast.Constant(value=bool()) | ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return "condition"
            case ast.Constant(value=int()):
                return "whole"
            case ast.Constant():
                return "float"
            case ast.Name():
                return self.kinds[node.id]
            case ast.UnaryOp(op=ast.Invert()):
                return self.kind(node.operand)
            case ast.UnaryOp():
                return number(self.kind(node.operand))
            case ast.BinOp(op=ast.Div()):
                return "float"
            case ast.BinOp(op=ast.Pow()):
                exponent = ast.literal_eval(node.right)
                whole = number(self.kind(node.left)) == "whole" and isinstance(exponent, int) and exponent >= 0
                return "whole" if whole else "float"
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr() | ast.BitXor()):
                return self.kind(node.left)
            case ast.BinOp():
                return number(widest(self.kind(node.left), self.kind(node.right)))
            case ast.Subscript():
                return self.kind(node.value)
            case ast.Call(func=ast.Name(id=name)):
                kinds = [self.kind(a) for a in node.args]
                if name in ("any", "all", "missing", "isfinite", "isnan"):
                    return "condition"
                if name in ("where", "default", "min", "max"):
                    return widest(*(kinds[1:] if name == "where" else kinds))
                return "whole" if name == "num" else number(kinds[0]) if name in ("sum", "abs") else "float"
        raise AssertionError(ast.dump(node))

    def _unary(self, node: ast.UnaryOp, event: Mapping[str, Any]) -> Any:
        value = self(node.operand, event)
        condition = self.kind(node.operand) == "condition"
        if isinstance(node.op, ast.Not) or (isinstance(node.op, ast.Invert) and condition):
            return lift(operator.not_, value)
        if isinstance(node.op, ast.Invert):
            return lift(lambda v: ~v if isinstance(v, int) else -1 - v, value)
        return lift(operator.neg if isinstance(node.op, ast.USub) else operator.pos, value)

    def _binary(self, node: ast.BinOp, event: Mapping[str, Any]) -> Any:
        a, b = self(node.left, event), self(node.right, event)
        kind = type(node.op)
        if kind in BITS and self.kind(node.left) == "condition":
            if kind is ast.BitXor:
                return lift(operator.ne, a, b)
            return lift(lambda *v: decided(v, kind is ast.BitOr), a, b, strict=False)
        if kind in BITS:
            return lift(lambda x, y: BITS[kind](x, y) if type(x) is type(y) is int else math.nan, a, b)
        if kind in (ast.LShift, ast.RShift):
            step = (lambda x, n: x * 2**n) if kind is ast.LShift else (lambda x, n: x // 2**n)
            return lift(step, a, b)
        floats = self.kind(node) == "float" or "float" in (self.kind(node.left), self.kind(node.right))
        return lift(lambda x, y: self._arithmetic(kind, x, y, floats), a, b)

    def _arithmetic(self, kind: type[ast.operator], x: Any, y: Any, floats: bool) -> Any:
        if isinstance(x, float) or isinstance(y, float):
            floats = True
        x, y = (double(x), double(y)) if floats else (int(x), int(y))
        if kind in EXACT:
            return EXACT[kind](x, y)
        if kind is ast.Pow:
            return power(x, y) * (1 + self.nudge) if floats else x**y
        if y == 0:
            return math.nan if kind is ast.Mod else by_zero(double(x), double(y))
        if kind is ast.Div:
            return x / y
        return x // y if kind is ast.FloorDiv else x % y

    def _subscript(self, node: ast.Subscript, event: Mapping[str, Any]) -> Any:
        values = self(node.value, event)
        if self.is_index(node.slice):
            index = ast.literal_eval(node.slice)
            if isinstance(values, NoList) or not -len(values) <= index < len(values):
                return None
            return values[index]
        keep = self(node.slice, event)
        if isinstance(values, NoList) or isinstance(keep, NoList):
            return NO_LIST
        return [value for value, kept in zip(values, keep, strict=True) if kept]

    @staticmethod
    def is_index(node: ast.expr) -> bool:
        try:
            return isinstance(ast.literal_eval(node), int)
        except ValueError:
            return False

    def _call(self, name: str, arguments: list[ast.expr], event: Mapping[str, Any]) -> Any:
        values = [self(argument, event) for argument in arguments]
        kinds = [self.kind(argument) for argument in arguments]
        if name == "where":
            cast = cast_to(widest(*kinds[1:]))
            return lift(lambda c, a, b: None if c is None else cast(a if c else b), *values, strict=False)
        if name == "default":
            cast = cast_to(widest(*kinds))
            first = [] if isinstance(values[0], NoList) else values[0]
            return lift(lambda a, b: cast(b if a is None else a), first, values[1], strict=False)
        if name == "missing":
            return lift(lambda v: v is None, values[0], strict=False)
        if name in ("isfinite", "isnan"):
            return lift(lambda v: getattr(math, name)(double(v)), values[0])
        if name in ("min", "max") and len(values) > 1:
            cast = cast_to(widest(*kinds))
            return lift(lambda *v: extreme(name, [cast(each) for each in v]), *values)
        if name == "abs":
            return lift(abs, values[0])
        if name in FUNCTIONS:
            return lift(lambda *v: function(name, *map(double, v)) * (1 + self.nudge), *values)
        return reduce(name, values[0], kinds[0])


def reduce(name: str, values: Any, kind: Kind) -> Any:
    if isinstance(values, NoList):
        return None
    if name == "num":
        return len(values)
    if name in ("any", "all"):
        return decided(values, name == "any")
    if None in values:
        return None
    if name == "sum":
        total: Any = 0.0 if kind == "float" else 0
        for value in values:
            total = total + value
        return total
    return extreme(name, values) if values else None


def lift(apply: Callable[..., Any], *operands: Any, strict: bool = True) -> Any:
    """Apply to one value each, or to every element; `strict` is missing where one operand is."""
    if any(isinstance(o, NoList) for o in operands):
        return NO_LIST
    lengths = {len(o) for o in operands if isinstance(o, list)}
    if lengths:
        (length,) = lengths
        rows = ([o[i] if isinstance(o, list) else o for o in operands] for i in range(length))
        return [lift(apply, *row, strict=strict) for row in rows]
    return None if strict and None in operands else apply(*operands)


def decided(values: Any, decisive: bool) -> bool | None:
    """`any` (decisive is True) or `all` (False) of truth values, some unknown."""
    if any(value is decisive for value in values):
        return decisive
    return None if any(value is None for value in values) else not decisive


def extreme(name: str, values: list[Any]) -> Any:
    return math.nan if any(v != v for v in values) else {"min": min, "max": max}[name](values)


def number(kind: Kind) -> Kind:
    return "whole" if kind == "condition" else kind


def widest(*kinds: Kind) -> Kind:
    order = ["condition", "whole", "float"]
    return max(kinds, key=order.index)


def cast_to(kind: Kind) -> Callable[[Any], Any]:
    types: dict[Kind, Callable[[Any], Any]] = {
        "condition": bool,
        "whole": lambda v: v if isinstance(v, float) else int(v),
        "float": double,
    }
    return lambda value: None if value is None else types[kind](value)


def double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def by_zero(x: float, zero: float) -> float:
    return math.nan if x == 0 or x != x else math.copysign(math.inf, x) * math.copysign(1, zero)


def power(base: float, exponent: float) -> float:
    if base < 0 and exponent != exponent // 1:
        return math.nan
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        return math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf


def function(name: str, *values: float) -> float:
    try:
        return FUNCTIONS[name](*values)
    except OverflowError:
        return -math.inf if name == "sinh" and values[0] < 0 else math.inf
    except ValueError:
        return -math.inf if name.startswith("log") and values[0] == 0 else math.nan
