"""Where the template is tested in the sidebands, and what counted and predicted events there say together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis.events import Events
from cathode.methods.protocol import Reference
from cathode.region import Interval, Region
from cathode.result import RegionShift
from cathode.validation.region_shifts import ENOUGH, decide, region_shifts
from cathode.validation.regions import LEAST, spread_regions
from cathode.validation.trial import Trial

REGION = Region(3300, 3700, sideband_low=2300)
MASSES = 2300 + 700 * np.random.default_rng(1).exponential(size=100_000)


class TestStrips:
    def test_lie_in_the_sidebands_and_do_not_touch(self) -> None:
        regions = spread_regions(REGION, MASSES, fraction=0.5)
        assert len(regions) > 4
        assert all(interval.low >= 2300 and (interval.high <= 3300 or interval.low >= 3700) for interval in regions)
        for one, other in itertools.pairwise(regions):
            gap = (one.high + 1e-6, other.low - 1e-6)
            assert ((gap[0] < MASSES) & (gap[1] > MASSES)).sum() > LEAST / 2

    def test_the_first_touch_the_window_and_the_rest_are_as_wide_relatively(self) -> None:
        regions = spread_regions(REGION, MASSES, fraction=0.5)
        below, above = ([s for s in regions if s.high <= 3300], [s for s in regions if s.low >= 3700])
        assert (below[-1].low, below[-1].high, above[0].low, above[0].high) == (3100, 3300, 3700, 3900)
        for side in (below, above):
            assert np.ptp([s.high / s.low for s in side]) < 2e-3

    def test_events_lie_in_every_region_and_beyond_the_last(self) -> None:
        regions = spread_regions(REGION, MASSES, fraction=0.5)
        assert all(interval(MASSES).sum() >= LEAST for interval in regions)
        assert (regions[-1].high <= MASSES).sum() >= LEAST
        assert (regions[0].low > MASSES).sum() >= LEAST

    def test_fewer_events_are_enough_where_it_is_asked(self) -> None:
        few = MASSES[:: len(MASSES) // 3000]
        regions = spread_regions(REGION, few, fraction=0.5, least=50)
        assert len(regions) > len(spread_regions(REGION, few, fraction=0.5))
        assert all(interval(few).sum() >= 50 for interval in regions[1:-1])
        assert (regions[0].low > few).sum() >= 50

    def test_several_generators_leave_nothing_out_between(self) -> None:
        regions = spread_regions(REGION, np.tile(MASSES, 3), fraction=0.5, generators=3)
        below, above = ([s for s in regions if s.high <= 3300], [s for s in regions if s.low >= 3700])
        assert len(regions) > 1.5 * len(spread_regions(REGION, np.tile(MASSES, 3), fraction=0.5))
        for side in (below, above):
            assert all(one.high == other.low for one, other in itertools.pairwise(side))

    def test_none_lies_where_the_spectrum_turns_on(self) -> None:
        rng = np.random.default_rng(2)
        slow = MASSES[rng.random(len(MASSES)) < 1 / (1 + np.exp(-(MASSES - 2_500) / 40))]
        regions = spread_regions(REGION, slow, fraction=0.5)
        assert regions[0].low > 2_700
        # The two beside the window stay, whatever the spectrum does: nothing else is as near.
        assert set(REGION.validation_regions(fraction=0.5)) <= set(regions)

    def test_few_events_leave_the_two_beside_the_window(self) -> None:
        assert spread_regions(REGION, MASSES[:500], fraction=0.5) == REGION.validation_regions(fraction=0.5)

    def test_window_decides_nothing(self) -> None:
        outside = MASSES[~REGION.signal(MASSES)]
        planted = np.concatenate([outside, np.full(10**6, 3500.0)])
        assert spread_regions(REGION, planted, fraction=0.5) == spread_regions(REGION, MASSES, fraction=0.5)


LOW, HIGH = Interval(1000, 1100), Interval(2000, 2100)


def trial(seed: int, *, sizes: tuple[int, int] = (4000, 4000), bias: float = 0.0, pool: int | None = None) -> Trial:
    """Uniform scores in both regions; the data pass more often by `bias`; with `pool`, the reference are copies."""
    rng = np.random.default_rng(seed)
    mass = np.concatenate([np.full(size, low) for size, low in zip(sizes, (1050.0, 2050.0), strict=True)])
    number = len(mass)
    scores = rng.random(number)
    scores[: int(bias * 0.1 * number)] = 0.99
    data = Events(np.zeros((number, 1), np.float32), mass, ("x",))
    made, origin = np.repeat(mass, 4), None
    drawn = rng.random(4 * number)
    if pool is not None:
        origin = rng.integers(0, pool, 4 * number)
        drawn = rng.random(pool)[origin]
    fold = rng.integers(0, 2, number)
    reference = Reference(
        np.empty((4 * number, 0)), made, drawn, rng.integers(0, 2, 4 * number), np.ones(4 * number), origin=origin
    )
    return Trial(data, scores, fold, reference)


class TestShifts:
    def test_pulls_have_unit_width(self) -> None:
        pulls = [
            s.shift / s.error for seed in range(200) for s in region_shifts(0.1, [trial(seed)], [LOW, HIGH], 2).regions
        ]
        assert np.std(pulls) == pytest.approx(1, abs=0.12)
        assert np.mean(pulls) == pytest.approx(0, abs=0.2)

    def test_error_is_counting_against_a_template(self) -> None:
        found = region_shifts(0.1, [trial(1)], [LOW, HIGH], 2)
        assert [(s.low, s.high) for s in found.regions] == [(1000, 1100), (2000, 2100)]
        for interval in found.regions:
            assert interval.error == pytest.approx((1 / 400 + 1 / 1600) ** 0.5, rel=0.03)
            assert interval.counted == pytest.approx(interval.expected * (1 + interval.shift))
        assert found.covariance[0, 1] == 0

    def test_copies_tie_the_regions_together(self) -> None:
        """The covariance that is claimed is that of many samples."""
        many = [region_shifts(0.1, [trial(seed, pool=300)], [LOW, HIGH], 2) for seed in range(300)]
        shifts = np.array([[s.shift for s in each.regions] for each in many])
        # The shift is a ratio, whose own square is not in its error.
        claimed = np.mean([each.covariance for each in many], axis=0)
        found = np.cov(np.log1p(shifts).T)
        assert claimed[0, 1] > 0.3 * claimed[0, 0]
        assert found[0, 1] == pytest.approx(claimed[0, 1], rel=0.35)
        assert found[0, 0] == pytest.approx(claimed[0, 0], rel=0.35)

    def test_regions_with_few_events_are_counted_together(self) -> None:
        few = int(0.5 * ENOUGH / 0.1)
        (found,) = region_shifts(0.1, [trial(1, sizes=(4000, few))], [LOW, HIGH], 2).regions
        assert (found.low, found.high) == (1000, 2100)
        assert found.expected == pytest.approx(0.1 * (4000 + few), rel=0.02)


class TestDecision:
    @pytest.mark.parametrize(
        ("shift", "tests", "passed"), [(0.0, 1, True), (0.3, 1, False), (0.3, 100, True), (0.6, 100, False)]
    )
    def test_many_tests_need_larger_differences(self, shift: float, tests: int, passed: bool) -> None:
        found = decide(RegionShift(0.01, 1.0, 2.0, 100 * (1 + shift), 100.0, shift, 0.1), 0.0, tests)
        assert found.passed == passed
        assert 0 <= found.p_value <= 1

    def test_what_is_significant_and_small_passes(self) -> None:
        found = decide(RegionShift(0.01, 1.0, 2.0, 1.02e6, 1e6, 0.02, 0.001), 0.0, 10)
        assert found.p_value < 1e-10
        assert found.passed

    def test_what_is_corrected_for_is_not_held_against_a_region(self) -> None:
        assert decide(RegionShift(0.01, 1.0, 2.0, 130.0, 100.0, 0.3, 0.05), 0.28, 10).passed
