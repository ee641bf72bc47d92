"""Clouds of different lengths are learned without padding, as they would be with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.artifact import fingerprint
from generators.errors import NonFiniteInputError, ShapeError
from generators.ragged import Ragged
from generators.registry import create

SPECIFICATION: dict[str, Any] = {
    "kind": "epic_fm",
    "hidden": 8,
    "layers": 1,
    "latent": 4,
    "frequencies": 2,
    "sampling_steps": 2,
    "bijection": "standardise",
    "training": {"steps": 60, "batch_size": 64, "learning_rate": 4e-3, "ema_decay": None},
}


def showers(n: int, seed: int = 1) -> tuple[Any, Any]:
    """Points of (x, y, z, energy), as many as the incident energy says."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(1, 9, n)
    counts = 1 + rng.poisson(energy)
    c = np.stack([energy, counts], axis=1)
    points = counts.max()
    x = rng.standard_normal((n, points, 4))
    x[..., 3] = rng.exponential(1.0, (n, points)) + 0.01
    return np.where((np.arange(points) < counts[:, None])[..., None], x, 0.0), c


def test_slices_are_padded_events() -> None:
    x, c = showers(50)
    ragged = Ragged.of(x, size=3)
    assert ragged.shape == x.shape
    assert len(ragged.values) == (x[..., 3] > 0).sum()
    for rows in (slice(0, 50), slice(7, 20), slice(9, 9)):
        assert np.array_equal(ragged[rows], x[rows])
    assert fingerprint(ragged, c) == fingerprint(x, c)


def test_a_generator_of_clouds_learns_from_them(monkeypatch: pytest.MonkeyPatch) -> None:
    x, c = showers(400)
    monkeypatch.setattr("generators.sources.CHUNK_BYTES", 20_000)
    model = create({**SPECIFICATION, "size_column": 3, "multiplicity": 1}).fit(Ragged.of(x, size=3), c, seed=1)
    assert model.event_shape == x.shape[1:]
    drawn = model.sample(c, seed=2)
    energy = drawn[..., 3]
    assert (np.diff(energy, axis=1) <= 0).all()
    assert ((energy > 0) == (np.abs(drawn).sum(axis=2) > 0)).all()
    counts = (energy > 0).sum(axis=1)
    assert np.array_equal(counts, c[:, 1])
    once = model.log_prob(x[:30], c[:30])
    assert np.isfinite(once).all()
    assert once == pytest.approx(model.log_prob(Ragged.of(x[:30], size=3), c[:30]))


def test_they_have_the_preprocessing_of_padded_clouds() -> None:
    x, c = showers(200)
    short = {**SPECIFICATION, "size_column": 3, "multiplicity": 1, "training": {"steps": 1, "batch_size": 64}}
    one, other = (create(short).fit(each, c, seed=1).preprocessing() for each in (x, Ragged.of(x, size=3)))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize("offsets", [[0, 2], [1, 3], [0, 2, 1, 3], [0.0, 3.0], [[0, 3]], []])
def test_offsets_that_are_none_are_refused(offsets: Any) -> None:
    with pytest.raises(ShapeError, match=r"(?i)offsets"):
        Ragged(np.ones((3, 4)), np.asarray(offsets))


def test_energies_below_zero_are_named() -> None:
    x, c = showers(100)
    x[60, 0, 3] = -1
    ragged = Ragged(x.reshape(-1, 4), np.arange(101) * x.shape[1])
    with pytest.raises(NonFiniteInputError, match=r"1 constituents have negative pT \(first in row 60"):
        create({**SPECIFICATION, "size_column": 3, "multiplicity": 1}).fit(ragged, c, seed=1)
