"""`cathode evaluate` as it is called."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from cathode.cli.app import app


@pytest.fixture
def showers(tmp_path: Path) -> Path:
    energies = np.random.default_rng(1).exponential(20.0, (20, 368))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["incident_energies"], file["showers"] = energies.sum(axis=1, keepdims=True), energies
    return tmp_path / "a.h5"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.h5", "a.h5", "-d", "ds1-photons"], "none.h5"),
        (["a.h5", "a.h5", "-d", "ds1-photon"], "ds1-photons"),
        (["a.h5", "a.h5", "-d", "ds1-photons", "-o", "."], "a.h5"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    showers: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(showers.parent)
    done = CliRunner().invoke(app, ["evaluate", "showers", *arguments])
    assert done.exit_code != 0
    assert said in done.output + str(done.exception)
    assert [path.name for path in showers.parent.iterdir()] == ["a.h5"]
