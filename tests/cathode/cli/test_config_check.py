"""`cathode config check` tries every expression on the first entries of the data and names the key that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml
from typer.testing import CliRunner

from cathode.cli.app import app

GOOD: dict[str, Any] = {
    "files": "a.root",
    "selection": "num(Jet) >= 2 and Jet_pt[0] > 20 and HLT",
    "mass": "m",
    "features": {"lead": "Jet_pt[0]", "ratio": "Jet_pt[1] / Jet_pt[0]"},
    "weight": "w",
    "truth": "isSignal == 1",
    "identifiers": ["run", "event"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    n = 300
    counts = rng.integers(0, 4, n)
    columns = {
        "Jet_pt": ak.unflatten(rng.uniform(10, 90, counts.sum()), counts),
        "HLT": rng.random(n) < 0.9,
        "m": rng.uniform(2000, 5000, n),
        "w": np.ones(n),
        "label": rng.integers(0, 3, n),
        "isSignal": rng.integers(0, 2, n),
        "run": np.full(n, 3),
        "event": np.arange(n),
        "noise": rng.normal(size=n),
    }
    types = {k: v.dtype if isinstance(v, np.ndarray) else "var * float64" for k, v in columns.items()}
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("t", types).extend(columns)
    return tmp_path


def check(folder: Path, *arguments: str, **changes: Any) -> tuple[int, str]:
    document = {"data": GOOD | changes, "region": {"signal": [3300, 3700]}}
    path = folder / "a.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    done = CliRunner().invoke(app, ["config", "check", str(path), *arguments])
    return done.exit_code, " ".join(done.output.split())


def test_a_file_in_order_says_on_what_it_was_tried(folder: Path) -> None:
    status, said = check(folder)
    assert status == 0, said
    assert "is in order. Every expression has a value in the first 100 entries" in said


@pytest.mark.parametrize(
    ("changes", "key", "hint"),
    [
        ({"selection": "num(Jet) >= 2 and Jet_ptt[0] > 20"}, "data.selection", "Nearest: 'Jet_pt'"),
        ({"selection": "Jet_pt > 20"}, "data.selection", "a list per event"),
        ({"selection": "label"}, "data.selection", "compare it"),
        ({"selection": "num(Jet) >= 2 and"}, "data.selection", "is not an expression"),
        ({"mass": "Jet_pt[3]"}, "data.mass", "selected events"),
        ({"mass": "mm"}, "data.mass", "Nearest"),
        ({"features": {"lead": "Jet_pt[0]", "odd": "Jet_pt[0"}}, "data.features.odd", "is not an expression"),
        ({"features": {"lead": "Jet_pt[0]", "third": "Jet_pt[2]"}}, "data.features.third", r"default(Jet_pt[2], -1)"),
        ({"features": {"bits": "m & 2"}}, "data.features.bits", "bits of whole numbers"),
        ({"features": {"log": "log(0 * m)"}}, "data.features.log", "NaN or infinite"),
        ({"weight": "ww"}, "data.weight", "Nearest"),
        ({"truth": "label"}, "data.truth", "neither 0 nor 1"),
        ({"identifiers": ["run", "evnt"]}, "data.identifiers", "event"),
        ({"identifiers": ["noise"]}, "data.identifiers", "noise"),
        ({"tree": "other"}, "data.files", "no tree 'other'"),
    ],
)
def test_the_key_that_fails_is_named(folder: Path, changes: dict[str, Any], key: str, hint: str) -> None:
    status, said = check(folder, **changes)
    assert status == 1, said
    assert f"{key}: " in said
    assert hint in said
    assert "Traceback" not in said


def test_the_line_and_the_override_are_named(folder: Path) -> None:
    status, said = check(folder, mass="nothing")
    assert status == 1
    assert "a.yaml, line 4: data.mass:" in said
    status, said = check(folder, "--set", "data.mass=nothing")
    assert status == 1
    assert "--set: data.mass:" in said


def test_without_data_the_expressions_are_parsed(folder: Path) -> None:
    status, said = check(folder, files="elsewhere/*.root")
    assert status == 0
    assert "not tried on data" in said
    status, said = check(folder, files="elsewhere/*.root", weight="1 +")
    assert status == 1
    assert "data.weight" in said


def test_too_little_memory_is_an_error_of_its_key(folder: Path) -> None:
    status, said = check(folder, memory="200")
    assert status == 1
    assert "data.memory" in said
    assert "at least 1 MB" in said
