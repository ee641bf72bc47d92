"""A ceiling over what is built while a model is restored: a card may ask for more than was ever trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from generators.errors import ArtifactError

#: Elements and tensors that may be made on the way, for each that is stored and in any case: masks, initial values.
_ELEMENTS, _TENSORS = (8, 1 << 20), (50, 2_000)

_OF_A_SHAPE = {"empty", "empty_strided", "zeros", "ones", "full", "rand", "randn", "randint", "eye", "randperm"}
_OF_A_SHAPE |= {"new_empty", "new_empty_strided", "new_zeros", "new_ones", "new_full", "repeat"}
_OF_A_RANGE = {"arange", "linspace", "logspace"}


@contextmanager
def ceiling(shapes: Iterable[Sequence[int]]) -> Iterator[None]:
    """Let nothing be built inside of the block that is much larger than stored tensors of these shapes.

    Raises
    ------
    ArtifactError
        If more or larger tensors are asked for than those stored could fill, before there is memory for them.
    """
    listed = [tuple(shape) for shape in shapes]
    elements = sum(math.prod(shape) for shape in listed)
    tensors = _TENSORS[0] * len(listed) + _TENSORS[1]
    with _Ceiling(elements=_ELEMENTS[0] * elements + _ELEMENTS[1], tensors=tensors, of=elements):
        yield


class _Ceiling(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses to make more or larger tensors than agreed, before the memory for them is asked for."""

    def __init__(self, *, elements: int, tensors: int, of: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._elements, self._tensors, self._of = elements, tensors, of

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in _OF_A_SHAPE or name in _OF_A_RANGE:
            self._tensors -= 1
            self._take(_asked(name, args))
        else:
            operands = [argument for argument in args if isinstance(argument, Tensor)]
            if len(operands) > 1:
                self._refuse_beyond(_broadcast(operands))
        return func(*args, **(kwargs or {}))

    def _take(self, size: float) -> None:
        self._refuse_beyond(size)
        self._elements -= int(size)
        if self._elements < 0 or self._tensors < 0:
            self._refuse_beyond(math.inf)

    def _refuse_beyond(self, size: float) -> None:
        if size > self._elements:
            raise ArtifactError(
                f"the hyperparameters ask for a model that is far larger than the {self._of} numbers that are stored"
            )


def _asked(name: str, args: tuple[Any, ...]) -> float:
    """Elements of the tensor that a call will make."""
    numbers = [float(a) for a in args if isinstance(a, int | float)]
    if name == "arange":
        start, end, step = ([0.0, *numbers, 1.0] if len(numbers) == 1 else [*numbers, 1.0])[:3]
        return abs((end - start) / step) if step else math.inf
    if name in _OF_A_RANGE:
        return numbers[2] if len(numbers) > 2 else 0.0
    if name in ("eye", "randperm"):
        return math.prod(numbers[:2]) if len(numbers) > 1 else numbers[0] ** (2 if name == "eye" else 1)
    shape = next((a for a in args if isinstance(a, list | tuple)), ())
    of_one = next((a.numel() for a in args if isinstance(a, Tensor)), 1) if name == "repeat" else 1
    return float(math.prod(shape)) * of_one


def _broadcast(operands: Sequence[Tensor]) -> float:
    """Elements of the result of an operation by elements; those of others are no more, or their shapes do not fit."""
    size = 1.0
    for axis in range(1, 1 + max(operand.ndim for operand in operands)):
        size *= max(operand.shape[-axis] for operand in operands if operand.ndim >= axis)
    return size
