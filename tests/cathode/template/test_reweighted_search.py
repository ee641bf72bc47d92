"""Reweighting as a step of the search, alone and one after another: what that does to closure, and interruptions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.errors import TooFewEventsError
from analysis.events import Events
from cathode.classifiers import BoostedTrees
from cathode.diagnostics import Diagnostics
from cathode.errors import RunFolderError
from cathode.observables import AsRead
from cathode.result import SearchResult
from cathode.runtime.specification import specification
from cathode.search import Search
from cathode.template.reweighting import Reweighting
from cathode.validation.held_out import without_validation_regions

from ..toys import REGION, TrueGenerator, background_features, decisive, small_flow_matching, toy_events, toy_search
from .test_rejection import SHIFT, First, Logistic

Array = NDArray[np.float64]


def reweighted_search(**changes: Any) -> Search:
    defaults: dict[str, Any] = {"reweighting": Reweighting(classifier=Logistic(), folds=2), "folds": 2}
    return toy_search(**{**defaults, **changes})


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(20_000, seed=63)


@pytest.fixture(scope="module")
def runs(events: Events, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A search with a generator that is wrong, without and with reweighting."""
    folders = tmp_path_factory.mktemp("without"), tmp_path_factory.mktemp("with")
    generator = TrueGenerator(shift=SHIFT)
    reweighted_search(generator=generator, reweighting=None).run(events, output=folders[0])
    reweighted_search(generator=generator).run(events, output=folders[1])
    return folders


class TestSearch:
    def test_a_wrong_generator_closes_with_reweighting_and_not_without(self, runs: tuple[Path, Path]) -> None:
        without, reweighted = (SearchResult.read(folder / "result.json") for folder in runs)
        for interval in without.closures:
            assert interval.auc - 0.5 > 10 * interval.auc_error
        for interval in reweighted.closures:
            assert abs(interval.auc - 0.5) < 3 * interval.auc_error
        assert (without.validated, reweighted.validated) == (False, True)
        assert without.primary.observed > 2 * without.primary.expected / (1 + without.primary.shift)
        assert reweighted.primary.observed == pytest.approx(reweighted.primary.expected, rel=0.5)

    def test_template_in_the_window_is_right_at_the_masses_of_the_mass_model(self, runs: tuple[Path, Path]) -> None:
        without, reweighted = (Diagnostics.load(folder / "diagnostics.npz") for folder in runs)
        np.testing.assert_array_equal(reweighted.template_mass, without.template_mass)
        assert without.template_x is not None
        assert reweighted.template_x is not None
        assert without.template_x[:, 0].mean() == pytest.approx(SHIFT, abs=0.08)
        assert reweighted.template_x[:, 0].mean() == pytest.approx(0, abs=0.08)

    def test_result_says_what_it_did(self, runs: tuple[Path, Path]) -> None:
        without, result = (SearchResult.read(folder / "result.json") for folder in runs)
        assert without.reweightings == ()
        assert [each.stage for each in result.reweightings] == ["template", "validation"]
        for each in result.reweightings:
            assert each.auc_before - 0.5 > 10 * each.auc_before_error
            assert abs(each.auc_after - 0.5) < 0.2 * (each.auc_before - 0.5)
            assert each.proposed / each.drawn == pytest.approx(10, rel=0.1)
            assert each.effective_sample_size < each.events
        assert result.reweightings[0].drawn == result.counts.template
        assert SearchResult.from_json(result.to_json()) == result

    def test_weights_of_the_closure_test_have_not_seen_the_validation_regions(
        self, events: Events, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        masses: list[Array] = []

        def spy(self: Any, data: Events, template: Any, **more: Any) -> Any:
            masses.append(data.mass)
            raise InterruptionError

        monkeypatch.setattr(Reweighting, "fit", spy)
        for verb in ("run", "validate"):
            with pytest.raises(InterruptionError):
                getattr(reweighted_search(), verb)(events)
        np.testing.assert_array_equal(masses[0], events.mass[REGION.sideband(events.mass)])
        np.testing.assert_array_equal(
            masses[1],
            without_validation_regions(events, REGION, reweighted_search().validation_regions(events.mass)).mass,
        )

    def test_validation_alone_is_that_of_the_search(self, events: Events, runs: tuple[Path, Path]) -> None:
        generator = TrueGenerator(shift=SHIFT)
        intervals = reweighted_search(generator=generator).validate(events)
        assert intervals.closures == SearchResult.read(runs[1] / "result.json").closures

    def test_too_few_events_are_refused_before_a_training(self) -> None:
        generator = TrueGenerator()
        search = reweighted_search(generator=generator, reweighting=Reweighting(folds=40))
        with pytest.raises(TooFewEventsError, match="folds = 40 of the reweighting"):
            search.run(toy_events(5_000, seed=64))
        assert generator.calls == []

    def test_it_decides_the_fingerprint(self, events: Events, runs: tuple[Path, Path]) -> None:
        plain, one = reweighted_search(reweighting=None), reweighted_search()
        other = reweighted_search(reweighting=Reweighting(classifier=Logistic(), folds=2, clip=6.0))
        trained = reweighted_search(reweighting=Reweighting(classifier=Logistic(ridge=1e-5), folds=2))
        assert len({search.fingerprint(events) for search in (plain, one, other, trained)}) == 4
        with pytest.raises(RunFolderError, match=r"reweighting was .*'clip': 10\.0"):
            reweighted_search(generator=TrueGenerator(shift=SHIFT), reweighting=None).run(events, output=runs[1])


class SpoiledGenerator(TrueGenerator):
    """Spoils the second feature too, whose correlation with the first is 1/2."""

    def sample(self, context: Any, *, seed: int) -> Any:
        x = super().sample(context, seed=seed)
        x[:, 1] += self.shift
        return x


def several(number: int) -> Search:
    """Of two reweightings, the first sees one feature of two that are wrong, the second sees all."""
    seen = (First(), AsRead())[:number]
    reweighting = [Reweighting(classifier=Logistic(), folds=2, clip=5.0, observables=each) for each in seen]
    return reweighted_search(generator=SpoiledGenerator(shift=SHIFT), reweighting=reweighting)


@pytest.fixture(scope="module")
def one_and_both(events: Events, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A search with the first of two reweightings, and with both."""
    folders = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("both")
    for number, folder in enumerate(folders, start=1):
        several(number).run(events, output=folder)
    return folders


class TestSeveral:
    def test_each_corrects_what_those_before_it_left(self, one_and_both: tuple[Path, Path]) -> None:
        one, both = (Diagnostics.load(folder / "diagnostics.npz") for folder in one_and_both)
        np.testing.assert_array_equal(one.template_mass, both.template_mass)
        assert one.template_x is not None
        assert both.template_x is not None
        truth = background_features(one.template_mass, np.random.default_rng(4))
        off = [(each.template_x - truth)[:, :2].mean(axis=0) for each in (one, both)]
        # What is wrong of the second feature and comes with the first goes with it: the correlation times the shift.
        np.testing.assert_allclose(off, [[0, SHIFT / 2], [0, 0]], atol=0.08)

    def test_the_result_tells_them_apart(self, one_and_both: tuple[Path, Path]) -> None:
        one, both = (SearchResult.read(folder / "result.json") for folder in one_and_both)
        assert (one.validated, both.validated) == (False, True)
        steps = [(each.stage, each.step) for each in both.reweightings]
        assert steps == [("template", 1), ("template", 2), ("validation", 1), ("validation", 2)]
        first, second = both.reweightings[:2]
        for each in (first, second):
            assert each.auc_before - 0.5 > 5 * each.auc_before_error
            assert abs(each.auc_after - 0.5) < 0.2 * (each.auc_before - 0.5)
        assert second.drawn == both.counts.template
        # The first draws what the second learns from; in the window both judge the same draws.
        assert first.drawn == second.events

    def test_they_are_a_list_among_the_settings(self, events: Events) -> None:
        first, second = (specification(each) for each in several(2).method.reweightings)
        assert several(2).settings()["method"]["reweighting"] == [first, second]
        alone = Reweighting(classifier=Logistic(), folds=2)
        for same in ((alone, [alone]), (None, [])):
            one, other = (reweighted_search(reweighting=each).fingerprint(events) for each in same)
            assert one == other
        assert [each["observables"]["kind"] for each in several(2).settings()["method"]["reweighting"]] == [
            "first",
            "as_read",
        ]
        assert several(1).fingerprint(events) != several(2).fingerprint(events)

    def test_every_one_is_asked_whether_the_events_suffice(self) -> None:
        search = reweighted_search(reweighting=[Reweighting(folds=2), Reweighting(folds=40)])
        with pytest.raises(TooFewEventsError, match="folds = 40 of the reweighting"):
            search.run(toy_events(5_000, seed=64))


class InterruptionError(Exception):
    pass


class Counting(BoostedTrees):
    """Boosted trees that count their trainings."""

    fits: ClassVar[Counter[str]] = Counter()

    def fit(self, *arguments: Any, **more: Any) -> Self:
        self.fits["done"] += 1
        return super().fit(*arguments, **more)


@pytest.mark.parametrize(
    ("stage", "call", "after"),
    [
        # One weight of two, and closures of 2 trainings each, before and after; the second step; then validation.
        ("reweighting", 2, 1 + 4 + 6 + 12),
        ("reweighting", 7, 2 + 6 + 12),
        ("reweighting 2", 2, 1 + 4 + 12),
        ("validation reweighting", 1, 12),
        ("validation reweighting 2", 1, 6),
        ("validation", 1, 0),
    ],
)
def test_an_interrupted_search_ends_as_if_nothing_had_happened(
    tmp_path: Path, whole: SearchResult, stage: str, call: int, after: int
) -> None:
    calls: Counter[str] = Counter()

    def stop(name: str, done: float, total: float, note: str = "") -> None:
        calls[name] += 1
        if (name, calls[name]) == (stage, call):
            raise InterruptionError

    events = toy_events(4_000, seed=65)
    with pytest.raises(InterruptionError):
        small().run(events, output=tmp_path, progress=stop)
    Counting.fits.clear()
    again = small().run(events, output=tmp_path)
    assert Counting.fits["done"] == after
    assert decisive(again) == decisive(whole)


def small() -> Search:
    classifier = Counting(members=1, max_iter=5, jobs=1)
    return reweighted_search(
        generator=TrueGenerator(shift=SHIFT),
        reweighting=[
            Reweighting(classifier=classifier, folds=2, clip=3.0, observables=First()),
            Reweighting(classifier=classifier, folds=2, clip=2.0),
        ],
        background_efficiencies=(0.1,),
    )


@pytest.fixture(scope="module")
def whole() -> SearchResult:
    """The result of the small search, without a folder."""
    return small().run(toy_events(4_000, seed=65))


def test_number_of_workers_decides_nothing() -> None:
    """With two, the generators are trained in two processes, and both reweightings in the first."""
    events, generator = toy_events(5_000, seed=66), small_flow_matching()
    results = [reweighted_search(generator=generator, workers=workers).run(events) for workers in (1, 2)]
    assert decisive(results[0]) == decisive(results[1])
    assert len(results[0].reweightings) == len(results[0].trainings) == 2
