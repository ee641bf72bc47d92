"""The table from operations of torch to what is written for them.

An entry gets the writer, what is known of the results, and the arguments of torch with operands for tensors; it returns
the name of its result, or a list of names. It has to be exact for every number, as torch is, and must not use what
onnxruntime lacks in double precision: softplus, ELU and the error function.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch

from generators.errors import ExportError
from generators.export.tape import Place, Program, Value, mapped
from generators.export.writer import Operand, Writer

Results = Sequence[Value]
Operation = Callable[..., Any]
F = TypeVar("F", bound=Operation)

aten = torch.ops.aten

_TABLE: dict[Any, Operation] = {}

_MODULES = ("elementwise", "shapes", "reductions", "matrices")


def written_for(*functions: Any) -> Callable[[F], F]:
    """Decorator: what to write for these functions, whatever their overload."""

    def enter(operation: F) -> F:
        _TABLE.update(dict.fromkeys(functions, operation))
        return operation

    return enter


def written_as(nodes: Mapping[Any, str]) -> None:
    """For functions of one tensor: the node of ONNX that does the same."""
    for function, kind in nodes.items():

        def operation(w: Writer, out: Results, x: Operand, kind: str = kind) -> str:
            return w.node(kind, x.name)

        _TABLE[function] = operation


def write_program(steps: Program) -> tuple[Writer, str]:
    """Everything that a program needs, written down, and the name of its output.

    Raises
    ------
    ExportError
        If there is no counterpart of an operation.
    """
    for module in _MODULES:
        importlib.import_module(f"generators.export.operations.{module}")
    writer = Writer(steps.inputs[0])
    names: dict[int, str] = dict(enumerate(steps.inputs))

    def operand(place: Place) -> Operand:
        value = steps.values[place.index]
        if place.index not in names:
            assert value.constant is not None
            names[place.index] = writer.constant(value.constant, value.dtype)
        return Operand(names[place.index], value.dtype, value.shape)

    for step in steps.steps:
        operation = _TABLE.get(step.function.overloadpacket)
        if operation is None:
            raise ExportError(f"nothing is written for {step.function} yet")
        args, kwargs = mapped(Place, operand, [step.args, step.kwargs])
        made = operation(writer, [steps.values[index] for index in step.results], *args, **kwargs)
        names.update(zip(step.results, made if isinstance(made, list) else [made], strict=True))
    return writer, operand(Place(steps.output)).name
