"""Counted over predicted in validation regions: which shifts are too large."""

from __future__ import annotations

import pytest
from scipy import stats

from cathode.result import RegionShift
from cathode.validation.region_shifts import decide


def shifted(by: float) -> RegionShift:
    return RegionShift(background_efficiency=0.1, low=1, high=2, counted=9, expected=9, shift=by, error=0.1)


def test_a_shift_of_exactly_nothing_passes() -> None:
    decided = decide(shifted(0.0), common=0.0, tests=8)
    assert (decided.p_value, decided.passed) == (1.0, True)


def test_the_p_value_is_that_of_the_largest_of_several() -> None:
    decided = decide(shifted(0.4), common=0.1, tests=8)
    assert decided.p_value == pytest.approx(1 - (1 - 2 * stats.norm.sf(3)) ** 8)
