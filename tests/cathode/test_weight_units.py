"""No result may depend on what a weight of one means; only sums of weights carry the unit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.events import Events
from analysis.weights import effective_sample_size
from cathode.classifiers.boosted_trees import BoostedTrees
from cathode.classifiers.forest import bin_edges
from cathode.classifiers.mlp import Mlp
from cathode.classifiers.negative_weights import without_negative
from cathode.classifiers.rows import training_rows
from cathode.errors import WeightsError
from cathode.region import Region
from cathode.report.histograms import histogram
from cathode.result import SearchResult
from cathode.search import Search
from cathode.template.mass_models import DijetFitMass
from cathode.template.rejection import _masses
from cathode.template.reweighting import Reweighting
from generators.registry import create
from generators.training.settings import TrainingSettings

from .toys import TrueGenerator, toy_events, toy_search

EXACT = [2.0, 2.0**-30]
UNITS = [*EXACT, 1e-3, 137.035, 1e-300, 1e290]
REGION = Region(3300, 3700)


def weighted(kind: str) -> Events:
    rng = np.random.default_rng(9)
    events = toy_events(9_000, signal=150, seed=11)
    pool = {"equal": [1.0], "mixed": [1.0, 1.5, 2.0, 3.0], "negative": [1.0, 1.0, 1.0, 3.0, -1.0]}[kind]
    return dataclasses.replace(events, weights=rng.choice(pool, len(events)))


def in_unit(events: Events, factor: float) -> Events:
    return dataclasses.replace(events, weights=events.weights * factor)


def trees() -> BoostedTrees:
    return BoostedTrees(members=2, max_iter=15, jobs=1)


def quick(**changes: Any) -> Search:
    settings = {"region": REGION, "mass_model": DijetFitMass(functions=("f2",)), "classifier": trees(), "folds": 2}
    return toy_search(**{**settings, "closure_members": 1, "oversampling": 2, **changes})


def same(found: SearchResult, expected: SearchResult, factor: float) -> None:
    """Whether all numbers are those of `expected`, sums of weights times the factor."""
    for one, other in zip(found.cuts, expected.cuts, strict=True):
        assert one.thresholds == other.thresholds
        assert one.template_passing == other.template_passing
        sums = [
            [getattr(cut, n) for n in ("observed", "expected", "statistical", "systematic")] for cut in (one, other)
        ]
        np.testing.assert_allclose(sums[0], np.multiply(sums[1], factor), rtol=1e-12)
        numbers = [[getattr(cut, n) for n in ("p_value", "p_value_exact", "significance")] for cut in (one, other)]
        np.testing.assert_allclose(numbers[0], numbers[1], rtol=0 if factor in EXACT else 1e-9)
    for mine, its in zip(found.closures, expected.closures, strict=True):
        assert (mine.auc, mine.auc_error, mine.passed) == pytest.approx((its.auc, its.auc_error, its.passed), rel=1e-12)
    assert found.systematics == pytest.approx(expected.systematics, rel=1e-9)
    assert found.mass_model.chi2 == expected.mass_model.chi2
    assert found.mass_model.expected == pytest.approx(factor * expected.mass_model.expected, rel=1e-12)
    assert found.mass_model.expected_error == pytest.approx(factor * expected.mass_model.expected_error, rel=1e-12)
    assert [test.passed for test in found.sculpting] == [test.passed for test in expected.sculpting]


@pytest.fixture(scope="module")
def found() -> dict[str, SearchResult]:
    return {kind: quick().run(weighted(kind)) for kind in ("equal", "mixed", "negative")}


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    y = np.arange(900) < 300
    # Whole numbers tie, so that edges of bins are values of many rows.
    x = np.round(rng.standard_normal((900, 2)) * 20 + 5 * y[:, None])
    return x, y, np.where(y, rng.choice([1.0, 2.0, 3.0, -0.5], 900), 1.0)


class TestSearch:
    @pytest.mark.parametrize("factor", UNITS)
    @pytest.mark.parametrize("kind", ["equal", "mixed", "negative"])
    def test_selects_the_same_events_in_every_unit(
        self, found: dict[str, SearchResult], kind: str, factor: float
    ) -> None:
        same(quick().run(in_unit(weighted(kind), factor)), found[kind], factor)

    def test_with_reweighting_selects_the_same_events(self) -> None:
        search = quick(reweighting=Reweighting(classifier=trees(), folds=2), generator=TrueGenerator(0.2))
        events = weighted("mixed")
        found = [search.run(in_unit(events, factor)) for factor in (1.0, 137.035)]
        same(found[1], found[0], 137.035)
        for one, other in zip(found[0].reweightings, found[1].reweightings, strict=True):
            assert dataclasses.replace(one, outside_support=0) == dataclasses.replace(other, outside_support=0)
            assert one.outside_support == pytest.approx(other.outside_support, rel=1e-12)

    @pytest.mark.parametrize(
        ("weights", "where"),
        [
            (lambda mass: np.zeros(len(mass)), "in the sidebands"),
            (lambda mass: np.where(REGION.signal(mass), 0.0, 1.0), "in the signal region"),
            (lambda mass: np.where(REGION.signal(mass), 1.0, -1.0), "in the sidebands"),
            (lambda mass: np.full(len(mass), 1.7e308), "in the sidebands"),
        ],
    )
    def test_weights_without_a_positive_sum_are_refused_at_once(
        self, weights: Callable[[np.ndarray], np.ndarray], where: str
    ) -> None:
        events = toy_events(6_000, seed=1)
        with pytest.raises(WeightsError, match=where):
            quick().run(dataclasses.replace(events, weights=weights(events.mass)))


class TestClassifiers:
    @pytest.mark.parametrize("factors", [(f, 1.0) for f in UNITS] + [(1.0, 3.7), (1e-3, 137.035)])
    @pytest.mark.parametrize(
        "classifier", [trees, lambda: Mlp(epochs=2, hidden=8, layers=1, best_epochs=1)], ids=["trees", "mlp"]
    )
    def test_scores_are_the_same_whatever_the_unit_of_data_and_template(
        self, sample: tuple[np.ndarray, np.ndarray, np.ndarray], classifier: Callable[[], Any], factors: tuple
    ) -> None:
        x, y, w = sample
        scaled = w * np.where(y, *factors)
        expected = classifier().fit(x, y, weights=w, seed=2).score(x)
        np.testing.assert_array_equal(classifier().fit(x, y, weights=scaled, seed=2).score(x), expected)

    @pytest.mark.parametrize("factor", UNITS)
    def test_one_weight_for_all_is_none(self, sample: tuple[np.ndarray, np.ndarray, np.ndarray], factor: float) -> None:
        x, y, _ = sample
        expected = trees().fit(x, y, seed=2).score(x)
        for w in (np.full(len(x), factor), np.where(y, factor, 1.0)):
            np.testing.assert_array_equal(trees().fit(x, y, weights=w, seed=2).score(x), expected)

    @pytest.mark.parametrize("factor", UNITS)
    def test_bins_are_those_of_the_definition(
        self, sample: tuple[np.ndarray, np.ndarray, np.ndarray], factor: float
    ) -> None:
        """The k-th edge of n bins is the smallest value with a fraction k/n of the weight at or below it."""
        x, y, w = sample
        rows = training_rows(x, y, np.where(y, np.abs(w), 1.0) * np.where(y, factor, 1.0))
        share = np.where(y, np.abs(w) / np.abs(w)[y].mean(), 1.0)
        for column, edges in zip(x.T, bin_edges(rows.x, rows.weights, 16), strict=True):
            values = np.unique(column)
            below = np.array([share[column <= value].sum() for value in values]) / share.sum()
            wanted = {float(values[np.argmax(below >= k / 16 - 1e-9)]) for k in range(1, 16)}
            assert set(edges.tolist()) == wanted

    @pytest.mark.parametrize("factor", [1.0, 137.035, 1e-3])
    def test_a_cell_that_cancels_exactly_is_found_in_every_unit(self, factor: float) -> None:
        w = np.array([0.7, 0.4, -1.1, 1.0]) * factor
        found = without_negative(np.array([[0.0], [0.1], [0.2], [9.0]]), w)
        np.testing.assert_allclose(found, [0, 0, 0, factor], atol=1e-12 * factor)


@pytest.mark.parametrize("factor", UNITS)
@pytest.mark.parametrize("kind", ["flow_matching"])
def test_generators_learn_the_same_in_every_unit(kind: str, factor: float) -> None:
    events = weighted("negative")[:400]
    training = dataclasses.asdict(TrainingSettings(epochs=1, batch_size=128, ema_decay=None))
    found = [
        create({"kind": kind, "hidden": 8, "layers": 1, "training": training}).fit(
            events.x, events.context, weights=events.weights * scale, seed=1
        )
        for scale in (1.0, factor)
    ]
    assert found[0].train_losses_ == found[1].train_losses_
    drawn = [each.sample(events.context[:50], seed=2) for each in found]
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("factor", UNITS)
def test_masses_of_a_weighted_template_are_the_same_in_every_unit(factor: float) -> None:
    events = weighted("mixed")
    np.testing.assert_array_equal(_masses(in_unit(events, factor)), _masses(events))


@pytest.mark.parametrize("factor", UNITS)
def test_errors_of_a_histogram_have_the_unit_of_its_contents(factor: float) -> None:
    values, weights = np.array([0.5, 0.6, 1.5]), np.array([3.0, 4.0, 1.0])
    found = histogram(values, np.array([0.0, 1.0, 2.0]), weights * factor)
    np.testing.assert_allclose(found.content, np.array([7.0, 1.0]) * factor)
    np.testing.assert_allclose(found.error, np.array([5.0, 1.0]) * factor)


@pytest.mark.parametrize("factor", UNITS)
def test_effective_sample_size_has_no_unit(factor: float) -> None:
    assert effective_sample_size(np.array([1.0, 3.0]) * factor) == pytest.approx(1.6)


def test_weights_of_two_select_the_events_that_weights_of_one_do() -> None:
    """With bins that saw data of weight two beside a template of weight one, 114 passed instead of 101."""
    rng = np.random.default_rng(1)
    mass = 2200 + rng.exponential(700, 9_000)
    x = np.stack([rng.normal(size=9_000), rng.gamma(2, 1, 9_000)], axis=1)
    events = Events(x=x, mass=mass, columns=("a", "b"))
    generator = create({"kind": "gaussian_mixture", "training": {"steps": 20}})
    search = Search.of(
        region=REGION,
        generator=generator,
        classifier=BoostedTrees(members=1, jobs=1),
        folds=2,
        oversampling=2,
        background_efficiencies=(0.1,),
        closure=False,
        workers=1,
    )
    found = [search.run(in_unit(events, factor)).primary for factor in (1.0, 2.0)]
    assert 60 < found[0].observed < 140
    assert found[1].observed == 2 * found[0].observed
    assert found[1].expected == pytest.approx(2 * found[0].expected, rel=1e-12)
    assert found[1].thresholds == found[0].thresholds
