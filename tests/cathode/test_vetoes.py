"""Sidebands with a hole, and on one side alone."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from analysis.statistics.spectrum import fit_spectrum
from cathode.comparison.comparison import compare_generators
from cathode.config.region import RegionConfig
from cathode.errors import EmptyRegionError, MassModelError, RegionError
from cathode.region import Interval, Region
from cathode.report.histograms import mass_edges, vetoed_bins
from cathode.result import RegionSummary, SearchResult
from cathode.scoring import Scorer, columns
from cathode.template.mass_models import DijetFitMass, KdeMass, mass_model_from_dict

from .toys import TrueGenerator, falling_masses, small_flow_matching, toy_events, toy_search

VETOED = Region(3300, 3700, 2200, 5500, veto=[(2700, 2850), (4200, 4300)])
#: The exponential of the toys inside of the window, as a fraction of all events.
INSIDE = float(-np.diff(np.exp(-np.array([3300, 3700]) / 1500))[0] / (np.exp(-2000 / 1500) - np.exp(-6000 / 1500)))


def masses(n: int, seed: int = 1) -> np.ndarray:
    return falling_masses(n, np.random.default_rng(seed))


def spoiled(n: int) -> np.ndarray:
    """Falling masses with a resonance of a third of them inside of the first veto."""
    mass = masses(n)
    return np.concatenate([mass, np.random.default_rng(2).uniform(2700, 2850, n // 3)])


class TestRegion:
    @pytest.mark.parametrize(
        ("arguments", "excluded"),
        [
            ({"veto": (2800, 2900)}, [(2800, 2900)]),
            ({"veto": [[4000, 4100], [2800, 2900]]}, [(2800, 2900), (4000, 4100)]),
            ({"veto": [(2850, 2950), (2800, 2900), (2950, 3000)]}, [(2800, 3000)]),
            ({"veto": (3200, 3300)}, [(3200, 3300)]),
            ({"veto": (3700, 3701)}, [(3700, 3701)]),
            ({"veto": (2000, 2400), "sideband_low": 2300}, [(0, 2400)]),
            ({"sides": "below"}, [(3700, 1e9)]),
            ({"sides": "above", "sideband_high": 5000, "veto": (4000, 4200)}, [(0, 3300), (4000, 4200), (5000, 1e9)]),
        ],
    )
    def test_every_mass_is_where_brute_force_puts_it(self, arguments: dict[str, Any], excluded: list) -> None:
        region = Region(3300, 3700, **arguments)
        mass = np.concatenate([masses(2000), [m for pair in excluded for m in pair if m < 1e6], [3300, 3700]])
        for m, signal, sideband in zip(mass, region.signal(mass), region.sideband(mass), strict=True):
            assert signal == (3300 <= m < 3700)
            assert sideband == (not signal and not any(low <= m < high for low, high in excluded))
        np.testing.assert_array_equal(region.lower(mass), region.sideband(mass) & (mass < 3300))
        np.testing.assert_array_equal(region.upper(mass), region.sideband(mass) & (mass > 3300))
        assert Region(**json.loads(json.dumps(region.to_dict()))) == region
        summary = RegionSummary(**dataclasses.asdict(region))
        assert Region(**dataclasses.asdict(summary)) == region

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"veto": (3200, 3301)}, "reaches into the window"),
            ({"veto": (3699, 3900)}, "reaches into the window"),
            ({"veto": (3400, 3500)}, "reaches into the window"),
            ({"veto": (3000, 4000)}, "reaches into the window"),
            ({"veto": (2300, 3300), "sideband_low": 2300}, "sideband below.*sides = 'above'"),
            ({"veto": (0, 3300)}, "sideband below.*sides = 'above'"),
            ({"veto": [(3700, 4000), (4000, 6000)], "sideband_high": 5000}, "sideband above.*sides = 'below'"),
            ({"veto": (1000, 2000), "sideband_low": 2300}, "in no sideband"),
            ({"veto": (6000, 7000), "sideband_high": 5000}, "in no sideband"),
            ({"veto": (4000, 4100), "sides": "below"}, "in no sideband"),
            ({"veto": (2900, 2800)}, "low < high"),
            ({"veto": (2900, np.nan)}, "low < high"),
            ({"veto": (2900, np.inf)}, "low < high"),
            ({"veto": (2900,)}, "pairs of masses"),
            ({"veto": [(2900, 3000, 3100)]}, "pairs of masses"),
            ({"veto": "2900-3000"}, "pairs of masses"),
            ({"veto": 2900}, "pairs of masses"),
            ({"sides": "left"}, "both, below, above"),
            ({"sides": "below", "sideband_high": 5000}, "sideband_high"),
            ({"sides": "above", "sideband_low": 2300}, "sideband_low"),
        ],
    )
    def test_what_can_not_be_meant_is_refused(self, arguments: dict[str, Any], words: str) -> None:
        with pytest.raises(RegionError, match=words):
            Region(3300, 3700, **arguments)

    def test_one_without_either_is_as_it_was(self) -> None:
        assert Region(3300, 3700).to_dict() == {
            "low": 3300,
            "high": 3700,
            "sideband_low": None,
            "sideband_high": None,
        }
        assert str(Region(3300, 3700)) == "window 3300–3700 GeV with sidebands start–3300 and 3700–end GeV"
        assert "2200–2700, 2850–3300, 3700–4200 and 4300–5500" in str(VETOED)

    @pytest.mark.parametrize(
        ("arguments", "intervals"),
        [
            ({}, [(3100, 3300), (3700, 3900)]),
            ({"veto": (3200, 3300)}, [(3000, 3200), (3700, 3900)]),
            ({"veto": (3150, 3200)}, [(3050, 3300), (3700, 3900)]),
            ({"veto": (2900, 3100)}, [(3100, 3300), (3700, 3900)]),
            ({"veto": [(3050, 3100), (3150, 3300)]}, [(2900, 3150), (3700, 3900)]),
            ({"veto": (3750, 4000), "sideband_high": 4050}, [(3100, 3300), (3700, 4050)]),
            ({"sides": "below"}, [(3100, 3300)]),
            ({"sides": "above", "veto": (3700, 3800)}, [(3800, 4000)]),
        ],
    )
    def test_validation_regions_hold_their_width_of_sideband(self, arguments: dict[str, Any], intervals: list) -> None:
        region = Region(3300, 3700, **arguments)
        assert region.validation_regions() == tuple(Interval(*edges) for edges in intervals)
        grid = np.arange(2000.5, 6000)
        for interval in region.validation_regions():
            assert np.count_nonzero(region.sideband(grid) & interval(grid)) == (200 if interval.high < 4050 else 100)

    @pytest.mark.parametrize("interval", [(2720, 2800), (2600, 2750), (2600, 2900), (2800, 2900), (4200, 4300)])
    def test_validation_regions_of_ones_own_must_not_reach_into_a_veto(self, interval: tuple[float, float]) -> None:
        with pytest.raises(RegionError, match="does not lie in a sideband"):
            VETOED.sideband_intervals([interval])
        assert VETOED.sideband_intervals([(2500, 2700), (2850, 3000)])

    def test_only_the_sidebands_that_are_declared_must_hold_events(self) -> None:
        mass = np.array([2500.0, 3500.0])
        Region(3300, 3700, sides="below").check(mass)
        with pytest.raises(EmptyRegionError, match=r"upper sideband.*sides"):
            Region(3300, 3700).check(mass)
        with pytest.raises(EmptyRegionError, match="lower sideband"):
            Region(3300, 3700, veto=(2400, 2600)).check(np.array([2500.0, 3500.0, 4000.0]))

    @pytest.mark.parametrize("mass", [0.0, -3.0, np.nan])
    def test_masses_that_can_not_be_are_named(self, mass: float) -> None:
        with (
            pytest.raises(RegionError, match="1 of 4 masses are not positive")
            if mass <= 0
            else contextlib.nullcontext()
        ):
            Region(3300, 3700).check(np.array([2500.0, 3500.0, 4000.0, mass]))
        Region(3300, 3700, sideband_low=2000).check(np.array([2500.0, 3500.0, 4000.0, mass]))


class TestFile:
    @pytest.mark.parametrize(
        ("section", "region"),
        [
            ({"signal": [3300, 3700]}, Region(3300, 3700)),
            ({"signal": [3300, 3700], "sidebands": [2300, 5000]}, Region(3300, 3700, 2300, 5000)),
            ({"signal": [3300, 3700], "sidebands": [2300, None]}, Region(3300, 3700, 2300)),
            ({"signal": [3300, 3700], "veto": [2800, 2900]}, Region(3300, 3700, veto=(2800, 2900))),
            ({"signal": [3300, 3700], "veto": [[2800, 2900]]}, Region(3300, 3700, veto=(2800, 2900))),
            ({"signal": [3300, 3700], "veto": []}, Region(3300, 3700)),
            (
                {"signal": [3300, 3700], "sidebands": [2300, None], "sides": "below"},
                Region(3300, 3700, 2300, sides="below"),
            ),
        ],
    )
    def test_says_what_python_says(self, section: dict[str, Any], region: Region) -> None:
        config = RegionConfig.model_validate(section)
        assert config.build() == region
        assert RegionConfig.model_validate(json.loads(config.model_dump_json())).build() == region

    @pytest.mark.parametrize(
        ("section", "words"),
        [
            ({"sidebands": [2300, 3700]}, "sides: below"),
            ({"sidebands": [3300, 5000]}, "sides: below"),
            ({"sidebands": [2300, 5000], "sides": "below"}, "sideband_high"),
            ({"veto": [[3200, 3400]]}, "reaches into the window"),
            ({"veto": [2800, 2900, 3000]}, "veto"),
            ({"veto": 2800}, "veto"),
            ({"sides": "left"}, "sides"),
        ],
    )
    def test_refuses_what_python_refuses(self, section: dict[str, Any], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            RegionConfig.model_validate({"signal": [3300, 3700], **section})


class TestMassModels:
    @pytest.mark.parametrize("model", [DijetFitMass(), KdeMass()])
    @pytest.mark.parametrize(
        "veto", [[(2700, 2850), (4200, 4300)], [(3200, 3300)], [(3700, 3800), (2690, 2860)], [(2000, 2860)]]
    )
    def test_skip_the_hole_and_keep_the_normalisation(self, model: Any, veto: list) -> None:
        mass, region = spoiled(60_000), Region(3300, 3700, sideband_high=5500, veto=veto)
        if not any(low <= 2700 for low, _ in veto):
            mass = mass[:60_000]
        fitted = dataclasses.replace(model).fit(mass[region.sideband(mass)], region)
        expected = fitted.expected()
        # Fitted over, a resonance of 20,000 events would take it thousands away.
        assert abs(expected.events - 60_000 * INSIDE) < 3.5 * expected.error
        assert expected.error < 0.05 * expected.events
        drawn = fitted.sample(4_000, seed=1)
        assert np.all((drawn >= 3300) & (drawn < 3700))
        again = mass_model_from_dict(json.loads(json.dumps(fitted.to_dict())))
        assert again.region_ == region
        assert again.expected() == expected

    def test_events_in_a_veto_change_nothing(self) -> None:
        mass, veto = masses(20_000), ((2700.0, 2850.0),)
        mass = mass[(mass < 3300) | (mass >= 3700)]
        kept = mass[(mass < 2700) | (mass >= 2850)]
        one, other = (fit_spectrum(each, (3300, 3700), veto=veto, high=6000) for each in (mass, kept))
        assert one.integral(3300, 3700) == other.integral(3300, 3700)
        assert not np.any((one.bins.low < 2850) & (one.bins.high > 2700))

    @pytest.mark.parametrize(("sides", "arguments"), [("below", {}), ("above", {"sideband_high": 5500})])
    def test_extrapolate_from_one_side_with_an_honest_error(self, sides: Any, arguments: dict[str, float]) -> None:
        mass, region = masses(20_000), Region(3300, 3700, sides=sides, **arguments)
        fitted = DijetFitMass().fit(mass[region.sideband(mass)], region)
        expected = fitted.expected()
        two = Region(3300, 3700, sideband_high=5500)
        both = DijetFitMass().fit(mass[two.sideband(mass)], two).expected()
        assert abs(expected.events - 20_000 * INSIDE) < 4 * expected.error
        assert expected.error > both.error
        assert fitted.fit_range_[0] <= 3300 < 3700 <= fitted.fit_range_[1]
        with pytest.raises(MassModelError, match="extrapolate"):
            KdeMass().fit(mass[region.sideband(mass)], region)

    def test_no_lower_edge_where_there_is_no_sideband(self) -> None:
        region = Region(3300, 3700, sides="above")
        with pytest.raises(MassModelError, match="Leave it out"):
            DijetFitMass(low=2500).fit(masses(5000)[region.sideband(masses(5000))], region)

    @pytest.mark.parametrize("odd", [1e-300, 5e-324, 1e-3])
    @pytest.mark.parametrize("model", [DijetFitMass(), KdeMass()])
    def test_a_mass_far_away_costs_nothing_and_changes_nothing(self, model: Any, odd: float) -> None:
        region, mass = Region(3300, 3700, sideband_high=5500), masses(20_000)
        mass = mass[region.sideband(mass)]
        fitted = dataclasses.replace(model).fit(np.append(mass, odd), region)
        assert fitted.expected().events == pytest.approx(20_000 * INSIDE, rel=0.05)
        assert fitted.fit_range_[0] > 3

    @pytest.mark.parametrize("odd", [0.0, -1e-300, -5.0])
    @pytest.mark.parametrize("model", [DijetFitMass(functions=("f2",)), KdeMass()])
    def test_a_mass_that_is_not_positive_is_named(self, model: Any, odd: float) -> None:
        region, mass = Region(3300, 3700), masses(2_000)
        with pytest.raises(MassModelError, match=r"1 of .* are not positive"):
            dataclasses.replace(model).fit(np.append(mass[region.sideband(mass)], odd), region)

    def test_a_lower_edge_far_away_is_refused(self) -> None:
        region, mass = Region(3300, 3700), masses(2_000)
        with pytest.raises(MassModelError, match="factor 1000"):
            DijetFitMass(low=1e-300).fit(mass[region.sideband(mass)], region)


class TestSearch:
    def test_takes_nothing_from_a_veto(self, tmp_path: Path) -> None:
        generator = TrueGenerator()
        search = toy_search(region=VETOED, generator=generator, mass_model=DijetFitMass(), folds=2)
        events = toy_events(20_000, signal=100, seed=3)
        result = search.run(events, output=tmp_path)
        for _, context, _ in generator.calls:
            assert not VETOED.vetoed(context[:, 0]).any()
        counts = result.counts
        assert counts.sideband_below == VETOED.lower(events.mass).sum()
        assert counts.sideband_above == VETOED.upper(events.mass).sum()
        stored = SearchResult.read(tmp_path / "result.json")
        assert stored.region.veto == VETOED.veto
        assert abs(result.mass_model.expected - 20_000 * INSIDE) < 4 * result.mass_model.expected_error
        scorer = Scorer.load(tmp_path)
        assert scorer.region == VETOED
        where = columns(events, scorer(events), scorer.region, scorer.cuts)["region"]
        expected = np.where(VETOED.signal(events.mass), 1, np.where(VETOED.sideband(events.mass), 0, -1))
        np.testing.assert_array_equal(where, expected)

    @pytest.mark.parametrize(("sides", "nearest"), [("below", (3100, 3300)), ("above", (3700, 3900))])
    def test_on_one_side_warns_that_it_extrapolates(self, sides: Any, nearest: tuple[float, float]) -> None:
        region = Region(3300, 3700, sides=sides, **({"sideband_high": 5500} if sides == "above" else {}))
        result = toy_search(region=region, mass_model=DijetFitMass(), folds=2).run(toy_events(20_000, seed=3))
        assert any(f"only {sides} the window" in words and "extrapolated" in words for words in result.warnings)
        closures = [(c.low, c.high) for c in result.closures]
        assert nearest in closures
        assert all(high <= 3300 if sides == "below" else low >= 3700 for low, high in closures)
        assert (result.counts.sideband_above == 0) == (sides == "below")

    def test_a_file_without_the_new_fields_is_read(self, tmp_path: Path) -> None:
        result = toy_search(folds=2).run(toy_events(9_000, seed=3))
        old = json.loads(result.to_json())
        for section, name in (("region", "veto"), ("region", "sides"), ("mass_model", "far_below")):
            del old[section][name]
        assert SearchResult.from_json(json.dumps(old)) == result

    def test_generators_are_compared_outside_of_vetoes(self) -> None:
        found = compare_generators(
            toy_events(9_000, seed=4),
            VETOED,
            [small_flow_matching(epochs=1)],
            validation_regions=[(2500, 2700)],
            folds=2,
        )
        assert found.region.veto == VETOED.veto
        assert found.training_events + found.validation_events == VETOED.sideband(toy_events(9_000, seed=4).mass).sum()

    def test_far_masses_are_warned_of(self) -> None:
        events = toy_events(9_000, seed=4)
        mass = events.mass.copy()
        mass[np.flatnonzero(mass < 2500)[:2]] = 1e-300
        region = Region(3300, 3700)
        result = toy_search(region=region, mass_model=DijetFitMass(), folds=2).run(
            dataclasses.replace(events, mass=mass)
        )
        assert result.mass_model.far_below == 2
        assert any("2 sideband events lie more than a factor 1000 below" in words for words in result.warnings)


class TestSpectrum:
    @pytest.mark.parametrize(
        "veto", [[], [(2700, 2850)], [(3200, 3300), (3700, 3705)], [(1000, 2200)], [(2701, 2702), (5990, 7000)]]
    )
    def test_bins_keep_the_borders_of_window_and_vetoes(self, veto: list) -> None:
        edges = mass_edges(masses(5_000), (3300, 3700), veto)
        assert np.all(np.diff(edges) > 0)
        assert {3300, 3700} <= set(np.round(edges, 9))
        hidden = vetoed_bins(edges, veto)
        for low, high, gone in zip(edges[:-1], edges[1:], hidden, strict=True):
            overlaps = any(low < stop and start < high for start, stop in veto)
            assert gone == overlaps

    @pytest.mark.parametrize("odd", [[1e-300], [1e300], [1e-300, 1e300] * 100])
    @pytest.mark.parametrize("window", [(3300, 3700), (3499.9, 3500.1)])
    def test_odd_masses_do_not_make_the_bins_many(self, odd: list[float], window: tuple[float, float]) -> None:
        edges = mass_edges(np.append(masses(2_000), odd), window)
        assert len(edges) < 2000
        for one, other in itertools.pairwise(edges):
            assert one < other
