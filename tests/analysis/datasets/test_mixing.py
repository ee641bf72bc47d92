"""Signal hidden among background."""

from __future__ import annotations

import hashlib
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from analysis.datasets.dijet_ntuple import JET_FIELDS, dijet_ntuple
from analysis.datasets.mixing import checksums, counts, dijet_mass, draw, mixed
from analysis.errors import EmptySelectionError


def events(masses: list[float], *, signal: bool, start: int = 1) -> ak.Array:
    """Two back-to-back massless jets of half the mass each."""
    n = len(masses)
    pt = np.repeat(np.array(masses) / 2, 2).reshape(n, 2)
    fields = {name: np.zeros((n, 2)) for name in JET_FIELDS} | {"pt": pt, "phi": np.tile([0.0, np.pi], (n, 1))}
    jets = ak.zip({name: ak.Array(values.tolist()) for name, values in fields.items()})
    number = np.arange(start, start + n)
    rows = {"run": np.ones(n), "luminosityBlock": np.ones(n), "event": number, "isSignal": np.full(n, int(signal))}
    return ak.zip({**rows, "FatJet": jets}, depth_limit=1)


@pytest.fixture
def background(tmp_path: Path) -> Path:
    path = tmp_path / "background.root"
    with dijet_ntuple(path) as extend:
        extend(events([3000.0 + 10 * i for i in range(100)], signal=False))
    return path


def test_events_are_drawn_once_inside_of_the_range(background: Path) -> None:
    drawn = draw(background, 20, np.random.default_rng(1), masses=(3200.0, 3500.0))
    mass = dijet_mass(drawn)
    assert len(np.unique(mass)) == 20
    assert mass.min() > 3200
    assert mass.max() < 3500
    assert np.array_equal(mass, dijet_mass(draw(background, 20, np.random.default_rng(1), masses=(3200.0, 3500.0))))
    with pytest.raises(EmptySelectionError, match="only 29 of 100"):
        draw(background, 30, np.random.default_rng(1), masses=(3200.0, 3499.0))


def test_only_the_truth_tells_signal_from_background() -> None:
    rows = mixed([events([3400.0] * 1500, signal=False), events([3500.0] * 30, signal=True)], np.random.default_rng(0))
    assert ak.to_numpy(rows["event"]).tolist() == list(range(1, 1531))
    assert set(ak.to_numpy(rows["luminosityBlock"]).tolist()) == {1, 2}
    where = np.flatnonzero(ak.to_numpy(rows["isSignal"]))
    assert len(where) == 30
    assert where.max() - where.min() > 500
    found = counts(rows)
    assert (found["qcd_events_in_window"], found["signal_events_in_window"]) == (1500, 30)
    assert found["signal_over_sqrt_background_in_window"] == round(30 / 1500**0.5, 3)


def test_checksums_are_those_of_the_files(background: Path) -> None:
    assert checksums(background) == {"background.root": hashlib.sha256(background.read_bytes()).hexdigest()}
