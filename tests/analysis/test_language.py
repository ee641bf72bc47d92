"""The expression language against an evaluator of its own, event by event, through files, chunks and all types."""

from __future__ import annotations

import ast
import math
import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from numpy.typing import NDArray

from analysis import iterate_events, read_events
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import Column
from analysis.io import ntuples
from analysis.selection import Expression, compile_expression

from .event_by_event import NO_LIST, Reference
from .random_expressions import FLOAT, WHOLE, A, B, Maker

DTYPES = (*WHOLE, *FLOAT, "b")
EVENTS = 16
KINDS = {
    f"{prefix}{name}": "condition" if name == "b" else "whole" if name in WHOLE else "float"
    for prefix in ("", A, B)
    for name in DTYPES
}
Event = dict[str, Any]


def values_of(name: str, n: int, rng: np.random.Generator) -> NDArray[Any]:
    """Small numbers most of the time, and the ends of the type."""
    if name == "b":
        return rng.random(n) < 0.5
    if name in FLOAT:
        usual = rng.normal(0, 3, n).round(2)
        odd = rng.choice([0.0, -0.0, 0.5, 1e3, -1e3, np.nan, np.inf, -np.inf], n)
        return np.where(rng.random(n) < 0.75, usual, odd).astype(name)
    dtype = np.dtype(name)
    ends = np.iinfo(dtype)
    usual = rng.integers(-5 if dtype.kind == "i" else 0, 6, n).astype(dtype)
    edges = np.array([ends.min, ends.max, ends.max - 1, ends.max // 2], dtype=dtype)
    return np.where(rng.random(n) < 0.85, usual, rng.choice(edges, n))


def columns(rng: np.random.Generator) -> dict[str, Any]:
    made: dict[str, Any] = {name: values_of(name, EVENTS, rng) for name in DTYPES}
    for prefix in (A, B):
        counts = rng.integers(0, 4, EVENTS)
        for name in DTYPES:
            made[prefix + name] = ak.unflatten(values_of(name, int(counts.sum()), rng), counts)
    return made


def written_root(path: Path) -> list[Event]:
    made = columns(np.random.default_rng(1))
    types = {k: v.dtype if isinstance(v, np.ndarray) else f"var * {v.type.content.content}" for k, v in made.items()}
    with uproot.recreate(path) as file:
        tree = file.mktree("t", types)
        for start in range(0, EVENTS, 8):
            tree.extend({k: v[start : start + 8] for k, v in made.items()})
    rows = zip(*(v.tolist() for v in made.values()), strict=True)
    return [dict(zip(made, row, strict=True)) for row in rows]


def written_parquet(path: Path) -> list[Event]:
    """As in the ROOT file, with nulls in place of numbers, of elements and of whole lists."""
    rng = np.random.default_rng(2)
    made = columns(rng)
    lost = {prefix: rng.random(EVENTS) < 0.15 for prefix in (A, B)}
    table: dict[str, Any] = {}
    for name, array in made.items():
        element = pa.from_numpy_dtype(np.asarray(ak.flatten(array, axis=None)).dtype)
        if isinstance(array, np.ndarray):
            rows = [None if rng.random() < 0.15 else v for v in array.tolist()]
            table[name] = pa.array(rows, type=element)
        else:
            rows = [[None if rng.random() < 0.1 else v for v in row] for row in array.tolist()]
            rows = [None if gone else row for row, gone in zip(rows, lost[name[: len(A)]], strict=True)]
            table[name] = pa.array(rows, type=pa.list_(element))
    pq.write_table(pa.table(table), path, row_group_size=8)
    events = pa.table(table).to_pylist()
    return [{k: NO_LIST if v is None and "_" in k else v for k, v in event.items()} for event in events]


@dataclass
class Recorder:
    """Stands for the features of a request and keeps what the expressions give in every chunk."""

    expressions: list[Expression]
    chunks: list[int] = field(default_factory=list)
    results: dict[str, list[Any]] = field(default_factory=dict)
    columns: tuple[str, ...] = ("x",)
    shape: tuple[int, ...] = (1,)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        yield from KINDS

    def positions(self, available: Collection[str]) -> Collection[str]:
        return ()

    def values(self, chunk: Chunk, passing: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        self.chunks.append(chunk.entries)
        for name in KINDS:
            chunk.column(name).values.flags.writeable = False
        for expression in self.expressions:
            self.results.setdefault(expression.text, []).extend(rows_of(expression.evaluate(chunk)))
        return np.zeros((chunk.entries, 1), dtype=np.float32)


def rows_of(column: Column) -> list[Any]:
    flat = column.values.tolist()
    if column.missing is not None:
        flat = [None if m else v for v, m in zip(flat, column.missing.tolist(), strict=True)]
    if column.offsets is None:
        return flat
    rows: list[Any] = [flat[a:b] for a, b in zip(column.offsets[:-1], column.offsets[1:], strict=True)]
    if column.unlisted is not None:
        rows = [NO_LIST if gone else row for row, gone in zip(rows, column.unlisted.tolist(), strict=True)]
    return rows


def same(ours: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return isinstance(ours, list) and len(ours) == len(expected) and all(map(same, ours, expected))
    if expected is None or expected is NO_LIST or isinstance(expected, bool):
        return ours is expected
    if isinstance(ours, bool) or not isinstance(ours, int | float):
        return False
    if isinstance(ours, int) and isinstance(expected, int):
        return ours == expected
    try:
        expected = float(expected)
    except OverflowError:
        expected = math.copysign(math.inf, expected)
    return (math.isnan(ours) and math.isnan(expected)) or math.isclose(ours, expected, rel_tol=1e-9)


def factors(node: ast.AST) -> int:
    """How many branches and numbers a part multiplies at most."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return factors(node.left) * max(1, int(ast.literal_eval(node.right)))
    if isinstance(node, ast.Name | ast.Constant):
        return 1
    return sum(map(factors, ast.iter_child_nodes(node)))


def texts(n: int, seed: int) -> list[str]:
    maker = Maker(random.Random(seed))
    found: dict[str, None] = {}
    while len(found) < n:
        text = maker.expression()
        if len(text) < 400 and factors(ast.parse(text, mode="eval").body) <= 64 and any(name in text for name in KINDS):
            found[text] = None
    return list(found)


def recorded(path: Path, written: list[str], memory: str) -> Recorder:
    """What the expressions give where a file is read under that ceiling."""
    recorder = Recorder([compile_expression(text) for text in written])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ntuples, "content_of", lambda reading: recorder)
        for _ in iterate_events(path, mass="1", identifiers="entry", memory=memory):
            pass
    return recorder


@pytest.mark.parametrize(
    ("suffix", "write", "seed"),
    [(".root", written_root, 11), (".parquet", written_parquet, 12)],
    ids=["root", "parquet"],
)
def test_every_event_has_the_value_that_python_gives_it(tmp_path: Path, suffix: str, write: Any, seed: int) -> None:
    events = write(tmp_path / f"a{suffix}")
    written = texts(1700, seed)
    recorder = recorded(tmp_path / f"a{suffix}", written, "12 kB")
    assert len(recorder.chunks) > 2
    reference, nudged = Reference(KINDS), Reference(KINDS, nudge=1e-11)
    wrong, fragile = [], 0
    for text in written:
        tree = ast.parse(text, mode="eval").body
        for i, (event, ours) in enumerate(zip(events, recorder.results[text], strict=True)):
            expected = reference(tree, event)
            if not same(ours, expected):
                if not same(nudged(tree, event), expected):
                    fragile += 1
                else:
                    wrong.append((text, i, ours, expected))
    assert not wrong, f"{len(wrong)} differ, the shortest: {min(wrong, key=lambda w: len(w[0]))}"
    assert fragile < 20


@pytest.mark.parametrize(("suffix", "write"), [(".root", written_root), (".parquet", written_parquet)])
def test_no_value_depends_on_the_chunk(tmp_path: Path, suffix: str, write: Any) -> None:
    """To the last bit, and in kind."""
    write(tmp_path / f"a{suffix}")
    written = texts(200, 13)
    whole, parts = (recorded(tmp_path / f"a{suffix}", written, memory) for memory in ("1 GB", "1 B"))
    assert len(whole.chunks) < 3
    assert parts.chunks == [1] * EVENTS
    for text in written:
        for one, other in zip(whole.results[text], parts.results[text], strict=True):
            assert repr(as_floats(one)) == repr(as_floats(other)), text


def as_floats(value: Any) -> Any:
    """Whole numbers as they reach features: whether 64 bits were enough is nobody's business."""
    if isinstance(value, list):
        return [as_floats(each) for each in value]
    return float(value) if type(value) is int else value


def test_selections_take_the_events_that_pass(tmp_path: Path) -> None:
    """Through `read_events`, by the numbers of the events."""
    events = written_root(tmp_path / "a.root")
    reference = Reference(KINDS)
    checked = 0
    for text in texts(400, 14):
        tree = ast.parse(text, mode="eval").body
        if reference.kind(tree) != "condition" or isinstance(reference(tree, events[0]), list):
            continue
        passing = [i for i, event in enumerate(events) if reference(tree, event)]
        if passing:
            read = read_events(tmp_path / "a.root", mass="1", features={"x": "1"}, selection=text, identifiers="entry")
            assert read.entry.tolist() == passing, text
            checked += 1
    assert checked > 40


@pytest.mark.parametrize(
    ("text", "right"),
    [("sum(x > 1)", [0, 0]), ("sum(x > 1) & 1", [0, 0]), ("~sum(x > 1)", [-1, -1]), ("-sum(x > 1) - 1", [-1, -1])],
)
def test_a_chunk_of_empty_lists_has_numbers_of_the_same_kind(text: str, right: list[int]) -> None:
    empty, full = (ak.values_astype(ak.Array(lists), float) for lists in ([[], []], [[0.5, 2.0], []]))
    assert compile_expression(text).evaluate({"x": empty}).values.tolist() == right
    value = compile_expression(text).evaluate({"x": full}).values
    assert value.dtype == compile_expression(text).evaluate({"x": empty}).values.dtype == np.int64
    assert value[1] == right[1]
