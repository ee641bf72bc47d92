"""Fitted generators as ONNX files, which onnxruntime evaluates in Python, C++ and other languages without torch.

A file holds everything, weights and preprocessing; nothing lies beside it. It takes and gives double precision, in user
units and for any number of rows. `generators.export.graphs` names the inputs and outputs.
"""

from __future__ import annotations

import importlib.util
import json
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from generators.artifact import weights_hash
from generators.atomic import write_bytes
from generators.errors import ExportError, MissingExtraError, NotFittedError
from generators.export.graphs import Graph, LogProb, Sampler
from generators.export.operations.table import write_program
from generators.export.tape import Value, program
from generators.export.writer import ELEMENT_TYPES, OPSET
from generators.tabular.base import FeatureDensity, TabularGenerator

#: How far onnxruntime may be from torch, relative to a number and to the spread of its column.
TOLERANCE = 1e-5

#: Rows that are compared before a file is written, and how many of them may differ: at a step, such as that of a
#: discrete column, the last digit decides.
_COMPARED, _AT_A_STEP = 200, 2

#: That of the opset, because runtimes refuse files of a newer one.
_IR_VERSION = 8


def export_sampler(generator: TabularGenerator[Any], path: str | os.PathLike[str]) -> Path:
    """Write the sampler of a fitted generator to an ONNX file and return its path.

    The inputs are `context` (N, C), `noise` (N, …) of standard normal numbers, and with several kept states `choice`
    (N,) of uniform numbers in [0, 1); the output is `x` (N, D). See `generators.export.graphs.Sampler`.

    Raises
    ------
    ExportError
        If no graph can say what the generator does, or onnxruntime does not agree with torch. No file is left behind.
    NotFittedError, MissingExtraError
        If there is nothing to export, or onnx or onnxruntime are not installed.
    """
    return _export(generator, Sampler, path)


def export_log_prob(generator: FeatureDensity, path: str | os.PathLike[str]) -> Path:
    """Write the log-density of a fitted density to an ONNX file and return its path.

    The inputs are `context` (N, C) and `x` (N, D), the output is `log_prob` (N,). Raises what `export_sampler` raises.
    """
    return _export(generator, LogProb, path)


def _export(generator: Any, form: type[Any], path: str | os.PathLike[str]) -> Path:
    needed, what = (FeatureDensity, "density") if form is LogProb else (TabularGenerator, "generator")
    kind = getattr(generator, "kind", type(generator).__name__)
    if not isinstance(generator, needed):
        parts = " or ".join(f"part({name!r})" for name in getattr(generator, "parts", ()))
        instead = f" Export its {parts}." if parts else ""
        raise ExportError(
            f"'{kind}' is no {what} of feature vectors ({needed.__name__}), so its {form.name} can not be exported."
            f"{instead}"
        )
    if not hasattr(generator, "networks_"):
        raise NotFittedError(f"This '{kind}' has not been fitted; call fit or load a saved one.")
    _require_extra()
    with torch.no_grad():
        graph: Graph = form(generator)
        # Once, so that what is made at the first use is made before it is recorded.
        graph(graph.examples(2, seed=0))
        try:
            content = _written(graph, _description(generator, graph))
        except ExportError as error:
            raise ExportError(
                f"The {graph.name} of this '{kind}' can not be written as a graph: {error}. Use it in Python, or use "
                "another generator."
            ) from error
        _compare(graph, content, kind)
    write_bytes(Path(path), content)
    return Path(path)


def _written(graph: Graph, description: dict[str, str]) -> bytes:
    """The content of the ONNX file of a graph."""
    import onnx
    from onnx import helper, numpy_helper

    steps = program(graph, lambda rows: graph.examples(rows, seed=rows))
    writer, result = write_program(steps)
    writer.nodes.append(helper.make_node("Identity", [result], [graph.output]))
    inputs = [_declared(name, steps.values[index]) for index, name in enumerate(steps.inputs)]
    output = _declared(graph.output, steps.values[steps.output])
    used = {name for node in writer.nodes for name in node.input}
    constants = [numpy_helper.from_array(array, name) for name, array in writer.constants.items() if name in used]
    file = helper.make_model(
        helper.make_graph(writer.nodes, graph.name, inputs, [output], constants),
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="cathode-hep",
        producer_version=metadata.version("cathode-hep"),
    )
    helper.set_model_props(file, {**description, "opset": str(OPSET)})
    onnx.checker.check_model(file, full_check=True)
    content: bytes = file.SerializeToString(deterministic=True)
    return content


def _declared(name: str, value: Value) -> Any:
    from onnx import helper

    sizes = [size for size in value.shape[1:] if isinstance(size, int)]
    return helper.make_tensor_value_info(name, ELEMENT_TYPES[value.dtype], ["events", *sizes])


def _compare(graph: Graph, content: bytes, kind: str) -> None:
    """Refuse a file for which onnxruntime does not find what torch finds."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    inputs = graph.examples(_COMPARED, seed=1)
    expected = graph(inputs).numpy()
    # One row by itself as well: a size of one can be special.
    parts = [{name: value[rows].numpy() for name, value in inputs.items()} for rows in (slice(1), slice(1, None))]
    got = np.concatenate([session.run(None, part)[0] for part in parts])
    spread = np.where(np.isfinite(expected), expected, 0.0).std(axis=0)
    close = np.isclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE * spread, equal_nan=True)
    wrong = ~close.reshape(_COMPARED, -1).all(axis=1)
    if wrong.sum() > _AT_A_STEP:
        row = int(wrong.argmax())
        raise ExportError(
            f"onnxruntime and torch differ on the {graph.name} of this '{kind}' in {int(wrong.sum())} of {_COMPARED} "
            f"rows: {got[row]} is {expected[row]} in torch. Nothing was written; use the generator in Python."
        )


def _description(generator: TabularGenerator[Any], graph: Graph) -> dict[str, str]:
    """What a file says of itself, as text."""
    return {
        "function": graph.name,
        "kind": generator.kind,
        "columns": json.dumps(list(getattr(generator, "columns_", ()))),
        "units": json.dumps(list(getattr(generator, "units_", ()))),
        "states": str(len(generator.networks_)),
        "weights_hash": weights_hash(generator),
        "data_hash": str(getattr(generator, "data_hash_", "")),
        "package": f"cathode-hep {metadata.version('cathode-hep')}",
    }


def _require_extra() -> None:
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"ONNX files need {package}, which is not installed: pip install 'cathode-hep[onnx]'."
            )
