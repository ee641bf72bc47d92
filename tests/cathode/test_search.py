"""A whole search in a world with a known truth."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis.errors import TooFewEventsError
from analysis.events import Events
from analysis.folds import fold_of
from analysis.statistics.p_values import z_to_p
from cathode.classifiers.boosted_trees import BoostedTrees
from cathode.classifiers.parallel import ordered_map
from cathode.errors import CathodeError, ConfigError, EmptyRegionError
from cathode.result import SearchResult
from cathode.runtime.processes import all_in_parallel
from cathode.search import Search
from cathode.template.mass_models import DijetFitMass
from generators.errors import ConstantFeatureError

from .toys import (
    COLUMNS,
    REGION,
    Discriminant,
    TrueGenerator,
    TrueMass,
    decisive,
    separation,
    small_flow_matching,
    toy_events,
    toy_search,
)


@pytest.fixture(scope="module")
def with_signal() -> Events:
    return toy_events(40_000, signal=200, seed=1, truth=True)


@pytest.fixture(scope="module")
def found(with_signal: Events) -> SearchResult:
    search = toy_search(background_efficiencies=(0.01, 0.1), mass_model=DijetFitMass())
    return search.run(with_signal, reference=toy_events(60_000, seed=2))


class TestSignal:
    def test_is_found(self, found: SearchResult) -> None:
        tight = found.primary
        assert tight.significance > 5
        assert tight.p_value_exact < tight.p_value < 1e-6
        assert tight.expected == pytest.approx(0.01 * found.counts.signal_region, rel=0.02)
        assert tight.effective_efficiency == pytest.approx(0.01, rel=0.02)
        assert found.counts.template == 4 * found.counts.signal_region

    def test_passes_as_often_as_the_best_discriminant_lets_it(self, found: SearchResult) -> None:
        for cut in found.cuts:
            expected = stats.norm.cdf(separation() - stats.norm.isf(cut.background_efficiency))
            assert cut.signal_efficiency == pytest.approx(expected, abs=0.07)
        assert found.cuts[0].signal_efficiency < found.cuts[1].signal_efficiency

    def test_counts_add_up(self, found: SearchResult, with_signal: Events) -> None:
        truth = with_signal.truth
        assert truth is not None
        signal = int(truth[REGION.signal(with_signal.mass)].sum())
        for cut in found.cuts:
            background = cut.observed - cut.signal_efficiency * signal
            assert background == pytest.approx(cut.expected, abs=4 * cut.expected**0.5)
        assert found.counts.total == 40_200
        assert found.counts.signal_region == REGION.signal(with_signal.mass).sum()

    def test_ranking_is_that_of_the_separation_and_of_the_idealised_detector(self, found: SearchResult) -> None:
        truth = found.truth
        assert truth is not None
        assert truth.idealised is not None
        expected = float(stats.norm.cdf(separation() / 2**0.5))
        assert truth.auc == pytest.approx(expected, abs=0.01)
        assert truth.idealised.auc == pytest.approx(expected, abs=0.01)
        # The generator is perfect, so the ideal detector is not better.
        assert truth.max_sic == pytest.approx(truth.idealised.max_sic, rel=0.2)
        cut = found.cuts[1]
        assert truth.sic[0.1][0] == pytest.approx(cut.signal_efficiency / 0.1**0.5, rel=0.05)

    def test_mass_spectrum_alone_does_not_see_it(self, found: SearchResult) -> None:
        """200 events of 4,400: three standard deviations before the cut, nine after it."""
        model = found.mass_model
        pull = (model.observed - model.expected) / (model.expected + model.expected_error**2) ** 0.5
        assert 0 < pull < 5 < found.primary.significance
        assert model.p_value > 1e-3

    def test_is_found_by_trees_too(self, with_signal: Events) -> None:
        trees = BoostedTrees(members=2, max_iter=50)
        result = toy_search(classifier=trees, closure_members=1, background_efficiencies=(0.02,)).run(with_signal)
        assert result.primary.significance > 4
        assert 0.5 < result.primary.signal_efficiency < 1


class TestBackgroundOnly:
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_is_no_discovery(self, seed: int) -> None:
        result = toy_search(background_efficiencies=(0.01, 0.1)).run(toy_events(40_000, seed=100 + seed))
        for cut in result.cuts:
            assert cut.significance < 3
            assert z_to_p(3.0) < cut.p_value_exact < 1 - z_to_p(3.0)
        assert all(c.passed for c in result.closures)
        assert result.truth is None


class TestBlindness:
    def test_neither_model_is_handed_an_event_of_the_signal_region(self, with_signal: Events) -> None:
        generator, mass_model = TrueGenerator(), TrueMass()
        toy_search(generator=generator, mass_model=mass_model).run(with_signal)
        assert len(generator.calls) == 3  # the search, and two generators of the sideband closure test
        assert len(mass_model.calls) > 1  # the search, and the tests of the mass fit in the sidebands
        masses = [mass for mass, _ in mass_model.calls]
        for mass in (*(context[:, 0] for _, context, _ in generator.calls), *masses):
            assert len(mass) > 5_000
            assert not REGION.signal(mass).any()
            assert REGION.sideband(mass).all()
        known = {x.tobytes() for x in with_signal.x[REGION.signal(with_signal.mass)]}
        for x, _, _ in generator.calls:
            assert not known & {row.tobytes() for row in x}

    def test_the_generator_of_the_closure_test_has_not_seen_the_validation_regions(self, with_signal: Events) -> None:
        generator = TrueGenerator()
        toy_search(generator=generator, region_fraction=0.75).run(with_signal)
        sizes = sorted((len(context), context) for _, context, _ in generator.calls)
        mass = sizes[0][1][:, 0]
        assert not ((mass >= 3_000) & (mass < 4_000)).any()
        regions = toy_search(region_fraction=0.75).validation_regions(with_signal.mass)
        held = np.any([interval(with_signal.mass) for interval in regions], axis=0)
        assert not np.any([interval(mass) for interval in regions])
        assert sizes[1][0] - sizes[0][0] == held.sum() > 1.5 * regions[0](with_signal.mass).sum()

    def test_other_events_in_the_signal_region_leave_both_models_as_they_are(self, tmp_path: Path) -> None:
        """Trained models, not spies: the same weights to the last bit, and the same fit."""
        one = toy_events(8_000, seed=31)
        beside = one[~REGION.signal(one.mass)]
        other = toy_events(9_000, signal=500, seed=32)
        swapped = Events.concatenate([beside, other[REGION.signal(other.mass)]])
        results = []
        for name, events in (("one", Events.concatenate([beside, one[REGION.signal(one.mass)]])), ("two", swapped)):
            search = toy_search(generator=small_flow_matching(), mass_model=DijetFitMass(), folds=2)
            results.append(search.run(events, output=tmp_path / name))
        assert results[0].counts.signal_region != results[1].counts.signal_region
        for part in ("template", "validation/generator"):
            weights = [(tmp_path / name / part / "weights.safetensors").read_bytes() for name in ("one", "two")]
            assert weights[0] == weights[1]
        first, second = (r.mass_model for r in results)
        assert first.parameters == second.parameters
        assert (first.expected, first.expected_error) == (second.expected, second.expected_error)
        assert first.observed != second.observed


class TestReproducibility:
    def test_same_seed_same_result(self, with_signal: Events) -> None:
        search = toy_search(background_efficiencies=(0.01, 0.1))
        assert decisive(search.run(with_signal)) == decisive(search.run(with_signal))

    def test_other_seed_another_template(self, with_signal: Events) -> None:
        one, other = (toy_search(seed=seed).run(with_signal) for seed in (1, 2))
        assert one.primary.thresholds != other.primary.thresholds
        assert one.closures != other.closures
        assert one.fingerprint != other.fingerprint

    def test_number_of_workers_decides_nothing(self) -> None:
        events = toy_events(6_000, seed=33)
        results = [toy_search(generator=small_flow_matching(), folds=2, workers=w).run(events) for w in (1, 2)]
        assert decisive(results[0]) == decisive(results[1])
        assert len(results[0].trainings) == 2

    @pytest.mark.slow
    def test_four_workers_share_a_whole_search_and_change_no_bit_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shared: list[int] = []
        threads: list[int] = []

        def counting(workers: int, work: Sequence[Any]) -> Any:
            shared.append(len(work))
            return all_in_parallel(workers, work)

        def noting(work: Any, pieces: Any, *, jobs: int, **others: Any) -> Any:
            threads.append(jobs)
            return ordered_map(work, pieces, jobs=jobs, **others)

        monkeypatch.setattr("cathode.search.all_in_parallel", counting)
        monkeypatch.setattr("cathode.classifiers.boosted_trees.ordered_map", noting)
        events = toy_events(90_000, seed=33)
        results = []
        for workers in (1, 4):
            threads.clear()
            search = toy_search(
                generator=small_flow_matching(epochs=1),
                classifier=BoostedTrees(members=4, max_iter=5, jobs=workers),
                folds=3,
                closure_generators=3,
                workers=workers,
            )
            results.append(search.run(events))
            # Every training of every fold, of the window and of the validation regions, on as many threads.
            assert threads
            assert set(threads) <= {workers, min(workers, search.closure_members)}
        # The generator of the window is trained here, those of the three groups of validation regions beside it.
        assert shared == [0, 3]
        assert len(results[0].trainings) == 4
        assert decisive(results[0]) == decisive(results[1])

    def test_order_of_the_files_decides_no_fold(self) -> None:
        parts = [toy_events(6_000, seed=34), toy_events(9_000, seed=35), toy_events(5_000, seed=36)]
        forwards, backwards = Events.concatenate(parts), Events.concatenate(parts[::-1])
        where = {tuple(ids): fold for ids, fold in zip(forwards.ids.tolist(), fold_of(forwards.ids, 5), strict=True)}
        assert all(where[tuple(i)] == f for i, f in zip(backwards.ids.tolist(), fold_of(backwards.ids, 5), strict=True))
        search = toy_search(background_efficiencies=(0.1,), closure=False)
        one, other = search.run(forwards), search.run(backwards)
        assert one.primary.observed == other.primary.observed
        assert one.primary.thresholds == pytest.approx(other.primary.thresholds, rel=1e-6)

    def test_result_survives_its_json(self, found: SearchResult) -> None:
        assert SearchResult.from_json(found.to_json()) == found


class TestWeights:
    def weighted(self, events: Events, weights: Any) -> Events:
        return Events(events.x, events.mass, events.columns, weights=weights, ids=events.ids)

    def test_weight_of_two_is_two_events_in_every_count_and_in_no_probability(self) -> None:
        events = toy_events(20_000, signal=60, seed=41)
        search = toy_search(background_efficiencies=(0.02, 0.1))
        one = search.run(events)
        two = search.run(self.weighted(events, np.full(len(events), 2.0)))
        for single, double in zip(one.cuts, two.cuts, strict=True):
            assert double.observed == pytest.approx(2 * single.observed)
            assert double.expected == pytest.approx(2 * single.expected)
            assert double.statistical == pytest.approx(2 * single.statistical)
            assert double.systematic == pytest.approx(2 * single.systematic)
            assert double.p_value_exact == pytest.approx(single.p_value_exact, rel=1e-6)
            assert double.p_value == pytest.approx(single.p_value, rel=1e-6)
        assert two.mass_model.observed == 2 * one.mass_model.observed
        assert two.mass_model.expected == pytest.approx(2 * one.mass_model.expected)
        assert one.cuts[0].significance > 1

    def test_negative_weights_are_accepted(self) -> None:
        events = toy_events(20_000, seed=42)
        weights = np.where(np.arange(20_000) % 10 == 0, -1.0, 1.0)
        search = toy_search(background_efficiencies=(0.1,), mass_model=DijetFitMass())
        plain, signed = search.run(events), search.run(self.weighted(events, weights))
        assert signed.primary.expected == pytest.approx(0.8 * plain.primary.expected, rel=0.06)
        assert signed.mass_model.expected == pytest.approx(0.8 * plain.mass_model.expected, rel=0.06)
        assert 1e-4 < signed.primary.p_value < 1 - 1e-4

    def test_models_are_handed_the_weights(self) -> None:
        events = toy_events(20_000, seed=43)
        weights = np.random.default_rng(1).uniform(0.5, 1.5, 20_000)
        generator, mass_model = TrueGenerator(), TrueMass()
        toy_search(generator=generator, mass_model=mass_model, closure=False).run(self.weighted(events, weights))
        beside = REGION.sideband(events.mass)
        assert np.array_equal(generator.calls[0][2], weights[beside])
        assert np.array_equal(mass_model.calls[0][1], weights[beside])


class TestBadInput:
    """Refused by name before anything is trained, in less than a second."""

    def refused(self, error: type[CathodeError], match: str, events: Events, **changes: Any) -> None:
        generator = TrueGenerator()
        start = time.process_time()
        with pytest.raises(error, match=match):
            toy_search(generator=generator, **changes).run(events)
        assert time.process_time() - start < 1
        assert generator.calls == []

    def test_empty_signal_region(self) -> None:
        events = toy_events(5_000, seed=51)
        beside = events[REGION.sideband(events.mass)]
        self.refused(EmptyRegionError, r"signal window.*0 in the signal window.*3300", beside)

    @pytest.mark.parametrize("name", ["lower", "upper"])
    def test_empty_sideband(self, name: str) -> None:
        events = toy_events(5_000, seed=51)
        without = events[~getattr(REGION, name)(events.mass)]
        self.refused(EmptyRegionError, f"{name} sideband", without)

    def test_no_events(self) -> None:
        self.refused(EmptyRegionError, "No events at all", toy_events(10, seed=51)[:0])

    def test_masses_in_another_unit(self) -> None:
        events = toy_events(5_000, seed=51)
        self.refused(EmptyRegionError, "unit of the mass", Events(events.x, events.mass / 1000, COLUMNS))

    def test_thin_sidebands(self) -> None:
        self.refused(TooFewEventsError, "in the sidebands; at least 500.*Widen the sidebands", toy_events(500, seed=52))

    def test_too_few_for_the_folds(self) -> None:
        events = toy_events(3_000, seed=53)
        self.refused(
            TooFewEventsError, r"Fold \d+ of 25 has \d+ events in the signal region.*fewer folds", events, folds=25
        )
        few = Events.concatenate([events[~REGION.signal(events.mass)], events[REGION.signal(events.mass)][:60]])
        match = r"A fold of the signal region would be trained on \d+ data events; at least 50"
        self.refused(TooFewEventsError, match, few, folds=2, background_efficiencies=(0.1,))

    def test_too_small_a_template_for_training_or_for_the_cut(self) -> None:
        events = toy_events(5_000, seed=54)
        match = r"trained on \d+ template events.*larger oversampling"
        self.refused(TooFewEventsError, match, events, oversampling=0.1, background_efficiencies=(0.1,))
        match = r"efficiency 1e-05 leaves 0\.0.* of the template events of a fold of the signal region.*oversampling"
        self.refused(TooFewEventsError, match, events, background_efficiencies=(0.1, 1e-5))

    def test_validation_regions_that_can_not_be_searched(self) -> None:
        events = toy_events(20_000, seed=55)
        gap = events[~((events.mass >= 3_700) & (events.mass < 3_900))]
        self.refused(EmptyRegionError, "validation region 3700–3900 GeV", gap)
        self.refused(TooFewEventsError, "outside of the validation regions", events, region_fraction=4.0)
        thin = events[
            ~((events.mass >= 3_110) & (events.mass < 3_300))
            & ~((events.mass >= 3_710) & (events.mass < 3_900))
            & ((events.mass >= 2_900) & (events.mass < 4_200))
        ]
        self.refused(TooFewEventsError, "in the validation regions", thin)
        assert toy_search(closure=False).run(gap).closures == ()

    @pytest.mark.parametrize(("place", "words"), [("signal", "in the signal region"), ("sideband", "in the sidebands")])
    def test_single_valued_feature(self, place: str, words: str) -> None:
        events = toy_events(5_000, seed=56)
        x = events.x.copy()
        x[getattr(REGION, place)(events.mass), 1] = 7.25
        self.refused(
            ConstantFeatureError, f"Feature 'second' has the single value 7.25 {words}", Events(x, events.mass, COLUMNS)
        )

    @pytest.mark.parametrize("efficiencies", [(), (0.0,), (1.0,), (0.01, 1.5), (-0.1,)])
    def test_background_efficiency_out_of_range(self, efficiencies: tuple[float, ...]) -> None:
        with pytest.raises(ConfigError, match="background_efficiencies"):
            Search(region=REGION, background_efficiencies=efficiencies)

    @pytest.mark.parametrize(("name", "value"), [("folds", 1), ("folds", 0), ("oversampling", 0.0)])
    def test_settings_out_of_range(self, name: str, value: float) -> None:
        with pytest.raises(ConfigError, match=f"{name} = {value}"):
            Search.of(region=REGION, **{name: value})


def test_progress_names_the_stages_in_order_and_ends_each(with_signal: Events) -> None:
    told: list[tuple[str, float, float]] = []
    search = toy_search(classifier=Discriminant(members=2))
    search.run(with_signal, progress=lambda stage, done, total, note="": told.append((stage, done, total)))
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["classifier", "validation", "evaluation"]
    for stage in stages:
        fractions = [done / total for name, done, total in told if name == stage]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1


def test_json_is_for_any_reader(found: SearchResult) -> None:
    plain = json.loads(found.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert plain["cuts"][0]["observed"] == found.primary.observed


def test_parts_of_the_method_may_be_named_beside_it() -> None:
    trees = BoostedTrees(members=3)
    search = Search(region=REGION, classifier=trees, oversampling=2)
    assert search.settings() == Search.of(region=REGION, classifier=trees, oversampling=2).settings()
    assert dataclasses.replace(search, seed=9).method is search.method
    assert Search(region=REGION, method=Search.of("cwola", region=REGION).method, classifier=trees).settings() == (
        Search.of("cwola", region=REGION, classifier=trees).settings()
    )
    with pytest.raises(ConfigError, match="method 'cwola' has no hyperparameter 'oversampling'"):
        Search(region=REGION, method=Search.of("cwola", region=REGION).method, oversampling=2)
    with pytest.raises(ConfigError, match=r"oversampling = -1"):
        Search(region=REGION, oversampling=-1)
