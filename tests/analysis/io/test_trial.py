"""Every expression tried alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.errors import TrialError
from analysis.expressions.column import Column
from analysis.io.numpy_files import NumpyTable
from analysis.io.reading_options import ReadingOptions
from analysis.io.trial import ROWS, Trial, try_expressions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    n = 2 * ROWS
    np.savez(tmp_path / "a.npz", m=np.full(n, 3e3), jet_pt=np.arange(n) + 900.0, event=np.arange(n), w=np.ones(n))
    return tmp_path / "a.npz"


def tried(files: Any, mass: str = "m", **options: Any) -> Trial:
    features = {"features": {}, **options}
    return try_expressions(ReadingOptions(files, mass=mass, identifiers="event", **features))


def test_what_was_tried(path: Path) -> None:
    found = tried(path, features={"r": "jet_pt / m"}, selection="jet_pt < 950")
    assert (found.rows, found.selected) == (ROWS, 50)
    assert found.units["m"] == ("GeV", 3e3)


@pytest.mark.parametrize(
    ("argument", "texts"),
    [
        ("mass", {"mass": "mm"}),
        ("features.r", {"mass": "m", "features": {"x": "jet_pt", "r": "jet_pt / nothing"}}),
        ("selection", {"mass": "m", "selection": "jet_pt + 3"}),
        ("weight", {"mass": "m", "weight": "v"}),
        ("truth", {"mass": "m", "truth": "jet_pt"}),
    ],
)
def test_what_fails_is_known_by_its_name(path: Path, argument: str, texts: dict[str, Any]) -> None:
    with pytest.raises(TrialError) as caught:
        tried(path, **texts)
    assert caught.value.argument == argument


def test_a_malformed_text_needs_no_file() -> None:
    with pytest.raises(TrialError) as caught:
        tried("nowhere.npz", features={"x": "(("})
    assert caught.value.argument == "features.x"


def test_files_without_entries_are_passed_over(path: Path) -> None:
    empty = path.with_name("0.npz")
    np.savez(empty, m=np.empty(0))
    assert tried([empty, path]).path == str(path)
    assert tried([empty]).rows == 0


def test_every_column_is_unpacked_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counting(self: NumpyTable, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        read.extend(names)
        return original(self, names, start, stop)

    original = NumpyTable.read
    monkeypatch.setattr(NumpyTable, "read", counting)
    assert tried(path, features={"r": "jet_pt / m", "s": "w * m"}, selection="jet_pt < 950", weight="w").rows == ROWS
    assert sorted(read) == ["event", "jet_pt", "m", "w"]
