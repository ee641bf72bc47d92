"""Which windows hold no signal: beside the chosen one, as wide relative to their mass, none of its events in them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cathode.calibration.signal_free import signal_free_regions
from cathode.errors import CalibrationError
from cathode.region import Region

MASS = np.exp(np.linspace(np.log(2000), np.log(8000), 60_001))


def test_they_are_the_nearest_as_wide_and_leave_the_chosen_window_out() -> None:
    chosen = Region(3300, 3700, sideband_low=2100)
    found = signal_free_regions(chosen, MASS, windows=5)
    assert len(found) == 5
    assert [each.low for each in found] == sorted(each.low for each in found)
    for each in found:
        assert each.high / each.low == pytest.approx(3700 / 3300, rel=1e-3)
        assert each.sideband_low == 2100
        inside = chosen.signal(MASS)
        assert not (each.signal(MASS) | each.sideband(MASS))[inside].any()
    below, above = [e for e in found if e.high <= 3300], [e for e in found if e.low >= 3700]
    assert (len(below), len(above)) == (3, 2)
    half = math.sqrt(3700 / 3300)
    assert below[-1].high == pytest.approx(3300 / half, rel=1e-3)
    assert above[0].low == pytest.approx(3700 * half, rel=1e-3)
    # No two share an event.
    assert (np.sum([each.signal(MASS) for each in found], axis=0) <= 1).all()


def test_a_window_needs_events_in_it_and_beyond_it_and_no_veto() -> None:
    everywhere = signal_free_regions(Region(3300, 3700), MASS, windows=20)
    assert all(each.signal(MASS).sum() >= 500 for each in everywhere)
    assert everywhere[0].low > MASS[499]
    assert everywhere[-1].high <= MASS[-500]
    vetoed = signal_free_regions(Region(3300, 3700, veto=(2800, 2900)), MASS, windows=20)
    assert len(vetoed) == len(everywhere) - 1
    assert all((2800, 2900) in each.veto for each in vetoed)
    with pytest.raises(CalibrationError, match="no window of the same relative width with 500 events"):
        signal_free_regions(Region(3300, 3700, sideband_low=3200, sideband_high=3800), MASS, windows=6)


@pytest.mark.parametrize("sides", ["below", "above"])
def test_what_is_extrapolated_is_extrapolated_there_too(sides: str) -> None:
    chosen = Region(3300, 3700, sides=sides)  # type: ignore[arg-type]
    for each in signal_free_regions(chosen, MASS, windows=2):
        assert each.sides == sides
        assert not (each.signal(MASS) | each.sideband(MASS))[chosen.signal(MASS)].any()
        assert (each.high <= 3300) == (sides == "below")
