"""What torch does while it evaluates a function, as steps that another program can repeat for any number of rows.

The function runs on numbers, so it may be written in any way; what of it is an operation on tensors is noted. It runs
twice, with different numbers of rows: a size or an index that differs is a linear function of that number, a tensor
that neither follows from the inputs nor differs is a constant. Whoever repeats the steps with a third number of rows
and finds what torch finds has the proof.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from generators.errors import ExportError
from generators.recording import recorded

#: Numbers of rows of the two runs.
ROWS = (5, 11)

_ANOTHER_COURSE = "it takes another course for another number of rows"


@dataclass(frozen=True)
class Rows:
    """The whole number `base` + `each` · N for N rows."""

    base: int
    each: int


Size = int | Rows


@dataclass(frozen=True)
class Place:
    """Stands for a tensor in the arguments of a step: its index among the values."""

    index: int


@dataclass(frozen=True)
class Step:
    """An operation of torch, with `Place` instead of tensors and `Rows` instead of numbers that follow the rows."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """What is known of a tensor beforehand; `constant` is the tensor itself if nothing changes it."""

    dtype: torch.dtype
    shape: tuple[Size, ...]
    constant: Tensor | None = None


@dataclass(frozen=True)
class Program:
    """The steps that lead from the first values, named by `inputs`, to the value `output`."""

    inputs: tuple[str, ...]
    values: list[Value]
    steps: list[Step]
    output: int


def program(function: Callable[[dict[str, Tensor]], Tensor], inputs: Callable[[int], Mapping[str, Tensor]]) -> Program:
    """The steps of a function of named tensors; `inputs(n)` are its arguments with n rows.

    Raises
    ------
    ExportError
        If the function draws random numbers, writes into tensors, leaves torch, or takes its course by the numbers.
    """
    one, two = (_Tape(function, inputs(rows)) for rows in ROWS)
    if [step.function for step in one.steps] != [step.function for step in two.steps] or one.output != two.output:
        raise ExportError(_ANOTHER_COURSE)
    values = [_value(one, two, index) for index in range(len(one.values))]
    produced = {place for step in one.steps for place in step.results} | set(range(len(one.names)))
    for index, value in enumerate(values):
        if value.constant is None and index not in produced:
            raise ExportError("it computes with numbers that do not come from torch")
    steps = [_step(a, b) for a, b in zip(one.steps, two.steps, strict=True)]
    return Program(one.names, values, _needed(steps, values, one.output), one.output)


class _Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The operations of one run. All tensors are kept, so that no two of them share an identity."""

    def __init__(self, function: Callable[[dict[str, Tensor]], Tensor], inputs: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names = tuple(inputs)
        self.steps: list[Step] = []
        self.values: list[Tensor] = []
        self.shapes: list[torch.Size] = []
        self.follows: list[bool] = []
        self.places: dict[int, int] = {}
        for value in inputs.values():
            self._add(value, follows=True)
        # With derivatives, though nobody asks for them: without, some parts write into what they have.
        with torch.enable_grad(), recorded(), self:
            out = function(dict(inputs))
        self.output = self._place(out).index

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        noted_args, noted_kwargs = mapped(Tensor, self._place, [args, kwargs or {}])
        follows = any(self.follows[place.index] for place in _places((noted_args, noted_kwargs)))
        self._refuse(func, args, follows)
        out = func(*args, **(kwargs or {}))
        results = [part for part in (out if isinstance(out, tuple | list) else [out]) if isinstance(part, Tensor)]
        for part in results:
            # A view in place is the same tensor with another shape: for the steps it is another one.
            if id(part) not in self.places or part.shape != self.shapes[self.places[id(part)]]:
                self._add(part, follows)
        places = tuple(self.places[id(part)] for part in results)
        if not set(places) <= {place.index for place in _places((noted_args, noted_kwargs))}:
            self.steps.append(Step(func, tuple(noted_args), noted_kwargs, places))
        return out

    def _add(self, tensor: Tensor, follows: bool) -> None:
        self.places[id(tensor)] = len(self.values)
        self.values.append(tensor)
        self.shapes.append(tensor.shape)
        self.follows.append(follows)

    def _place(self, tensor: Tensor) -> Place:
        if id(tensor) not in self.places:
            self._add(tensor, follows=False)
        return Place(self.places[id(tensor)])

    def _refuse(self, function: Any, args: tuple[Any, ...], follows: bool) -> None:
        """Name what can not be part of a graph."""
        obstacle = None
        if torch.Tag.nondeterministic_seeded in function.tags:
            obstacle = "it draws random numbers itself"
        elif function._schema.is_mutable and torch.Tag.inplace_view not in function.tags:
            obstacle = "it writes into a tensor"
        elif follows and torch.Tag.data_dependent_output in function.tags:
            obstacle = "it takes its course by the numbers that it is given"
        elif follows and torch.Tag.dynamic_output_shape in function.tags and not _by_number(function, args):
            obstacle = "it chooses rows by the numbers that it is given"
        if obstacle:
            raise ExportError(f"{obstacle} ({function} in {_caller()})")


def _caller() -> str:
    """File and line of the innermost frame that is not torch's or of this file."""
    home = str(Path(torch.__file__).parent)
    for frame in reversed(traceback.extract_stack()):
        if frame.filename != __file__ and not frame.filename.startswith((home, "<")):
            return f"{Path(frame.filename).name}, line {frame.lineno}"
    return "torch"


def _value(one: _Tape, two: _Tape, index: int) -> Value:
    a, b = one.values[index], two.values[index]
    sizes = one.shapes[index], two.shapes[index]
    if a.dtype != b.dtype or len(sizes[0]) != len(sizes[1]):
        raise ExportError(_ANOTHER_COURSE)
    same = sizes[0] == sizes[1] and bool(((a == b) | ((a != a) & (b != b))).all())
    constant = a.detach().reshape(sizes[0]) if same and not one.follows[index] else None
    return Value(a.dtype, tuple(_size(*pair) for pair in zip(*sizes, strict=True)), constant)


def _by_number(function: Any, args: tuple[Any, ...]) -> bool:
    """Whether an indexing is by numbers and not by a mask."""
    return function is torch.ops.aten.index.Tensor and all(
        index is None or index.dtype not in (torch.bool, torch.uint8) for index in args[1]
    )


def _size(one: int, two: int) -> Size:
    if one == two:
        return one
    each, rest = divmod(two - one, ROWS[1] - ROWS[0])
    if rest:
        raise ExportError(f"a size of {one} for {ROWS[0]} rows and {two} for {ROWS[1]} follows no simple rule")
    return Rows(one - each * ROWS[0], each)


def _step(one: Step, two: Step) -> Step:
    return Step(one.function, _together(one.args, two.args), _together(one.kwargs, two.kwargs), one.results)


def _together(one: Any, two: Any) -> Any:
    """Arguments of both runs as one."""
    if isinstance(one, tuple | list) and isinstance(two, tuple | list) and len(one) == len(two):
        return type(one)(_together(a, b) for a, b in zip(one, two, strict=True))
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        return {key: _together(value, two[key]) for key, value in one.items()}
    if type(one) is int and type(two) is int:
        return _size(one, two)
    if one != two and not (one != one and two != two):
        raise ExportError(f"a number of its own is {one} for {ROWS[0]} rows and {two} for {ROWS[1]}")
    return one


def _needed(steps: Sequence[Step], values: Sequence[Value], output: int) -> list[Step]:
    """The steps without which the output would not be known, constants taken as they are."""
    wanted, kept = {output}, []
    for step in reversed(steps):
        if any(place in wanted and values[place].constant is None for place in step.results):
            kept.append(step)
            wanted |= {place.index for place in _places((step.args, step.kwargs))}
    return kept[::-1]


def mapped(kind: type[Any], function: Callable[[Any], Any], tree: Any) -> Any:
    """Arguments with everything of one kind replaced by what the function makes of it."""
    if isinstance(tree, kind):
        return function(tree)
    if isinstance(tree, tuple | list):
        return [mapped(kind, function, part) for part in tree]
    if isinstance(tree, dict):
        return {key: mapped(kind, function, part) for key, part in tree.items()}
    return tree


def _places(tree: Any) -> list[Place]:
    if isinstance(tree, Place):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, tuple | list) else ()
    return [place for part in parts for place in _places(part)]
