"""Operations that make one number of many, and products of matrices."""

from __future__ import annotations

from typing import Any

import torch

from generators.errors import ExportError
from generators.export.operations.shapes import filled
from generators.export.operations.table import Results, aten, written_for
from generators.export.writer import ELEMENT_TYPES, Operand, Writer


def _axes(w: Writer, axes: Any, rank: int) -> list[str]:
    if axes is None or axes == []:
        return []
    return [w.integers(*(axis % rank for axis in ([axes] if isinstance(axes, int) else axes)))]


def _nothing(x: Operand, axes: Any) -> bool:
    """Whether there is nothing to reduce, of which versions of onnxruntime make different things."""
    chosen = range(x.rank) if axes is None or axes == [] else [axes] if isinstance(axes, int) else axes
    return any(x.shape[axis] == 0 for axis in chosen)


def _reduced(w: Writer, kind: str, name: str, x: Operand, axes: Any, keep: bool) -> str:
    return w.node(kind, name, *_axes(w, axes, x.rank), keepdims=int(keep))


@written_for(aten.sum)
def _sum(w: Writer, out: Results, x: Operand, axes: Any = None, keep: bool = False, **_: Any) -> str:
    if _nothing(x, axes):
        return filled(w, out, 0)
    return _reduced(w, "ReduceSum", w.cast(x, out[0].dtype), x, axes, keep)


@written_for(aten.mean)
def _mean(w: Writer, out: Results, x: Operand, axes: Any = None, keep: bool = False, **_: Any) -> str:
    return _reduced(w, "ReduceMean", w.cast(x, out[0].dtype), x, axes, keep)


@written_for(aten.amax)
def _amax(w: Writer, out: Results, x: Operand, axes: Any = None, keep: bool = False) -> str:
    return _reduced(w, "ReduceMax", x.name, x, axes, keep)


@written_for(aten.amin)
def _amin(w: Writer, out: Results, x: Operand, axes: Any = None, keep: bool = False) -> str:
    return _reduced(w, "ReduceMin", x.name, x, axes, keep)


@written_for(aten.prod)
def _prod(w: Writer, out: Results, x: Operand, axis: Any = None, keep: bool = False, **_: Any) -> str:
    return _reduced(w, "ReduceProd", w.cast(x, out[0].dtype), x, axis, keep)


@written_for(aten.all)
def _all(w: Writer, out: Results, x: Operand, axis: Any = None, keep: bool = False) -> str:
    if _nothing(x, axis):
        return filled(w, out, 1)
    return w.node("Cast", _reduced(w, "ReduceMin", w.cast(x, torch.int32), x, axis, keep), to=ELEMENT_TYPES[torch.bool])


@written_for(aten.any)
def _any(w: Writer, out: Results, x: Operand, axis: Any = None, keep: bool = False) -> str:
    if _nothing(x, axis):
        return filled(w, out, 0)
    return w.node("Cast", _reduced(w, "ReduceMax", w.cast(x, torch.int32), x, axis, keep), to=ELEMENT_TYPES[torch.bool])


@written_for(aten.logsumexp)
def _logsumexp(w: Writer, out: Results, x: Operand, axes: Any, keep: bool = False) -> str:
    # Not ReduceLogSumExp: some versions of onnxruntime lose what is far below zero beside −∞, some have no exp(−∞).
    largest = w.node("ReduceMax", x.name, *_axes(w, axes, x.rank), keepdims=1)
    infinite = w.node("IsInf", largest)
    parts = w.node("Exp", w.node("Sub", x.name, w.node("Where", infinite, w.cast(0, x.dtype), largest)))
    total = w.node("Log", w.node("ReduceSum", parts, *_axes(w, axes, x.rank), keepdims=1))
    result = w.node("Where", infinite, largest, w.node("Add", total, largest))
    return result if keep else w.reshape(result, out[0].shape)


@written_for(aten.linalg_vector_norm)
def _norm(w: Writer, out: Results, x: Operand, order: float = 2, axes: Any = None, keep: bool = False, **_: Any) -> str:
    if order != 2:
        raise ExportError(f"a norm of order {order} has no counterpart in ONNX")
    return _reduced(w, "ReduceL2", x.name, x, axes, keep)


@written_for(aten.cumsum)
def _cumsum(w: Writer, out: Results, x: Operand, axis: int, **_: Any) -> str:
    return w.node("CumSum", w.cast(x, out[0].dtype), w.cast(axis % x.rank, torch.int64))


@written_for(aten._softmax)
def _softmax(w: Writer, out: Results, x: Operand, axis: int, *_: Any) -> str:
    return w.node("Softmax", x.name, axis=axis % x.rank)


@written_for(aten._log_softmax)
def _log_softmax(w: Writer, out: Results, x: Operand, axis: int, *_: Any) -> str:
    return w.node("LogSoftmax", x.name, axis=axis % x.rank)


@written_for(aten.mm, aten.bmm, aten.mv, aten.dot)
def _matmul(w: Writer, out: Results, a: Operand, b: Operand) -> str:
    return _product(w, a, b)


def _product(w: Writer, a: Operand, b: Operand) -> str:
    # In shapes that they have anyway, because onnxruntime 1.20 fuses a transposition with the product to what it lacks
    # in double precision.
    names = [w.reshape(x.name, x.shape) if w.kind(x.name) == "Transpose" else x.name for x in (a, b)]
    return w.node("MatMul", *names)


@written_for(aten.addmm, aten.baddbmm)
def _addmm(w: Writer, out: Results, x: Operand, a: Operand, b: Operand, beta: float = 1, alpha: float = 1) -> str:
    product = w.times(_product(w, a, b), alpha, x.dtype)
    return w.node("Add", product, w.times(x.name, beta, x.dtype))
