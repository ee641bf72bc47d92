from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from cathode.errors import EmptyRegionError, RegionError
from cathode.region import Interval, Region


@pytest.fixture
def mass() -> np.ndarray:
    return np.random.default_rng(1).uniform(2000, 6000, 5000)


def test_the_line_is_partitioned_by_window_and_sidebands(mass: np.ndarray) -> None:
    mass = np.concatenate([mass, [3300.0, 3700.0, np.nextafter(3700.0, 0)]])
    region = Region(3300, 3700)
    covers = region.lower(mass).astype(int) + region.signal(mass) + region.upper(mass)
    assert np.all(covers == 1)
    assert np.array_equal(region.sideband(mass), ~region.signal(mass))


def test_adjacent_windows_neither_share_nor_lose_an_event(mass: np.ndarray) -> None:
    edges = np.arange(2000, 6001, 400.0)
    mass = np.concatenate([mass, edges[:-1]])
    counted = sum(Region(a, b).signal(mass).astype(int) for a, b in itertools.pairwise(edges))
    assert np.all(counted == 1)


def test_outer_edges_bound_the_sidebands(mass: np.ndarray) -> None:
    region = Region(3300, 3700, sideband_low=2500, sideband_high=5000)
    side = mass[region.sideband(mass)]
    assert side.min() >= 2500
    assert side.max() < 5000
    assert not np.any((side >= 3300) & (side < 3700))


def test_validation_regions_touch_the_window_and_stay_in_the_sidebands() -> None:
    region = Region(3300, 3700)
    below, above = region.validation_regions()
    assert (below, above) == (Interval(3100, 3300), Interval(3700, 3900))
    assert below.width == above.width == region.width / 2
    assert region.validation_regions(fraction=1.0)[0] == Interval(2900, 3300)
    assert region.validation_regions(width=50)[1] == Interval(3700, 3750)
    below, above = Region(3300, 3700, sideband_low=3250, sideband_high=3710).validation_regions()
    assert (below.low, above.high) == (3250, 3710)
    assert region.centre == 3500


@pytest.mark.parametrize(
    "edges",
    [
        (3700, 3300),
        (3300, 3300),
        (-1, 10),
        (math.nan, 3),
        (3300, math.inf),
        (3300, 3700, 3400),
        (3300, 3700, None, 3600),
        (3300, 3700, 3300),
    ],
)
def test_senseless_edges_are_refused(edges: tuple[float, ...]) -> None:
    with pytest.raises(RegionError):
        Region(*edges)


@pytest.mark.parametrize("interval", [{"fraction": 0.0}, {"width": -1.0}, {"width": math.nan}])
def test_senseless_validation_regions_are_refused(interval: dict[str, float]) -> None:
    with pytest.raises(RegionError):
        Region(3300, 3700).validation_regions(**interval)


@pytest.mark.parametrize(
    ("region", "where"),
    [
        (Region(7000, 8000), "signal window and the upper sideband"),
        (Region(100, 3000), "lower sideband"),
        (Region(3.3, 3.7), "lower sideband and the signal window"),
    ],
)
def test_an_empty_region_names_counts_window_and_masses(region: Region, where: str, mass: np.ndarray) -> None:
    with pytest.raises(EmptyRegionError, match=where) as caught:
        region.check(mass)
    message = str(caught.value)
    assert f"{region.low:g}–{region.high:g} GeV" in message
    assert f"of {len(mass)} events" in message
    assert f"{mass.min():.6g} to {mass.max():.6g} GeV" in message


def test_check_passes_where_there_are_events_and_refuses_none(mass: np.ndarray) -> None:
    Region(3300, 3700).check(mass)
    with pytest.raises(EmptyRegionError, match="No events at all"):
        Region(3300, 3700).check(np.empty(0))
