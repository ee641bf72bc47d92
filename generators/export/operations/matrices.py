"""Triangles, diagonals and linear equations, whose number is small and known: written out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from generators.errors import ExportError
from generators.export.operations.shapes import LAST
from generators.export.operations.table import Results, aten, written_for
from generators.export.writer import Operand, Writer


@written_for(aten.tril)
def _tril(w: Writer, out: Results, x: Operand, diagonal: int = 0) -> str:
    return w.node("Trilu", x.name, w.cast(diagonal, torch.int64), upper=0)


@written_for(aten.triu)
def _triu(w: Writer, out: Results, x: Operand, diagonal: int = 0) -> str:
    return w.node("Trilu", x.name, w.cast(diagonal, torch.int64), upper=1)


@written_for(aten.diagonal)
def _diagonal(w: Writer, out: Results, x: Operand, offset: int = 0, first: int = 0, second: int = 1) -> str:
    size = _static(x)
    if offset or (first % x.rank, second % x.rank) != (x.rank - 2, x.rank - 1) or x.shape[-2] != size:
        raise ExportError("it takes another diagonal than that of the last two dimensions")
    flat = w.reshape(x.name, (*x.shape[:-2], size * size))
    return w.node("Gather", flat, w.integers(*range(0, size * size, size + 1)), axis=x.rank - 2)


@written_for(aten.diag_embed)
def _diag_embed(w: Writer, out: Results, x: Operand, *options: int) -> str:
    if options not in ((), (0,), (0, -2), (0, -2, -1)):
        raise ExportError("it makes another diagonal than that of the last two dimensions")
    one = w.constant(np.eye(_static(x), dtype=bool), torch.bool)
    return w.node("Where", one, w.reshape(x.name, (*x.shape, 1)), w.cast(0, x.dtype))


@written_for(aten.linalg_solve_triangular)
def _solve_triangular(
    w: Writer, out: Results, a: Operand, b: Operand, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> str:
    size = _static(a)
    if left:
        return _substituted(w, _rows(w, a.name, size), _rows(w, b.name, size), upper=upper, unit=unitriangular)
    matrix, right = (_rows(w, _turned(w, value), size) for value in (a, b))
    solution = _substituted(w, matrix, right, upper=not upper, unit=unitriangular)
    return _turned(w, Operand(solution, b.dtype, b.shape))


@written_for(aten._linalg_solve_ex)
def _solve(w: Writer, out: Results, a: Operand, b: Operand, *, left: bool = True, **_: Any) -> list[str | None]:
    size, vectors = _static(a), b.rank == a.rank - 1
    if not left:
        raise ExportError("it solves for a matrix on the left")
    right = w.reshape(b.name, (*b.shape, 1)) if vectors else b.name
    rows = _eliminated(w, _rows(w, w.node("Concat", a.name, right, axis=-1), size), a.dtype)[0]
    triangle, solved = ([_columns(w, row, *bounds) for row in rows] for bounds in ((0, size), (size, LAST)))
    solution = _substituted(w, triangle, solved, upper=True, unit=False)
    return [w.reshape(solution, b.shape) if vectors else solution, None, None, None]


@written_for(aten.linalg_inv_ex)
def _inverse(w: Writer, out: Results, a: Operand, **_: Any) -> list[str | None]:
    size = _static(a)
    one = w.node("Expand", w.constant(np.eye(size), a.dtype), w.sizes(a.shape))
    return [_solve(w, out, a, Operand(one, a.dtype, a.shape))[0], None]


@written_for(aten._linalg_slogdet)
def _slogdet(w: Writer, out: Results, a: Operand) -> list[str | None]:
    rows, sign = _eliminated(w, _rows(w, a.name, _static(a)), a.dtype)
    pivots = w.node("Concat", *[_entry(w, row, index) for index, row in enumerate(rows)], axis=-1)
    last = w.integers(-2, -1)
    signs = w.node("ReduceProd", w.node("Sign", pivots), last, keepdims=0)
    logs = w.node("ReduceSum", w.node("Log", w.node("Abs", pivots)), last, keepdims=0)
    return [w.node("Mul", signs, w.node("Squeeze", sign, last)), logs, None, None]


def _eliminated(w: Writer, rows: Sequence[str], dtype: torch.dtype) -> tuple[list[str], str]:
    """Rows (…, 1, m) of the upper triangle by elimination with pivots, and the sign (…, 1, 1) of their order."""
    rows, one = list(rows), w.constant(np.ones((1, 1)), dtype)
    sign, minus = one, w.constant(-np.ones((1, 1)), dtype)
    for k in range(len(rows)):
        for i in range(k + 1, len(rows)):
            sizes = [w.node("Abs", _entry(w, rows[row], k)) for row in (i, k)]
            larger = w.node("Greater", *sizes)
            rows[k], rows[i] = (w.node("Where", larger, rows[a], rows[b]) for a, b in ((i, k), (k, i)))
            sign = w.node("Mul", sign, w.node("Where", larger, minus, one))
        for i in range(k + 1, len(rows)):
            factor = w.node("Div", _entry(w, rows[i], k), _entry(w, rows[k], k))
            rows[i] = w.node("Sub", rows[i], w.node("Mul", factor, rows[k]))
    return rows, sign


def _substituted(w: Writer, matrix: Sequence[str], right: Sequence[str], *, upper: bool, unit: bool) -> str:
    """X (…, n, k) with A X = B for the rows (…, 1, n) of a triangular A and (…, 1, k) of B."""
    known: dict[int, str] = {}
    for i in reversed(range(len(matrix))) if upper else range(len(matrix)):
        rest = right[i]
        for j, row in known.items():
            rest = w.node("Sub", rest, w.node("Mul", _entry(w, matrix[i], j), row))
        known[i] = rest if unit else w.node("Div", rest, _entry(w, matrix[i], i))
    return w.node("Concat", *[known[i] for i in range(len(matrix))], axis=-2)


def _static(a: Operand) -> int:
    size = a.shape[-1]
    if not isinstance(size, int):
        raise ExportError("it solves equations for all rows together")
    return size


def _rows(w: Writer, name: str, count: int) -> list[str]:
    return [w.node("Gather", name, w.integers(index), axis=-2) for index in range(count)]


def _entry(w: Writer, row: str, column: int) -> str:
    return w.node("Gather", row, w.integers(column), axis=-1)


def _columns(w: Writer, row: str, start: int, end: int) -> str:
    return w.node("Slice", row, w.integers(start), w.integers(end), w.integers(-1))


def _turned(w: Writer, x: Operand) -> str:
    return w.node("Transpose", x.name, perm=[*range(x.rank - 2), x.rank - 1, x.rank - 2])
