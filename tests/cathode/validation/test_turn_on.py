"""Windows near the turn-on of a spectrum get no significance; falling spectra keep theirs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.events import FloatArray
from cathode.region import Region
from cathode.result import SearchResult
from cathode.validation.turn_on import turn_on, withheld
from cathode.validation.warnings import warnings_of


def turned_on(events: int, seed: int) -> FloatArray:
    """Dijet-like masses, GeV: a power law of the transverse momentum above a threshold, and an angle."""
    rng = np.random.default_rng(seed)
    pt = 1_200 * rng.random(events) ** (-1 / 6)
    # Back to back at a difference of rapidities that Rutherford scattering makes about flat up to some value.
    return np.asarray(2 * pt * np.cosh(rng.uniform(0, 0.5, events)) * rng.normal(1, 0.03, events))


def falling(events: int, seed: int) -> FloatArray:
    return np.asarray(2_300 * np.random.default_rng(seed).random(events) ** (-1 / 4))


@pytest.mark.parametrize("window", [(2_450, 2_600), (2_500, 2_800), (2_550, 2_750)])
def test_near_the_turn_on(window: tuple[float, float]) -> None:
    found = turn_on(turned_on(100_000, seed=1), Region(*window))
    assert found is not None
    assert found.z > 5
    # The threshold is at 2.4 TeV; what the window hides is not looked at.
    assert 2_350 < found.peak < 2_900
    assert turn_on(turned_on(100_000, seed=1), Region(found.over, found.over + 300)) is None


@pytest.mark.parametrize("window", [(3_300, 3_700), (4_500, 5_000)])
def test_not_above_it(window: tuple[float, float]) -> None:
    assert turn_on(turned_on(100_000, seed=2), Region(*window)) is None


def test_falling_spectra_raise_no_alarm() -> None:
    region = Region(3_300, 3_700, sideband_low=2_300)
    assert sum(turn_on(falling(5_000, seed), region) is not None for seed in range(200)) == 0


def test_a_resonance_is_no_turn_on() -> None:
    """A tenth of it lies next to the window."""
    mass = np.concatenate([falling(50_000, seed=3), np.random.default_rng(4).normal(3_500, 120, 3_000)])
    assert turn_on(mass, Region(3_300, 3_700)) is None


def test_vetoes_and_one_side_are_no_rise() -> None:
    mass = falling(20_000, seed=5)
    region = Region(3_300, 3_700, veto=((2_800, 3_000),))
    assert turn_on(mass, region) is None
    assert turn_on(mass, Region(3_300, 3_700, sides="above")) is None


def test_withheld_result_has_counts_and_no_p_value(result: SearchResult) -> None:
    found = withheld(result, "why")
    for before, after in zip(result.cuts, found.cuts, strict=True):
        assert (after.observed, after.expected) == (before.observed, before.expected)
        assert all(math.isnan(value) for value in (after.p_value, after.p_value_exact, after.significance))
    assert not found.validated
    assert "why" in warnings_of(found)[0]
    assert "σ" not in str(found)
    back = SearchResult.from_json(found.to_json())
    assert back.withheld == "why"
    assert math.isnan(back.primary.significance)
