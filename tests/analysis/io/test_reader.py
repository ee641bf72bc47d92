"""Ranges of one file as events."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.errors import AnalysisError, ExpressionError, MissingValueError
from analysis.io.contents import Features
from analysis.io.opening import open_table
from analysis.io.reader import FileReader, Request
from analysis.io.units import Units
from analysis.selection import compile_expression

N = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "a.npz",
        m=rng.uniform(2000, 4000, N),
        pt=rng.uniform(900, 1500, N),
        event=np.arange(N) + 5,
        signal=np.arange(N) % 4 == 0,
        two=np.full(N, 2),
    )
    return tmp_path / "a.npz"


def reader(path: Path, *, memory: int = 10**7, **changes: str | None) -> FileReader:
    texts: dict[str, str | None] = {"mass": "m", "selection": "pt > 1000", "weight": None, "truth": "signal"} | changes
    expressions: dict[str, Any] = {k: None if t is None else compile_expression(t) for k, t in texts.items()}
    request = Request(
        **expressions,
        content=Features({"x": compile_expression("pt / m")}),
        identifiers=("event",),
        tree=None,
        layout="auto",
        units=Units.of("GeV"),
        memory=memory,
        checksums=False,
    )
    return FileReader(open_table(str(path), None, cache_bytes=0), request, "")


def test_selected_events_with_their_numbers(path: Path) -> None:
    raw = np.load(path)
    events = reader(path, weight="2 * two").events(10, 30)
    keep = np.flatnonzero(raw["pt"][10:30] > 1000) + 10
    assert 5 < len(keep) < 20
    np.testing.assert_array_equal(events.mass, raw["m"][keep])
    np.testing.assert_allclose(events.x[:, 0], (raw["pt"] / raw["m"])[keep], rtol=1e-6)
    np.testing.assert_array_equal(events.ids[:, 2], raw["event"][keep])
    np.testing.assert_array_equal(events.truth, raw["signal"][keep])
    assert (events.weights == 4).all()


def test_ranges_cover_the_file_once(path: Path) -> None:
    ranges = reader(path).ranges()
    assert ranges[0][0] == 0
    assert ranges[-1][1] == N
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))


def test_a_truth_that_is_none_and_a_branch_that_is_not_there(path: Path) -> None:
    with pytest.raises(ExpressionError, match="neither 0 nor 1"):
        reader(path, truth="two").events(0, N)
    with pytest.raises(AnalysisError, match=r"a\.npz.*nothing"):
        reader(path, selection="nothing > 0")
    assert issubclass(MissingValueError, AnalysisError)
