"""A function of torch as a graph of ONNX that onnxruntime evaluates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from generators.export.operations.table import write_program
from generators.export.tape import program
from generators.export.writer import OPSET


def agrees(function: Callable[[Tensor], Tensor], columns: int = 3, *, rtol: float = 1e-12) -> None:
    """Compare both for several numbers of rows of normal numbers."""

    def numbers(rows: int) -> dict[str, Tensor]:
        return {"x": torch.randn(rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(rows))}

    w, output = write_program(program(lambda inputs: function(inputs["x"]), numbers))
    double = onnx.TensorProto.DOUBLE
    graph = helper.make_graph(
        w.nodes,
        "operation",
        [helper.make_tensor_value_info("x", double, ["N", columns])],
        [helper.make_tensor_value_info(output, double, None)],
        initializer=[numpy_helper.from_array(value, name) for name, value in w.constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    session: Any = onnxruntime.InferenceSession(model.SerializeToString())
    for rows in (1, 2, 6):
        x = numbers(rows)["x"]
        expected = function(x).numpy()
        found = session.run(None, {"x": x.numpy()})[0]
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-300)
