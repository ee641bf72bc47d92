"""Closure in validation regions: a good template passes, a bad one fails and takes the significance with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.events import Events
from analysis.statistics.closure_scatter import POOLED
from cathode.classifiers.ensembles import with_members
from cathode.cut_and_count import make_cut
from cathode.errors import ConfigError
from cathode.methods.cathode import Cathode
from cathode.methods.protocol import Learned
from cathode.observables import AsRead
from cathode.region import Interval
from cathode.result import RegionShift, Sculpting, SearchResult
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.stages import Stages
from cathode.validation.held_out import HeldOut, beside_window, held_out, without_validation_regions
from cathode.validation.region_shifts import region_shifts
from cathode.validation.sideband_closure import ClosureTest, closure_test
from cathode.validation.trial import Trial, trial
from cathode.validation.warnings import warnings_of

from ..toys import REGION, Discriminant, TrueGenerator, toy_events, toy_search

VALIDATION = REGION.validation_regions(fraction=0.5)


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(40_000, seed=21)


@dataclass(frozen=True)
class Fixed(Seeds):
    """Seeds of the sideband closure test by their number: data, template, folds, classifiers."""

    numbers: tuple[int, ...] = tuple(range(8))

    def __call__(self, purpose: str) -> int:
        number = purpose.rpartition("/")[2]
        return self.numbers[int(number)] if number.isdigit() else 0


def closure_of(
    events: Events, generator: Any, *, seeds: Sequence[tuple[int, ...]] = (tuple(range(8)),), limit: int = 10**6
) -> ClosureTest:
    method = Cathode(generator=generator, classifier=Discriminant(), oversampling=4)
    stages = [beside_window(Stages(Fixed(0, own), RunFolder(None))) for own in seeds]
    return closure_test(
        method,
        [task(events, folds=5, limit=limit, seed=seeds[0][0])],
        [Learned(generator, generator)],
        background_efficiencies=(0.1, 0.02),
        stages=[[each] for each in stages],
    )


def task(events: Events, **changes: Any) -> HeldOut:
    return held_out(events[REGION.sideband(events.mass)], REGION, VALIDATION, observables=AsRead(), **changes)


class TestValidationRegions:
    def test_true_density_closes(self, events: Events) -> None:
        found = [closure_of(events, TrueGenerator(), seeds=[tuple(range(8 * i, 8 * i + 8))]) for i in range(8)]
        pulls = [(c.auc - 0.5) / c.auc_error for f in found for c in f.closures]
        assert all(c.passed for f in found for c in f.closures)
        # The data are the same in all eight, so the pulls are correlated.
        assert np.abs(pulls).max() < 3.5
        assert all(0 < c.auc_error < 0.02 for f in found for c in f.closures)
        for f in found:
            assert f.systematics[0.1] < 0.2
            # They hold about 4,400 events: nothing is resolved beyond the statistics of those that pass.
            assert f.scatter[0.1].resolution > 0.9 * (1 / 440 + 1 / 1_760) ** 0.5
            # Both cuts agree, so the tighter one, which alone would resolve half as much, has the same.
            assert f.cuts_agree > POOLED
            assert f.scatter[0.02] == f.scatter[0.1]
            assert [(s.low, s.high) for s in f.shifts[:2]] == [(s.low, s.high) for s in VALIDATION]

    def test_moved_feature_is_seen_and_measured(self, events: Events) -> None:
        found = closure_of(events, TrueGenerator(shift=-0.5))
        assert all(c.auc > 0.6 and not c.passed for c in found.closures)
        # A shift of d standard deviations along the discriminant lets Φ(d − 1.28) pass instead of 0.1.
        # Both regions agree on that, so it is a correction.
        assert 0.5 < found.scatter[0.1].shift < 2.5
        assert found.systematics[0.1] < 0.3 * found.scatter[0.1].shift

    def test_validation_regions_count_their_own_events(self, events: Events) -> None:
        found = closure_of(events, TrueGenerator())
        for closure, interval in zip(found.closures, VALIDATION, strict=True):
            assert (closure.low, closure.high) == (interval.low, interval.high)
            assert closure.events == int(interval(events.mass).sum())
            assert closure.template_events == pytest.approx(4 * closure.events, rel=0.05)

    def test_no_more_events_than_the_signal_region_has(self, events: Events) -> None:
        found = closure_of(events, TrueGenerator(), limit=1_500)
        assert sum(c.events for c in found.closures) == 1_500
        # Which interval an event is in does not decide whether it is used.
        share = VALIDATION[0](events.mass).sum() / sum(s(events.mass).sum() for s in VALIDATION)
        assert found.closures[0].events / 1_500 == pytest.approx(share, abs=0.04)

    def test_generator_of_the_test_learns_beside_the_validation_regions_only(self, events: Events) -> None:
        kept = without_validation_regions(events, REGION, VALIDATION)
        assert not any(interval(kept.mass).any() for interval in VALIDATION)
        assert not REGION.signal(kept.mass).any()
        assert len(kept) == REGION.sideband(events.mass).sum() - sum(s(events.mass).sum() for s in VALIDATION)
        assert 0.5 * REGION.width == VALIDATION[0].width == VALIDATION[1].width

    def test_asks_the_generator_at_the_masses_of_the_data(self, events: Events) -> None:
        """A template that ignores m fails where features drift, even though its spectrum of x over all m is right."""

        class Blurred(TrueGenerator):
            def sample(self, context: Any, *, seed: int) -> Any:
                return super().sample(context + 800.0, seed=seed)

        assert not all(c.passed for c in closure_of(events, Blurred()).closures)

    def test_event_weights_count_events(self, events: Events) -> None:
        """Weights that turn the data into a moved distribution make the true template fail."""
        x = events.x[:, 0].astype(np.float64)
        tilt = Events(events.x, events.mass, events.columns, weights=np.exp(0.5 * x), ids=events.ids)
        assert not all(c.passed for c in closure_of(tilt, TrueGenerator()).closures)
        assert closure_of(tilt, TrueGenerator()).systematics[0.1] > 0.3
        double = Events(events.x, events.mass, events.columns, weights=np.full(len(events), 2.0), ids=events.ids)
        plain, scaled = closure_of(events, TrueGenerator()), closure_of(double, TrueGenerator())
        assert scaled.systematics == pytest.approx(plain.systematics)
        for one, two in zip(plain.closures, scaled.closures, strict=True):
            assert two.auc == pytest.approx(one.auc)
            assert two.auc_error == pytest.approx(one.auc_error, rel=0.2)


def trial_of(events: Events, seeds: tuple[int, ...]) -> Trial:
    """One repetition with the true density, three folds; seeds[0] is that of the data."""
    generator = TrueGenerator()
    method = Cathode(generator=generator, classifier=Discriminant(), oversampling=4)
    stages = beside_window(Stages(Fixed(0, seeds), RunFolder(None)))
    return trial(method, task(events, folds=3, seed=seeds[0]).task, Learned(generator, generator), stages)


def mean_shift(efficiency: float, trials: list[Trial], folds: int) -> RegionShift:
    """Both regions as one."""
    (found,) = region_shifts(efficiency, trials, [Interval(VALIDATION[0].low, VALIDATION[1].high)], folds).regions
    return found


class TestRepetitions:
    def test_one_is_counting_against_a_template(self, events: Events) -> None:
        one = trial_of(events, (0, 1, 2, 3, 4, 5))
        found = mean_shift(0.1, [one], 3)
        cut = make_cut(0.1, one.reference, 3)
        counted = cut.passes(one.scores, one.fold).sum()
        passing = cut.passes(one.reference.scores, one.reference.fold).sum()
        expected = 0.1 * len(one.data)
        assert found.shift == pytest.approx(counted / expected - 1, abs=2 / expected)
        assert found.error == pytest.approx((1 / expected + 1 / passing) ** 0.5, rel=1e-3)

    def test_mean_is_steadier_and_its_error_says_so(self) -> None:
        one, four = [], []
        for seed in range(100):
            sample = toy_events(10_000, seed=1_000 + seed)
            trials = [trial_of(sample, (0, *(1_000 * seed + 10 * r + i for i in range(5)))) for r in range(4)]
            one.append(mean_shift(0.05, trials[:1], 3))
            four.append(mean_shift(0.05, trials, 3))
            assert four[-1].shift == pytest.approx(np.mean([mean_shift(0.05, [t], 3).shift for t in trials]))
        spread = [np.std([s.shift for s in shifts]) for shifts in (one, four)]
        assert spread[1] < 0.8 * spread[0]
        for shifts, found in zip((one, four), spread, strict=True):
            assert found == pytest.approx(np.mean([s.error for s in shifts]), rel=0.15)
            assert abs(np.mean([s.shift / s.error for s in shifts])) < 4 / 100**0.5

    def test_the_same_data_and_other_templates_are_averaged(self, events: Events) -> None:
        seeds = [tuple(range(8 * i, 8 * i + 8)) for i in range(3)]
        found = closure_of(events, TrueGenerator(), seeds=seeds, limit=2_000)
        # With the data of the first.
        each = [closure_of(events, TrueGenerator(), seeds=[(0, *own[1:])], limit=2_000) for own in seeds]
        for interval, alone in enumerate(zip(*(e.closures for e in each), strict=True)):
            assert found.closures[interval].auc == pytest.approx(np.mean([c.auc for c in alone]))
            assert {c.events for c in alone} == {found.closures[interval].events}
        assert len({c.auc for e in each for c in e.closures}) == 6
        assert found.systematics[0.1] < np.mean([e.systematics[0.1] for e in each])

    def test_a_search_takes_as_many_as_it_is_told(self, tmp_path: Path) -> None:
        sample = toy_events(20_000, seed=5)
        search = toy_search(closure_repeats=2, background_efficiencies=(0.1,))
        told = []
        found = search.validate(sample, output=tmp_path, progress=lambda *at: told.append(at[:2]))
        assert sorted(p.name for p in (tmp_path / "validation").iterdir()) == ["classifiers", "classifiers_1"]
        fractions = [done for stage, done in told if stage == "validation"]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1
        single = toy_search(background_efficiencies=(0.1,)).validate(sample)
        assert single.closures != found.closures
        assert search.run(sample, output=tmp_path).closures == found.closures
        with pytest.raises(ConfigError, match="closure_repeats = 0"):
            toy_search(closure_repeats=0)


def test_ensemble_of_the_test_is_smaller_and_everything_else_the_same() -> None:
    chosen = with_members(Discriminant(members=50, remember=True), 7)
    assert chosen == Discriminant(members=7, remember=True) or (chosen.members, chosen.remember) == (7, True)


@pytest.fixture(scope="module")
def results(events: Events) -> dict[float, SearchResult]:
    """Searches with a perfect generator and with one whose first feature is moved, by that shift."""
    return {
        shift: toy_search(generator=TrueGenerator(shift), background_efficiencies=(0.1, 0.02)).run(events)
        for shift in (0.0, -0.4)
    }


class TestSearch:
    def test_good_template_passes_without_a_word(self, results: dict[float, SearchResult]) -> None:
        good = results[0.0]
        assert all(c.passed for c in good.closures)
        assert not any("does not close" in w or "not tested" in w for w in good.warnings)

    def test_bad_template_is_called_that_and_its_excess_is_not_believed(
        self, results: dict[float, SearchResult]
    ) -> None:
        bad = results[-0.4]
        assert not bad.validated
        assert sum("does not close" in w for w in bad.warnings) == len(bad.closures) > 2
        assert any("3100–3300 GeV" in w for w in bad.warnings)
        assert "flaw of the template" in bad.warnings[0]
        for cut in bad.cuts:
            # Counted blindly this would be a discovery.
            blind = cut.expected / (1 + cut.shift)
            assert cut.observed > blind + 8 * blind**0.5
            assert cut.significance < 2.5
            assert any(f"off the prediction by {100 * cut.shift:+.2g} %" in w for w in bad.warnings)
            assert cut.systematic == pytest.approx(bad.systematics[cut.background_efficiency] * blind)

    def test_switched_off_the_result_says_so(self, events: Events) -> None:
        found = toy_search(closure=False).run(events)
        assert found.closures == ()
        assert found.cuts[0].systematic == 0
        assert found.cuts[0].p_value == found.cuts[0].p_value_exact
        assert any("not tested in validation regions" in w for w in found.warnings)

    def test_sculpting_warning_names_the_cut_that_sculpts(self, result: SearchResult) -> None:
        """A cut that too few events pass is not tested and must not lend its name to the next one."""
        tight, loose = (replace(result.cuts[0], background_efficiency=e) for e in (0.001, 0.1))
        failed = Sculpting(0.1, 90.0, 29.0, 1e-8, False)
        named = [
            w
            for w in warnings_of(replace(result, cuts=(tight, loose), sculpting=(failed,)))
            if "changes the shape" in w
        ]
        assert len(named) == 1
        assert "efficiency 0.1 " in named[0]
