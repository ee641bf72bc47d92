"""Edges of a window that move, one at a time."""

from __future__ import annotations

import pytest

from cathode.full_validation.morphing import moved_edges
from cathode.region import Region


def test_one_edge_moves_by_a_tenth_of_the_width() -> None:
    region = Region(3300, 3700, sideband_low=2300, veto=((2800, 2900),))
    found = moved_edges(region)
    assert found[""] == region
    assert len(found) == 5
    for name, moved in found.items():
        if name:
            apart = [moved.low - region.low, moved.high - region.high]
            assert sorted(map(abs, apart)) == pytest.approx([0.0, 40.0])
            assert (sum(apart) > 0) == name.endswith("up")
            assert (moved.sideband_low, moved.veto) == (region.sideband_low, region.veto)
