"""Comparing generators in the sidebands: the better one wins, by the right numbers, and the window stays closed."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from analysis.errors import TooFewEventsError
from analysis.events import Events
from cathode.comparison import candidate as evaluation
from cathode.comparison.comparison import compare_generators
from cathode.comparison.result import Candidate, GeneratorComparison
from cathode.errors import ConfigError, EmptyRegionError, RegionError, ResultError, RunFolderError
from cathode.runtime.specification import label
from generators import create
from generators.errors import DivergedError
from generators.tabular.base import FeatureDensity

from ..toys import (
    COVARIANCE,
    DRIFT,
    REGION,
    RESONANCE,
    Discriminant,
    TrueGenerator,
    toy_events,
    toy_search,
)


class TrueDensity(TrueGenerator):
    """Also knows log p(x | m); with a `shift` of the first feature."""

    def log_prob(self, x: Any, context: Any) -> Any:
        mean = (context - RESONANCE) / 1_000 * DRIFT + np.array([self.shift, 0, 0])
        pull = np.linalg.solve(np.linalg.cholesky(COVARIANCE), (x - mean).T)
        return -0.5 * (pull**2).sum(axis=0) - 0.5 * np.linalg.slogdet(2 * np.pi * COVARIANCE)[1]


@dataclass
class Named(TrueGenerator):
    """Has a name of its own in a comparison."""

    kind: ClassVar[str] = "named"

    shift: float = 0.0

    def __post_init__(self) -> None:
        super().__init__(self.shift)


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(40_000, signal=200, seed=31, truth=True)


def compare(events: Events, *candidates: Any, **changes: Any) -> GeneratorComparison:
    return compare_generators(events, REGION, candidates, **{"classifier": Discriminant(), "seed": 5, **changes})


def small_maf(**training: Any) -> Any:
    return create({"kind": "maf", "blocks": 2, "hidden": 8, "training": training})


def by_shift(comparison: GeneratorComparison) -> dict[float, Candidate]:
    return {j.generator["shift"]: j for j in comparison.candidates}


def without_times(comparison: GeneratorComparison) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(comparison.to_json())
    for candidate in plain["candidates"]:
        del candidate["training_seconds"], candidate["sampling_seconds"]
    return plain


@pytest.fixture(scope="module")
def compared(events: Events) -> GeneratorComparison:
    return compare(events, Named(-0.6), Named(0.0), Named(0.15))


class TestRanking:
    def test_closure_decides(self, compared: GeneratorComparison) -> None:
        assert [j.generator["shift"] for j in compared.candidates] == [0.0, 0.15, -0.6]
        assert [j.name for j in compared.candidates] == ["named", "named (shift 0.15)", "named (shift -0.6)"]
        assert [j.as_good for j in compared.candidates] == [True, False, False]
        assert [j.closes for j in compared.candidates] == [True, False, False]
        assert compared.best.auc.value == pytest.approx(0.5, abs=3.5 * compared.best.auc.error)

    def test_distances_of_the_truth_are_at_the_floor_and_others_rise_with_the_shift(
        self, compared: GeneratorComparison
    ) -> None:
        found = by_shift(compared)
        for name in ("wasserstein", "energy"):
            true, near, far = (getattr(found[shift], name) for shift in (0.0, 0.15, -0.6))
            assert abs(true.excess) < 3
            assert near.excess > 4
            assert far.value > 2.5 * near.value
            assert true.floor == near.floor == far.floor
        # A shift along one of three features is half as long in projection, in units of the width of that feature.
        assert found[-0.6].wasserstein.value == pytest.approx(0.5 * 0.6 / COVARIANCE[0, 0] ** 0.5, rel=0.1)

    def test_two_that_close_are_as_good_as_each_other(self, events: Events) -> None:
        found = compare(events, TrueGenerator(), TrueGenerator(0.001))
        assert [j.as_good for j in found.candidates] == [True, True]
        assert {j.name.removesuffix(" #2") for j in found.candidates} == {label(TrueGenerator())}
        assert len({j.name for j in found.candidates}) == 2

    def test_weights_are_those_of_the_data(self, events: Events) -> None:
        tilt = dataclasses.replace(events, weights=np.exp(0.5 * events.x[:, 0].astype(np.float64)))
        found = compare(tilt, TrueGenerator(0.5), TrueGenerator())
        # A tilt by exp(x/2) moves the first feature by half its variance, and what it is correlated with.
        assert found.best.wasserstein.value < 0.6 * found.candidates[1].wasserstein.value
        assert found.candidates[1].wasserstein.excess > 10
        double = compare(dataclasses.replace(events, weights=np.full(len(events), 2.0)), TrueGenerator())
        plain = compare(events, TrueGenerator())
        assert double.best.auc.value == pytest.approx(plain.best.auc.value)
        assert double.best.wasserstein.value == pytest.approx(plain.best.wasserstein.value)


class TestLikelihood:
    @pytest.mark.parametrize("most", [10_000, 1_500])
    def test_is_the_true_one_and_its_loss_that_of_a_gaussian(
        self, events: Events, most: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(evaluation, "_LIKELIHOOD", most)
        found = compare(events, TrueDensity(), TrueDensity(0.3), TrueGenerator())
        densities = sorted((j for j in found.candidates if j.behind is not None), key=lambda j: j.behind.value)
        true, moved = densities
        assert found.candidates[[j.behind for j in found.candidates].index(None)].log_likelihood is None
        entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * COVARIANCE)[1]
        assert true.log_likelihood.value == pytest.approx(-entropy, abs=4 * true.log_likelihood.error)
        assert (true.behind.value, true.behind.error) == (0, 0)
        lost = 0.5 * 0.3**2 * np.linalg.inv(COVARIANCE)[0, 0]
        assert moved.behind.value == pytest.approx(lost, abs=4 * moved.behind.error)
        assert moved.behind.value == pytest.approx(true.log_likelihood.value - moved.log_likelihood.value)
        used = min(most, found.validation_events)
        assert true.log_likelihood.error == pytest.approx((1.5 / used) ** 0.5, rel=0.2)
        # Most of the scatter is the same in both.
        assert moved.behind.error < 0.5 * moved.log_likelihood.error

    def test_an_impossible_event_is_counted_and_left_out_in_all(self, events: Events) -> None:
        class Narrow(TrueDensity):
            def log_prob(self, x: Any, context: Any) -> Any:
                return np.where(np.arange(len(x)) % 50 == 3, -np.inf, super().log_prob(x, context))

        found = compare(events, Narrow(0.3), TrueDensity(), TrueDensity(0.3))
        narrow, same = (
            j for j in sorted(found.candidates, key=lambda j: j.impossible, reverse=True) if j.behind.value > 0
        )
        assert (narrow.impossible, same.impossible) == (pytest.approx(0.02, rel=0.02), 0)
        assert narrow.behind == same.behind
        assert np.isfinite(narrow.log_likelihood.value)


class TestBlindness:
    def test_the_window_and_the_labels_do_not_matter(self, events: Events) -> None:
        window = REGION.signal(events.mass)
        reference = without_times(compare(events, TrueDensity(), TrueDensity(0.3)))
        rng = np.random.default_rng(1)
        spoiled = dataclasses.replace(
            events,
            x=np.where(window[:, None], rng.normal(size=events.x.shape) * 1e6, events.x),
            weights=np.where(window, -1e9, events.weights),
            mass=np.where(window, rng.uniform(REGION.low, REGION.high, len(events)), events.mass),
            truth=~events.truth if events.truth is not None else None,
        )
        assert without_times(compare(spoiled, TrueDensity(), TrueDensity(0.3))) == reference
        assert without_times(compare(events[~window], TrueDensity(), TrueDensity(0.3))) == reference

    def test_generators_learn_beside_window_and_validation_regions(self, events: Events) -> None:
        generator = TrueGenerator()
        found = compare(events, generator, validation_regions=[(3_900, 4_100), (2_600, 2_900)])
        ((x, context, weights),) = generator.calls
        assert found.validation_regions == ((2_600, 2_900), (3_900, 4_100))
        kept = REGION.sideband(events.mass) & ~np.any(
            [(low <= events.mass) & (events.mass < high) for low, high in found.validation_regions], axis=0
        )
        assert np.array_equal(context[:, 0], events.mass[kept])
        assert len(x) == len(weights) == found.training_events
        assert found.validation_events == REGION.sideband(events.mass).sum() - kept.sum()
        assert [(c.low, c.high) for c in found.best.closures] == [(2_600, 2_900), (3_900, 4_100)]

    def test_validation_regions_are_those_of_the_validation(self, events: Events) -> None:
        """The numbers too: a choice can be followed into the search."""
        found = compare(events, TrueGenerator(0.1))
        search = toy_search(generator=TrueGenerator(0.1), closure_generators=1, seed=5)
        validated = search.validate(toy_events(40_000, signal=20_000, seed=31)).closures
        mine = [c.auc for c in compare(toy_events(40_000, signal=20_000, seed=31), TrueGenerator(0.1)).best.closures]
        assert mine == [c.auc for c in validated]
        assert mine != [c.auc for c in found.best.closures]


class TestFolder:
    @pytest.fixture
    def fits(self, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
        """Counts trainings of generators and of classifiers."""
        count: Counter[str] = Counter()
        for name, cls in (("generators", FeatureDensity), ("classifiers", Discriminant)):

            def counted(self: Any, *args: Any, _fit: Any = cls.fit, _name: str = name, **kwargs: Any) -> Any:
                count[_name] += 1
                return _fit(self, *args, **kwargs)

            monkeypatch.setattr(cls, "fit", counted)
        return count

    def test_an_interrupted_comparison_goes_on_and_another_list_uses_what_is_there(
        self, events: Events, fits: Counter[str], tmp_path: Path
    ) -> None:
        one, other = small_maf(epochs=1), small_maf(epochs=2)
        options: dict[str, Any] = {"folds": 2}
        thin = events[::8]

        def stop(stage: str, done: float, total: float, note: str = "") -> None:
            if stage == "evaluate maf (training.epochs 2, blocks 2, hidden 8)":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            compare(thin, one, other, output=tmp_path, progress=stop, **options)
        assert fits == {"generators": 2, "classifiers": 3}
        assert not (tmp_path / "comparison.json").exists()
        fits.clear()
        found = compare(thin, one, other, output=tmp_path, **options)
        assert fits == {"classifiers": 2}
        assert GeneratorComparison.read(tmp_path / "comparison.json") == found
        assert all(j.training_seconds is not None for j in found.candidates)
        whole = without_times(compare(thin, one, other, **options))
        assert without_times(found) == whole
        fits.clear()
        again = compare(thin, other, TrueGenerator(), output=tmp_path, **options)
        assert fits == {"classifiers": 2}
        assert {j["name"]: j["auc"] for j in whole["candidates"]}[
            "maf (training.epochs 2, blocks 2, hidden 8)"
        ] == dataclasses.asdict(next(j for j in again.candidates if j.generator["kind"] == "maf").auc)
        with pytest.raises(RunFolderError, match="seed was 5"):
            compare(thin, one, output=tmp_path, **options, seed=6)

    def test_fewer_states_need_no_training(self, events: Events, fits: Counter[str], tmp_path: Path) -> None:
        generator = small_maf(epochs=3, best_states=3)
        found = compare(events[::8], generator, best_states=(1, 2, 3), folds=2, output=tmp_path)
        assert fits == {"generators": 1, "classifiers": 6}
        names = {j.name.rpartition(", ")[2]: j for j in found.candidates}
        assert {name for name in names if name.startswith("best")} == {"best 1", "best 2"}
        assert names["best 1"].generator["training"]["best_states"] == 1
        with pytest.raises(ConfigError, match="best_states: 7: no candidate keeps more than 3"):
            compare(events[::8], generator, best_states=(1, 7), folds=2)
        fits.clear()
        single = compare(events[::8], small_maf(epochs=3, best_states=1), folds=2)
        assert fits["generators"] == 1
        assert single.best.auc == names["best 1"].auc
        assert single.best.log_likelihood == names["best 1"].log_likelihood


class TestFailures:
    def test_one_that_fails_is_named_and_the_others_are_judged(self, events: Events) -> None:
        class Diverging(TrueGenerator):
            def fit(self, *args: Any, **kwargs: Any) -> Any:
                raise DivergedError("Loss in epoch 1 is nan.")

        class Empty(TrueGenerator):
            def sample(self, context: Any, *, seed: int) -> Any:
                return np.full((len(context), 3), np.nan)

        found = compare(events, Diverging(), TrueGenerator(), Empty())
        assert len(found.candidates) == 1
        assert [why.split(".")[0] for why in found.failures.values()] == [
            "Loss in epoch 1 is nan",
            f"The generator gave {4 * found.validation_events} of {4 * found.validation_events} events with NaN or "
            "infinity",
        ]
        with pytest.raises(ResultError, match=r"No candidate could be evaluated\. .*Loss in epoch 1"):
            _ = compare(events, Diverging()).best

    @pytest.mark.parametrize(
        ("regions", "said"),
        [
            ([(3_200, 3_400)], "3200–3400 GeV does not lie in a sideband"),
            ([(2_200, 2_500)], "2200–2500 GeV does not lie in a sideband"),
            ([(5_200, 5_400)], "5200–5400 GeV does not lie in a sideband"),
            ([(3_200, 3_800)], "does not lie in a sideband"),
            ([(2_500, 2_800), (2_700, 2_900)], "2500–2800 and 2700–2900 GeV overlap"),
            ([(2_800, 2_500)], "finite low < high"),
            ([], "At least one validation region"),
        ],
    )
    def test_validation_regions_elsewhere_are_refused(
        self, events: Events, regions: list[tuple[float, float]], said: str
    ) -> None:
        with pytest.raises(RegionError, match=said):
            compare(events, TrueGenerator(), validation_regions=regions)

    def test_too_few_events_are_refused_before_any_training(self, events: Events) -> None:
        generator = TrueGenerator()
        with pytest.raises(EmptyRegionError, match="3100–3300"):
            compare(events[~((events.mass > 3_100) & (events.mass < 3_300))], generator)
        with pytest.raises(TooFewEventsError, match="sidebands outside of the validation regions"):
            compare(events[::80], generator)
        assert generator.calls == []


def test_a_comparison_survives_json(compared: GeneratorComparison) -> None:
    full = dataclasses.replace(compared, failures={"maf": "diverged"}, config={"seed": 1})
    assert GeneratorComparison.from_json(full.to_json()) == full
    with pytest.raises(ResultError, match="schema version"):
        GeneratorComparison.from_json("{}")
    assert str(full).splitlines()[0].startswith("named: AUC 0.")


def test_a_comparison_of_before_its_fields_had_their_names_is_read(compared: GeneratorComparison) -> None:
    """Version 1, `selection.json`, spoke of strips and judgements."""
    body = json.loads(compared.to_json())
    names = {"validation_regions": "strips", "validation_events": "strip_events", "candidates": "judgements"}
    old = {names.get(name, name): value for name, value in body.items()} | {"schema_version": 1}
    assert GeneratorComparison.from_json(json.dumps(old)) == compared
    with pytest.raises(ResultError, match="schema version"):
        GeneratorComparison.from_json(json.dumps(old | {"schema_version": 3}))
    with pytest.raises(ResultError, match="schema version"):
        GeneratorComparison.from_json(json.dumps(old | {"schema_version": [1]}))
