"""Ceilings of memory: refused where a unit was forgotten, everywhere that takes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis import iterate_events, read_events
from analysis.datasets.jetclass import iterate_jetclass
from analysis.errors import AnalysisError
from analysis.io.chunks import parse_memory

pytestmark = pytest.mark.usefixtures("real_ceilings")


@pytest.mark.parametrize(
    ("memory", "size"),
    [
        ("200 MB", 200_000_000),
        ("1MB", 10**6),
        (10**6, 10**6),
        ("1.5 GB", 1_500_000_000),
        ("2 mib", 2**21),
        ("1e3 kB", 10**6),
        ("20 kB", 20_000),  # small, but nobody forgot a unit
    ],
)
def test_a_size(memory: Any, size: int) -> None:
    assert parse_memory(memory) == size


@pytest.mark.parametrize("memory", ["200", 200, "0", 0, "9 kB", 999_999, "200 B", 2.5, "1e400 GB", 1e300 * 1e300])
def test_what_is_too_little_or_without_end_is_refused(memory: Any) -> None:
    with pytest.raises(AnalysisError, match=r"memory=.*(at least 1 MB|not a size).*'200 MB'"):
        parse_memory(memory)


@pytest.mark.parametrize(
    "memory", ["", "MB", "-5 MB", "a lot", "1..2 MB", ".", "5 XB", None, True, [], "nan", "1e99999 MB"]
)
def test_what_is_no_size_is_refused(memory: Any) -> None:
    with pytest.raises(AnalysisError, match="is not a size; write for example '200 MB'"):
        parse_memory(memory)


@pytest.mark.parametrize("read", [read_events, iterate_events, iterate_jetclass])
def test_every_reader_refuses_before_it_looks_for_files(read: Callable[..., Any], tmp_path: Path) -> None:
    arguments = {} if read is iterate_jetclass else {"mass": "m", "features": {"x": "x"}}
    with pytest.raises(AnalysisError, match="memory='200' is 200 bytes"):
        list(read(tmp_path / "nothing.root", memory="200", **arguments))
