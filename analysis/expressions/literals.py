"""What the text alone says about numbers: which ones are written there, and how many digits a result can have."""

from __future__ import annotations

import ast


def literal(node: ast.expr) -> int | float | None:
    """The number that is written there, with its sign; None if it is anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    return None


def size_of(node: ast.expr) -> tuple[int, int]:
    """How many numbers a part is made of, and the product of all its exponents: bounds of the digits of its value."""
    parts = list(ast.walk(node))
    numbers = sum(isinstance(part, ast.Name | ast.Constant) for part in parts)
    exponent = 1
    for part in parts:
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow):
            exponent *= _exponent(part)
    return numbers, exponent


def joined_size(node: ast.BinOp, left: tuple[int, int]) -> tuple[int, int]:
    """Of an operation whose left operand has that size."""
    if isinstance(node.op, ast.Pow):
        return left[0], left[1] * _exponent(node)
    numbers, exponent = size_of(node.right)
    return left[0] + numbers, left[1] * exponent


def _exponent(node: ast.BinOp) -> int:
    value = literal(node.right)
    return max(1, value) if isinstance(value, int) else 1
