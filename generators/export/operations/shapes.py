"""Operations that move numbers: shapes, parts, places, and constants for every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from generators.errors import ExportError
from generators.export.operations.table import Results, aten, written_for
from generators.export.tape import Rows, Size
from generators.export.writer import ELEMENT_TYPES, Operand, Writer


@written_for(aten.view, aten._unsafe_view, aten._reshape_alias, aten.unsqueeze, aten.squeeze, aten.squeeze_)
def _reshape(w: Writer, out: Results, x: Operand, *_: Any) -> str:
    return w.reshape(x.name, out[0].shape)


@written_for(aten.expand)
def _expand(w: Writer, out: Results, x: Operand, *_: Any, **__: Any) -> str:
    return w.node("Expand", x.name, w.sizes(out[0].shape))


@written_for(aten.repeat)
def _repeat(w: Writer, out: Results, x: Operand, repeats: Sequence[Size]) -> str:
    if all(count == 1 for count in repeats) and len(repeats) == x.rank:
        return x.name
    lifted = (1,) * (len(repeats) - x.rank) + x.shape
    return w.node("Tile", x.name if len(repeats) == x.rank else w.reshape(x.name, lifted), w.sizes(repeats))


@written_for(aten.permute)
def _permute(w: Writer, out: Results, x: Operand, order: Sequence[int]) -> str:
    return w.node("Transpose", x.name, perm=[axis % x.rank for axis in order])


@written_for(aten.transpose)
def _transpose(w: Writer, out: Results, x: Operand, first: int, second: int) -> str:
    order = list(range(x.rank))
    order[first], order[second] = order[second], order[first]
    return w.node("Transpose", x.name, perm=order)


@written_for(aten.t)
def _t(w: Writer, out: Results, x: Operand) -> str:
    return x.name if x.rank < 2 else w.node("Transpose", x.name, perm=[1, 0])


@written_for(aten.select)
def _select(w: Writer, out: Results, x: Operand, axis: int, index: int) -> str:
    return w.node("Gather", x.name, w.cast(index, torch.int64), axis=axis % x.rank)


@written_for(aten.slice)
def _slice(
    w: Writer,
    out: Results,
    x: Operand,
    axis: int = 0,
    start: Size | None = None,
    end: Size | None = None,
    step: int = 1,
) -> str:
    if start in (None, 0) and step == 1 and out[0].shape == x.shape:
        return x.name
    ends = LAST if end is None else end
    return _part(w, x, axis % x.rank, 0 if start is None else start, ends, step)


def _part(w: Writer, x: Operand, axis: int, start: Size, end: Size, step: int = 1) -> str:
    bounds = [w.sizes([bound]) for bound in (start, end)]
    return w.node("Slice", x.name, *bounds, w.integers(axis), w.integers(step))


#: Stands for the end of an axis.
LAST = int(np.iinfo(np.int64).max)


@written_for(aten.unbind)
def _unbind(w: Writer, out: Results, x: Operand, axis: int = 0) -> list[str]:
    return [_select(w, out, x, axis, index) for index in range(len(out))]


@written_for(aten.split, aten.split_with_sizes)
def _split(w: Writer, out: Results, x: Operand, sizes: Any, axis: int = 0) -> list[str]:
    names, start = [], 0
    for part in out:
        size = part.shape[axis % x.rank]
        if isinstance(size, Rows):
            raise ExportError("it splits its rows into parts")
        names.append(_part(w, x, axis % x.rank, start, start + size))
        start += size
    return names


@written_for(aten.cat)
def _cat(w: Writer, out: Results, parts: Sequence[Operand], axis: int = 0) -> str:
    filled = [part for part in parts if 0 not in part.shape]
    if len(filled) == 1:
        return w.cast(filled[0], out[0].dtype)
    names = [w.cast(part, out[0].dtype) for part in filled or parts]
    return w.node("Concat", *names, axis=axis % len(out[0].shape))


@written_for(aten.constant_pad_nd)
def _pad(w: Writer, out: Results, x: Operand, pads: Sequence[int], value: float = 0) -> str:
    """Torch counts pairs from the last axis backwards, ONNX takes all beginnings and then all ends."""
    pairs = [(0, 0)] * (x.rank - len(pads) // 2) + list(zip(pads[::2], pads[1::2], strict=True))[::-1]
    bounds = w.integers(*(first for first, _ in pairs), *(last for _, last in pairs))
    return w.node("Pad", x.name, bounds, w.cast(value, x.dtype))


@written_for(aten.stack)
def _stack(w: Writer, out: Results, parts: Sequence[Operand], axis: int = 0) -> str:
    shape = list(out[0].shape)
    shape[axis % len(shape)] = 1
    names = [w.reshape(w.cast(part, out[0].dtype), shape) for part in parts]
    return w.node("Concat", *names, axis=axis % len(shape))


@written_for(aten.zeros, aten.zeros_like, aten.new_zeros, aten.empty, aten.empty_like, aten.new_empty)
def _zeros(w: Writer, out: Results, *_: Any, **__: Any) -> str:
    return filled(w, out, 0)


@written_for(aten.ones, aten.ones_like, aten.new_ones)
def _ones(w: Writer, out: Results, *_: Any, **__: Any) -> str:
    return filled(w, out, 1)


@written_for(aten.full, aten.full_like)
def _full(w: Writer, out: Results, shape: Any, value: Any, **_: Any) -> str:
    return filled(w, out, value)


@written_for(aten.new_full)
def _new_full(w: Writer, out: Results, like: Any, shape: Any, value: Any, **_: Any) -> str:
    return filled(w, out, value)


def filled(w: Writer, out: Results, value: Any) -> str:
    """The first result, with one value everywhere."""
    return w.node("Expand", w.constant(value, out[0].dtype), w.sizes(out[0].shape))


@written_for(aten.arange)
def _arange(w: Writer, out: Results, *bounds: Any, **_: Any) -> str:
    if len(bounds) != 1 or out[0].dtype != torch.int64:
        raise ExportError("it counts in other ways than from 0 by 1")
    end = w.node("Squeeze", w.sizes([bounds[0]]))
    return w.node("Range", w.cast(0, torch.int64), end, w.cast(1, torch.int64))


@written_for(aten.gather)
def _gather(w: Writer, out: Results, x: Operand, axis: int, index: Operand, **_: Any) -> str:
    return w.node("GatherElements", x.name, index.name, axis=axis % x.rank)


@written_for(aten.index_select)
def _index_select(w: Writer, out: Results, x: Operand, axis: int, index: Operand) -> str:
    return w.node("Gather", x.name, index.name, axis=axis % x.rank)


@written_for(aten.index)
def _index(w: Writer, out: Results, x: Operand, indices: Sequence[Operand | None]) -> str:
    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if len(given) == 1:
        return w.node("Gather", x.name, given[0][1].name, axis=given[0][0])
    if [axis for axis, _ in given] != list(range(len(given))) or len({index.shape for _, index in given}) != 1:
        raise ExportError("it indexes in more ways at once than ONNX can")
    last = [w.reshape(index.name, (*index.shape, 1)) for _, index in given]
    return w.node("GatherND", x.name, w.node("Concat", *last, axis=-1))


@written_for(aten.index_copy)
def _index_copy(w: Writer, out: Results, x: Operand, axis: int, index: Operand, source: Operand) -> str:
    along = [1] * x.rank
    along[axis % x.rank] = -1
    spread = w.node("Expand", w.node("Reshape", index.name, w.integers(*along)), w.sizes(source.shape))
    return w.node("ScatterElements", x.name, spread, source.name, axis=axis % x.rank)


@written_for(aten.searchsorted)
def _searchsorted(w: Writer, out: Results, bounds: Operand, x: Operand, *, right: bool = False, **options: Any) -> str:
    if any(options.get(name) for name in ("side", "sorter")):
        raise ExportError("it searches in other ways than by right = True or False")
    if bounds.shape[-1] == 0:
        return filled(w, out, 0)
    values, places = w.reshape(x.name, (*x.shape, 1)), w.node("Unsqueeze", bounds.name, w.integers(-2))
    before = w.node("LessOrEqual" if right else "Less", places, values)
    count = w.node("Cast", before, to=ELEMENT_TYPES[torch.int64])
    return w.node("ReduceSum", count, w.integers(-1), keepdims=0)
