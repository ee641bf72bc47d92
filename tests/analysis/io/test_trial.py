"""Every expression tried alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.errors import TrialError
from analysis.io.trial import ROWS, compiled, try_expressions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    n = 2 * ROWS
    np.savez(tmp_path / "a.npz", m=np.full(n, 3e3), jet_pt=np.arange(n) + 900.0, event=np.arange(n), w=np.ones(n))
    return tmp_path / "a.npz"


def test_what_was_tried(path: Path) -> None:
    found = try_expressions(path, compiled("m", {"r": "jet_pt / m"}, selection="jet_pt < 950"), identifiers="event")
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
def test_what_fails_is_known_by_its_name(path: Path, argument: str, texts: dict[str, object]) -> None:
    with pytest.raises(TrialError) as caught:
        try_expressions(path, compiled(**texts), identifiers="event")  # type: ignore[arg-type]
    assert caught.value.argument == argument


def test_a_malformed_text_needs_no_file() -> None:
    with pytest.raises(TrialError) as caught:
        compiled("m", {"x": "(("})
    assert caught.value.argument == "features.x"


def test_files_without_entries_are_passed_over(path: Path) -> None:
    empty = path.with_name("0.npz")
    np.savez(empty, m=np.empty(0))
    assert try_expressions([empty, path], compiled("m"), identifiers="event").path == str(path)
    assert try_expressions([empty], compiled("m"), identifiers="event").rows == 0
