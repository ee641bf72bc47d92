"""Cosines of the time, which tell all times apart."""

from __future__ import annotations

import math

import torch

from generators.networks.time_features import CosineFeatures


def test_they_are_cosines_of_quarter_turns() -> None:
    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    expected = [[math.cos(0.5 * math.pi * k * u) for k in (1, 2, 3)] for u in t.tolist()]
    torch.testing.assert_close(CosineFeatures(3)(t), torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    assert CosineFeatures(3)(torch.tensor(0.5)).shape == (3,)


def test_no_two_times_look_alike() -> None:
    first = CosineFeatures(1)(torch.linspace(0, 1, 1001, dtype=torch.float64))[:, 0]
    assert (first.diff() < 0).all()
