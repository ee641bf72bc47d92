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


def size_of(node: ast.expr) -> int:
    """Bound of the length of a whole number that a part can give, in units of the 64 bits of a branch."""
    parts = list(ast.walk(node))
    sizes: dict[ast.AST, int] = {}
    # From the inside out, without recursion: a chain of operators is as deep as it is long.
    for part in reversed(parts):
        if isinstance(part, ast.Name | ast.Constant):
            sizes[part] = 1
        elif isinstance(part, ast.BinOp):
            sizes[part] = joined_size(part, sizes[part.left], sizes[part.right])
        else:
            sizes[part] = sum(sizes[child] for child in ast.iter_child_nodes(part))
    return sizes[node]


def joined_size(node: ast.BinOp, left: int, right: int) -> int:
    """That of an operation on parts of these sizes."""
    exponent = literal(node.right) if isinstance(node.op, ast.Pow) else None
    if isinstance(exponent, int):
        return left * max(1, exponent)
    return left + right
