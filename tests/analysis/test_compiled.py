"""Compiled loops do what Python does, NaN and infinities included."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import pytest

from analysis.compiled import compiled


def halves(values: Any) -> Any:
    out = np.empty_like(values)
    for i in range(len(values)):
        out[i] = 1.0 / values[i]
    return out


def test_division_by_zero_and_nan_are_those_of_numpy() -> None:
    found = compiled(halves)(np.array([2.0, 0.0, np.nan, np.inf]))
    assert found[0] == 0.5
    assert found[1] == math.inf
    assert math.isnan(found[2])
    assert found[3] == 0.0


def test_without_a_place_for_a_cache_it_compiles_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = numba.njit

    def nowhere(**options: Any) -> Any:
        if options.pop("cache", False):
            raise RuntimeError("no locator available")
        return plain(**options)

    monkeypatch.setattr(numba, "njit", nowhere)
    assert compiled(halves)(np.array([4.0]))[0] == 0.25
