"""A graph of ONNX while it is being written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.export.tape import Rows, Size

#: The opset of the operations of `generators.export.operations`.
OPSET = 18

#: Number of the type of a tensor in ONNX, by its type in torch.
ELEMENT_TYPES = {torch.float32: 1, torch.int32: 6, torch.int64: 7, torch.bool: 9, torch.float64: 11}

Array = NDArray[Any]


@dataclass(frozen=True)
class Operand:
    """A tensor of the graph."""

    name: str
    dtype: torch.dtype
    shape: tuple[Size, ...]

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)


class Writer:
    """Collects nodes and constants; the number of rows is that of the first input."""

    def __init__(self, first: str) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self._first = first
        self._kinds: dict[str, str] = {}
        self._known: dict[Any, str] = {}

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Name of the result of an operation of ONNX."""
        from onnx import helper

        name = f"v{len(self.nodes)}"
        # Each with a name of its own, because fusions of onnxruntime make theirs of it.
        self._kinds[name] = kind
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def kind(self, name: str) -> str | None:
        """The operation that makes a tensor; none makes inputs and constants."""
        return self._kinds.get(name)

    def constant(self, value: Any, dtype: torch.dtype) -> str:
        """Name of a constant of this type; equal ones are one."""
        array = np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)
        array = np.ascontiguousarray(array, dtype=torch.empty(0, dtype=dtype).numpy().dtype).reshape(array.shape)
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._known:
            self._known[key] = f"c{len(self.constants)}"
            self.constants[self._known[key]] = array
        return self._known[key]

    def integers(self, *numbers: int) -> str:
        """Name of a constant list of whole numbers."""
        return self.constant(np.array(numbers, np.int64), torch.int64)

    def sizes(self, shape: Sequence[Size]) -> str:
        """Name of a list of whole numbers that may follow the number of rows."""
        parts = tuple(shape)
        if all(isinstance(size, int) for size in parts):
            return self.constant(np.array(parts, np.int64), torch.int64)
        if parts not in self._known:
            names = [self._size(size) for size in parts]
            self._known[parts] = names[0] if len(names) == 1 else self.node("Concat", *names, axis=0)
        return self._known[parts]

    def _size(self, size: Size) -> str:
        if isinstance(size, int):
            return self.integers(size)
        if size not in self._known:
            rows = self._known.get(_ROWS) or self.node("Shape", self._first, start=0, end=1)
            self._known[_ROWS] = rows
            scaled = rows if size.each == 1 else self.node("Mul", rows, self.integers(size.each))
            self._known[size] = scaled if size.base == 0 else self.node("Add", scaled, self.integers(size.base))
        return self._known[size]

    def cast(self, value: Any, dtype: torch.dtype) -> str:
        """Name of an operand, or of a number, in this type."""
        if not isinstance(value, Operand):
            return self.constant(value, dtype)
        return value.name if value.dtype == dtype else self.node("Cast", value.name, to=ELEMENT_TYPES[dtype])

    def times(self, name: str, factor: float, dtype: torch.dtype) -> str:
        """Name of a tensor of this type times a number."""
        return name if factor == 1 else self.node("Mul", name, self.constant(factor, dtype))

    def reshape(self, name: str, shape: Sequence[Size]) -> str:
        """Name of a tensor in another shape."""
        static = [size for size in shape if isinstance(size, int)]
        if len(static) == len(shape) - 1 and 0 not in static:
            # One size that follows the rows can be found from the others.
            return self.node("Reshape", name, self.integers(*(s if isinstance(s, int) else -1 for s in shape)))
        return self.node("Reshape", name, self.sizes(shape), allowzero=1)


_ROWS = Rows(0, 1)
