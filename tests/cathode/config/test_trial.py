"""An analysis file tried on its data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cathode.config import load_config
from cathode.config.trial import try_data
from cathode.errors import ConfigError

TEXT = """\
data:
  files: a.npz
  mass: m
  identifiers: event
  features:
    one: x / m
    two: {two}
region:
  signal: [3300, 3700]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / "a.npz", m=np.full(20, 3e3), x=np.arange(20.0), event=np.arange(20))
    return tmp_path


def written(folder: Path, two: str) -> Path:
    path = folder / "analysis.yaml"
    path.write_text(TEXT.format(two=two))
    return path


def test_what_was_tried_is_said(folder: Path) -> None:
    path = written(folder, "2 * x")
    tried = try_data(load_config(path), path)
    assert "first 20 entries" in tried.sentence
    assert tried.units["m"] == ("GeV", 3e3)


def test_an_expression_that_fails_is_named_with_its_line(folder: Path) -> None:
    path = written(folder, "2 * y")
    with pytest.raises(ConfigError, match=r"analysis\.yaml.*7.*data\.features\.two.*'y'"):
        try_data(load_config(path), path)


def test_without_data_it_says_so(folder: Path) -> None:
    path = written(folder, "2 * x")
    (folder / "a.npz").unlink()
    assert "not tried on data" in try_data(load_config(path), path).sentence
