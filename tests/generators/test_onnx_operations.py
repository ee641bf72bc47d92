"""What the recorder takes from a function of tensors, and what the exporter makes of each operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from generators.errors import ExportError
from generators.export import onnx as exporter
from generators.export.tape import program

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def fill(x: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    out[:, 0] = x[:, 0]
    return out


OBSTACLES: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "random": (
        lambda x: x + torch.randn_like(x),
        r"it draws random numbers itself \(aten\.randn_like.* test_onnx_operations\.py",
    ),
    "write": (fill, r"it writes into a tensor \(aten\.copy_.* in test_onnx_operations\.py, line \d+\)"),
    "branch": (lambda x: x if float(x.sum()) > 0 else -x, "it takes its course by the numbers"),
    "rows": (lambda x: x[x[:, 0] > 0], "it chooses rows by the numbers"),
    "numpy": (
        lambda x: x + torch.as_tensor(np.sort(x.detach().numpy(), axis=0)),
        "numbers that do not come from torch",
    ),
    "half": (
        lambda x: x[: len(x) // 2].sum() + x,
        "a size of 2 for 5 rows and 5 for 11 follows no simple rule|is 2 for 5",
    ),
    "course": (lambda x: x.exp() if len(x) > 8 else x.sin(), "another course for another number of rows"),
}


@pytest.mark.parametrize("case", OBSTACLES)
def test_what_no_graph_can_say_is_named(case: str) -> None:
    function, message = OBSTACLES[case]
    with pytest.raises(ExportError, match=message):
        program(
            lambda inputs: function(inputs["x"]), lambda rows: {"x": torch.linspace(-1, 1, 3 * rows).reshape(rows, 3)}
        )


MATRIX = torch.tensor([[0.0, 2.0, 1.0], [1.0, -1.0, 0.5], [3.0, 0.1, -2.0]], dtype=torch.float64)

#: Where a simple way to write an operation would lose digits, overflow or turn signs.
OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softplus": functional.softplus,
    "logsigmoid": functional.logsigmoid,
    "logaddexp": lambda x: torch.logaddexp(x, -0.3 * x),
    "logsumexp": lambda x: 1 + torch.logsumexp(torch.stack([torch.where(x > 0, x, -torch.inf), x]), dim=0),
    "log1p": lambda x: torch.log1p(x.abs()),
    "expm1": lambda x: torch.expm1(-x.abs()),
    "elu": functional.elu,
    "silu": functional.silu,
    "remainder": lambda x: torch.remainder(x, 2.1) + torch.remainder(x, -0.7),
    "round": torch.round,
    "xlogy": lambda x: torch.special.xlogy(x.clamp(min=0), x.abs()),
    "pad": lambda x: functional.pad(x, (1, 2), value=3.0),
    "pow": lambda x: x.abs() ** 0.3,
    "single": lambda x: (x.float() * 0.1).double(),
    "searchsorted": lambda x: torch.searchsorted(torch.linspace(-3, 3, 7).double(), x, right=True).double(),
    "solve": lambda x: torch.linalg.solve(MATRIX + x[:, :, None] * x[:, None], x),
    "inverse": lambda x: torch.linalg.inv(MATRIX + x[:, :, None] * x[:, None]),
    "triangular": lambda x: torch.linalg.solve_triangular(MATRIX.tril() + torch.eye(3), x.T, upper=False).T,
    "determinant": lambda x: torch.stack(torch.linalg.slogdet(MATRIX + x[:, :, None] * x[:, None]), dim=1),
    "cumsum": lambda x: x.cumsum(dim=1),
    "index": lambda x: x[torch.arange(len(x)), (x[:, 0] > 0).long()],
    "index_copy": lambda x: x.index_copy(1, torch.tensor([2, 0]), 2 * x[:, 1:]),
    "einsum": lambda x: torch.einsum("ni,ij,nj->n", x, MATRIX, x),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_exact_for_every_number(name: str) -> None:
    operation = OPERATIONS[name]

    def numbers(rows: int) -> dict[str, Tensor]:
        values = torch.randn(rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(rows))
        if name not in ("solve", "inverse", "determinant", "einsum"):
            values[0] = torch.tensor([-800.0, 0.0, 800.0])
            values[1 % rows] = torch.tensor([1e-12, -1e-12, 2.5])
        return {"x": values}

    described: Any = SimpleGraph(lambda inputs: operation(inputs["x"]), numbers)
    content = exporter._written(described, {})
    graph = onnxruntime.InferenceSession(content)
    for rows in (1, 2, 7):
        x = numbers(rows)["x"]
        np.testing.assert_allclose(graph.run(None, {"x": x.numpy()})[0], operation(x).numpy(), rtol=1e-12, atol=1e-300)


class SimpleGraph:
    """A function of one tensor in the place of a graph."""

    name, output = "operation", "y"

    def __init__(self, function: Callable[[dict[str, Tensor]], Tensor], examples: Callable[[int], Any]) -> None:
        self.function, self.make = function, examples

    def __call__(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.function(inputs)

    def examples(self, rows: int, *, seed: int) -> dict[str, Tensor]:
        made: dict[str, Tensor] = self.make(rows)
        return made
