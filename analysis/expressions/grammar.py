"""Parsing against an allow-list: what is not listed here can not be said, so nothing of a config is ever executed.

Python's own parser builds the syntax tree, of which only the listed parts are translated to nodes.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import NoReturn

from analysis.errors import ExpressionError, nearest
from analysis.expressions.jets import DijetCall, Jet
from analysis.expressions.literals import joined_size, literal, size_of
from analysis.expressions.logic import conjunction
from analysis.expressions.nodes import (
    Branch,
    Chain,
    Constant,
    Count,
    Default,
    Element,
    Node,
    Operation,
    Reduction,
    Selected,
    Unary,
    Where,
)
from analysis.expressions.operators import (
    ARGUMENTS,
    BINARY,
    BITS,
    COMPARE,
    FUNCTION_NAMES,
    FUNCTIONS,
    IN_FLOATS,
    LOGIC,
    OF_MISSING,
    PAIRWISE,
    REDUCTIONS,
    UNARY,
    Combination,
)
from analysis.features.dijets import DIJET_FUNCTIONS

# Bounds against expressions that are made to exhaust the parser or the machine.
_LONGEST_TEXT = 4096
_DEEPEST = 64
_LARGEST_EXPONENT = 16
_LARGEST_SHIFT = 63
# Factors of a whole product that is exact; one of more has too many digits and is made in double precision.
_MOST_FACTORS = 64

_HINTS: dict[type[ast.AST], str] = {
    ast.IfExp: "write where(condition, a, b)",
    ast.Slice: "write FatJet_pt[0] for the leading element of every event",
    ast.Tuple: "write FatJet_pt[0] for the leading element of every event",
}


def parse(text: str) -> Node:
    """Translate an expression to its nodes.

    Raises
    ------
    ExpressionError
        If it is no expression, or uses anything outside of the allow-list; the message says what and where.
    """
    if not isinstance(text, str) or not text.strip():
        raise ExpressionError(f"An expression is a text such as 'FatJet_pt[0] > 1200', not {text!r}.")
    if len(text) > _LONGEST_TEXT:
        raise ExpressionError(f"The expression has {len(text)} characters; at most {_LONGEST_TEXT} are read.")
    line = " ".join(text.split())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = ast.parse(line, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = f" at column {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise ExpressionError(f"'{_short(line)}' is not an expression{place}: {_hint(line) or _said(error)}.") from None
    return _Translator(line).translate(tree.body)


#: What C++ and TTree::Draw write -> what is written here.
_HABITS = {
    "&&": "write 'and' (or & between brackets) instead of &&",
    "||": "write 'or' (or | between brackets) instead of ||",
    "::": "write functions without a namespace, such as abs(x), sqrt(x) or log(x)",
    "->": "write branches by their name, such as FatJet_pt[0], without ->",
    "$": "write num(FatJet_pt) instead of Length$(FatJet_pt), and FatJet_pt[0] for one jet; there is no $",
    "?": "there is no ?: operator; select with 'and' and 'or'",
    ";": "leave the ; out, an expression has one value",
}
_OTHER_NAMES = {"fabs": "Write abs(x)", "pow": "Write x ** 2", "Abs": "Write abs(x)", "Sqrt": "Write sqrt(x)"}


#: The same for what is no sign of its own.
_PATTERNS = {
    r"!(?!=)": "write 'not' (or ~) instead of !",
    r"\b(AND|OR|NOT)\b": "write 'and', 'or' and 'not' in small letters",
    r"(?<![<>=!])=(?!=)": "write == to compare",
    r"\d\.?[fFL]\b": "write numbers without f or L, such as 1.0",
}


def _hint(line: str) -> str:
    """What to write instead, where a text has the signs of another language; else empty."""
    for sign, hint in _HABITS.items():
        if sign in line:
            return hint
    return next((hint for pattern, hint in _PATTERNS.items() if re.search(pattern, line)), "")


def _said(error: BaseException) -> str:
    """What Python's parser says, without the place in a file that there is not."""
    return str(error.msg if isinstance(error, SyntaxError) else error)


class _Translator:
    """Walks the syntax tree of one text; what has no case is refused."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0

    def translate(self, node: ast.expr) -> Node:
        """Node of one part of the syntax tree, if it is on the list."""
        self._depth += 1
        if self._depth > _DEEPEST:
            self._refuse(node, f"it is nested deeper than {_DEEPEST} levels")
        translated = self._listed(node)
        self._depth -= 1
        return translated

    def _listed(self, node: ast.expr) -> Node:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return Branch(self._spelled(node, node.id))
            case ast.Attribute():
                return Branch(self._dotted(node))
            case ast.BinOp():
                return self._binary(node)
            case ast.UnaryOp():
                return Unary(UNARY[type(node.op)], self.translate(node.operand))
            case ast.BoolOp():
                first, *others = (self.translate(v) for v in node.values)
                return Chain(first, tuple((LOGIC[type(node.op)], other) for other in others))
            case ast.Compare():
                return self._compare(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Call():
                return self._call(node)
        hint = _HINTS.get(type(node), "only branches, numbers, operators and the listed functions are")
        return self._refuse(node, f"{type(node).__name__} is not allowed; {hint}")

    def _refuse(self, node: ast.AST, why: str) -> NoReturn:
        column = getattr(node, "col_offset", 0) + 1
        raise ExpressionError(f"'{_short(self._text)}', column {column}: {why}.")

    def _constant(self, node: ast.Constant) -> Node:
        if isinstance(node.value, bool | float):
            return Constant(node.value)
        if isinstance(node.value, int):
            if node.value >= 2**64:
                self._refuse(node, "whole numbers have at most 64 bits")
            return Constant(node.value)
        return self._refuse(node, f"{node.value!r} is neither a number nor True or False")

    def _dotted(self, node: ast.Attribute) -> str:
        """A name with dots, as some files spell their branches."""
        if node.attr.startswith("__"):
            self._refuse(node, "attributes do not exist here")
        if isinstance(node.value, ast.Attribute):
            return f"{self._dotted(node.value)}.{self._spelled(node, node.attr)}"
        if isinstance(node.value, ast.Name):
            return f"{self._spelled(node.value, node.value.id)}.{self._spelled(node, node.attr)}"
        return self._refuse(node, "attributes do not exist here; branches are written as 'FatJet_pt' or 'FatJet.pt'")

    def _spelled(self, node: ast.expr, name: str) -> str:
        """A name as it was written: the parser replaces letters by others that look alike."""
        written = None if name.isascii() else ast.get_source_segment(self._text, node)
        return name if written is None else written.rsplit(".", 1)[-1].strip()

    def _quoted(self, node: ast.Call) -> Node:
        """A branch by its exact name, which need not be an identifier."""
        match node.args:
            case [ast.Constant(value=str(name))] if name:
                return Branch(name)
        return self._refuse(node, "branch takes the exact name of one branch in quotes: branch('Jet/Jet.PT')")

    def _binary(self, node: ast.BinOp) -> Node:
        """The chain of operations that ends with this one; its left operands are one another's results."""
        chain, left = [node], node.left
        while isinstance(left, ast.BinOp):
            chain.append(left)
            left = left.left
        first = self.translate(left)
        size = size_of(left)
        steps: list[tuple[Combination, Node]] = []
        for step in reversed(chain):
            size = joined_size(step, size, size_of(step.right))
            steps.append((self._combination(step, size), self.translate(step.right)))
        return Chain(first, tuple(steps))

    def _combination(self, node: ast.BinOp, size: int) -> Combination:
        operator = type(node.op)
        if operator not in BINARY:
            self._refuse(node, f"the operator {operator.__name__} is not allowed")
        right = literal(node.right)
        if operator is ast.Pow and (right is None or not abs(right) <= _LARGEST_EXPONENT):
            self._refuse(node, f"an exponent is a number between -{_LARGEST_EXPONENT} and {_LARGEST_EXPONENT}")
        if operator in (ast.LShift, ast.RShift) and not (isinstance(right, int) and 0 <= right <= _LARGEST_SHIFT):
            self._refuse(node, f"bits are shifted by a whole number from 0 to {_LARGEST_SHIFT}")
        return IN_FLOATS.get(operator, BINARY[operator]) if size > _MOST_FACTORS else BINARY[operator]

    def _compare(self, node: ast.Compare) -> Node:
        sides = [node.left, *node.comparators]
        for position, side in enumerate(sides):
            self._refuse_ambiguous(side, alone=position == 0 and len(sides) == 2)
        operands = [self.translate(side) for side in sides]
        steps: list[Node] = []
        for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
            if type(operator) not in COMPARE:
                self._refuse(node, f"the comparison {type(operator).__name__} is not allowed")
            steps.append(Operation(COMPARE[type(operator)], (left, right)))
        return steps[0] if len(steps) == 1 else Chain(steps[0], tuple((conjunction, step) for step in steps[1:]))

    def _refuse_ambiguous(self, side: ast.expr, *, alone: bool) -> None:
        """Refuse `a > 1 & b < 2`, which is not what it looks like: it would be a > (1 & b) < 2.

        What is in parentheses is clear, and so is `jetId & 2 > 0`, with a mask that is a number.
        """
        if isinstance(side, ast.UnaryOp) and isinstance(side.op, ast.Invert) and not self._in_parentheses(side):
            self._refuse(side, "~ binds tighter than comparisons; write ~(a > 1), or (~a) > 1")
        if not (isinstance(side, ast.BinOp) and isinstance(side.op, BITS)) or self._in_parentheses(side):
            return
        if not (alone and _is_constant(side.right)):
            why = "&, | and ^ bind tighter than comparisons; write (a > 1) & (b < 2), or use and, or"
            self._refuse(side, f"{why}; of bits write (jetId & 2) > 0")

    def _in_parentheses(self, node: ast.expr) -> bool:
        text = self._text.encode()
        before, after = text[: node.col_offset].rstrip(), text[node.end_col_offset :].lstrip()
        return before.endswith(b"(") and after.startswith(b")")

    def _subscript(self, node: ast.Subscript) -> Node:
        of = self.translate(node.value)
        index = literal(node.slice)
        if index is None:
            return Selected(of, self.translate(node.slice))
        if not isinstance(index, int) or abs(index) >= 2**31:
            self._refuse(node, f"an element is counted by a whole number, not {index}")
        return Element(of, index)

    def _call(self, node: ast.Call) -> Node:
        if not isinstance(node.func, ast.Name):
            method = getattr(node.func, "attr", "")
            hint = "; write num(Jet_pt) instead of Jet_pt.size()" if method in {"size", "length"} else ""
            self._refuse(node, f"only functions by their name can be called{hint}")
        name, arguments = node.func.id, node.args
        if node.keywords or any(isinstance(a, ast.Starred) for a in arguments):
            self._refuse(node, "functions take plain arguments only")
        if name not in FUNCTION_NAMES:
            self._refuse(
                node,
                f"there is no function '{name}'. {_OTHER_NAMES.get(name) or nearest(name, FUNCTION_NAMES).rstrip('.')}",
            )
        if name == "branch":
            return self._quoted(node)
        if name in DIJET_FUNCTIONS:
            return DijetCall(DIJET_FUNCTIONS[name], self._jets(node))
        operands = tuple(self.translate(a) for a in arguments)
        if name in PAIRWISE and len(operands) > 1:
            return Chain(operands[0], tuple((PAIRWISE[name], operand) for operand in operands[1:]))
        wanted = ARGUMENTS[name]
        if len(operands) != wanted:
            self._refuse(node, f"{name} takes {wanted} argument{'s' * (wanted > 1)}, not {len(operands)}")
        if name == "where":
            return Where(*operands)
        if name == "default":
            return Default(*operands)
        if name == "num":
            return Count(operands[0])
        if name in OF_MISSING:
            return Unary(OF_MISSING[name], operands[0])
        if name in REDUCTIONS:
            return Reduction(name, REDUCTIONS[name], operands[0])
        return Operation(FUNCTIONS[name][0], operands)

    def _jets(self, node: ast.Call) -> tuple[Jet, Jet]:
        """The two jets of a call: the leading ones of a collection, or two that are named."""
        assert isinstance(node.func, ast.Name)
        jets = [self._jet(argument) for argument in node.args]
        if len(jets) == 1 and jets[0].index is None:
            return Jet(jets[0].collection, rank=0), Jet(jets[0].collection, rank=1)
        if len(jets) == 2:
            return jets[0], jets[1]
        name = node.func.id
        return self._refuse(node, f"write {name}(FatJet) for the leading two, or {name}(FatJet[0], FatJet[1])")

    def _jet(self, node: ast.expr) -> Jet:
        if isinstance(node, ast.Name):
            return Jet(node.id)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            index = literal(node.slice)
            if isinstance(index, int):
                return Jet(node.value.id, index=index)
        return self._refuse(node, "a jet is a collection such as FatJet, or one of its elements such as FatJet[0]")


def _is_constant(node: ast.expr) -> bool:
    return not any(isinstance(part, ast.Name | ast.Call) for part in ast.walk(node))


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "…"
