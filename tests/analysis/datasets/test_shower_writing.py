"""Showers written part by part are the showers that are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.datasets.calochallenge import read_calochallenge
from analysis.datasets.shower_writing import write_calochallenge
from analysis.errors import GeometryError, TooFewEventsError
from analysis.showers import Showers, geometry

GEOMETRY = geometry("ds1-photons")


def showers(n: int, seed: int) -> Showers:
    rng = np.random.default_rng(seed)
    incident = rng.uniform(1, 20, n)
    return Showers(incident, incident[:, None] * rng.dirichlet(np.ones(GEOMETRY.voxels), n))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    parts = [showers(n, n) for n in (5, 300, 1)]
    path = write_calochallenge(tmp_path / "showers.h5", iter(parts), GEOMETRY)
    found = read_calochallenge(path, GEOMETRY)
    assert found.incident == pytest.approx(np.concatenate([part.incident for part in parts]), rel=1e-6)
    assert found.energies == pytest.approx(np.concatenate([part.energies for part in parts]), rel=1e-6)


def test_nothing_is_left_of_what_can_not_be_written(tmp_path: Path) -> None:
    other = Showers(np.ones(3), np.ones((3, 7)))
    with pytest.raises(GeometryError, match="7 voxels"):
        write_calochallenge(tmp_path / "showers.h5", [showers(5, 1), other], GEOMETRY)
    with pytest.raises(TooFewEventsError, match="no shower"):
        write_calochallenge(tmp_path / "showers.h5", [], GEOMETRY)
    assert not list(tmp_path.iterdir())
