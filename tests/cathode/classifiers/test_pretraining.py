"""What a classifier learns in the sidebands before it is asked: from which events, and what that is worth."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.errors import NonFiniteError, TooFewEventsError
from analysis.events import FloatArray
from analysis.metrics.sic_and_auc import auc
from cathode import observables
from cathode.classifiers import Pretrainable, SubstructureRegression, Transformer, load_classifier, register
from cathode.errors import ClassifierFolderError, ConfigError
from cathode.template.reweighting import Reweighting
from cathode.validation.held_out import without_validation_regions

from ..toys import REGION, Discriminant, TrueGenerator, decisive, fingerprints, prongs, toy_events, toy_search

Array = NDArray[np.float64]

SMALL: dict[str, Any] = {"width": 16, "blocks": 1, "jet_blocks": 0, "heads": 2, "batch_size": 32, "ema_decay": 0.9}
ELONGATION = {"kind": "toy_elongation"}


@observables.register
@dataclass(frozen=True)
class Elongation(observables.Observables):
    """How much a single jet is spread along one direction more than across: no sum over constituents alone."""

    kind: ClassVar[str] = "toy_elongation"

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return ("elongation",)

    def compute(self, x: FloatArray) -> FloatArray:
        at = x[:, 0, :, 1] + 1j * x[:, 0, :, 2]
        found: FloatArray = np.abs(np.square(at - at.mean(axis=1, keepdims=True)).mean(axis=1, keepdims=True))
        return found


@observables.register
@dataclass(frozen=True)
class Doubled(observables.Observables):
    """Twice what was read."""

    kind: ClassVar[str] = "toy_doubled"

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return columns

    def compute(self, x: FloatArray) -> FloatArray:
        return 2 * x


@register
@dataclass(kw_only=True, eq=False)
class Learned(Discriminant):
    """Is only to be fitted after it was given sideband events; keeps whatever it was given."""

    kind: ClassVar[str] = "toy_learned"
    given: ClassVar[list[Any]] = []
    fitted: ClassVar[list[int]] = []

    def pretrained(self, x: Any, *, seed: int, folder: Any = None, monitor: Any = None) -> Self:
        self.given.append(x)
        found = copy.copy(self)
        found.start_ = 7
        monitor(1, 1)
        return found

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Self:
        assert self.start_ == 7
        self.fitted.append(self.members)
        return super().fit(x, y, **kwargs)

    start_: int = dataclasses.field(default=0, init=False)

    def hyperparameters(self) -> dict[str, Any]:
        return {"members": self.members, "remember": self.remember}


def test_a_search_gives_its_sidebands_without_the_validation_regions() -> None:
    """Once, to the classifiers of window, closure test and idealised detector, however few members the test takes."""
    events = toy_events(6_000, signal=100, seed=70, truth=True)
    told: list[str] = []
    Learned.given.clear()
    Learned.fitted.clear()
    search = toy_search(classifier=Learned(members=3), closure_members=2, folds=2)
    search.run(events, reference=toy_events(3_000, seed=71), progress=lambda stage, *_: told.append(stage))
    outside = without_validation_regions(events, REGION, REGION.validation_regions(fraction=0.5))
    (given,) = Learned.given
    np.testing.assert_array_equal(np.sort(fingerprints(given)), np.sort(fingerprints(outside.x)))
    assert len(outside) < REGION.sideband(events.mass).sum()
    assert Learned.fitted == [3, 3, 2, 2, 3, 3]
    assert "pretraining" in told

    Learned.given.clear()
    search.validate(events)
    np.testing.assert_array_equal(Learned.given[0], given)


class Undecided(Learned):
    """Finds data and template equal; remembers what it was asked about."""

    asked: ClassVar[list[Array]] = []

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Self:
        self.asked.append(np.array(x))
        return super().fit(x, y, **kwargs)

    def score(self, x: Any) -> Array:
        return np.full(len(x), 0.5)


@pytest.mark.parametrize("closure", [False, True])
def test_what_reweights_learns_from_events_that_it_is_not_asked_about(closure: bool) -> None:
    """A template drawn for that alone, once for the window and once for the closure test, by its own observables."""
    events = toy_events(6_000, seed=92)
    Learned.given.clear()
    Learned.fitted.clear()
    reweighting = Reweighting(classifier=Undecided(members=4), folds=2, observables=Doubled())
    search = toy_search(reweighting=reweighting, classifier=Learned(members=3), folds=2, closure=closure)
    Undecided.asked.clear()
    search.run(events)
    lessons = [x for x in Learned.given if x.shape[1] == 1 + events.x.shape[1]]
    assert len(lessons) == len(Learned.given) - 1 == 1 + closure
    known = np.concatenate([fingerprints(rows) for rows in Undecided.asked])
    for x in lessons:
        # The mass is the last column, as in what it is asked about.
        assert 2500 < np.median(x[:, -1]) < 6000
        assert x[:, 0].std() == pytest.approx(2 * events.x[:, 0].std(), rel=0.1)
        assert not np.isin(fingerprints(x), known).any()
    # Weights of two folds, and two closures with two halves of each of them.
    assert Learned.fitted.count(4) == 6 * (1 + closure)


def test_a_classifier_without_pretraining_is_not_asked() -> None:
    assert not isinstance(Discriminant(), Pretrainable)
    assert isinstance(Transformer(), Pretrainable)
    plain = Transformer()
    assert plain.pretrained(np.ones((3, 2)), seed=1) is plain


def test_what_was_learned_without_labels_makes_few_labels_worth_more() -> None:
    distance = np.random.default_rng(72).uniform(0.0, 0.7, 3000)
    unlabelled = prongs(3000, distance[:, None, None], seed=73)
    few = np.concatenate([prongs(60, 0.35, seed=74), prongs(60, 0.0, seed=75)])
    y = np.arange(120) < 60
    held_out = np.concatenate([prongs(2000, 0.35, seed=76), prongs(2000, 0.0, seed=77)])
    truth = np.arange(4000) < 2000
    budget: dict[str, Any] = {**SMALL, "epochs": 4, "learning_rate": 6e-3}
    pretraining = {"observables": "toy_elongation", "steps": 400}
    tuned = Transformer(**budget, pretraining=pretraining).pretrained(unlabelled, seed=78).fit(few, y, seed=79)
    fresh = Transformer(**budget).fit(few, y, seed=79)
    found = [auc(each.score(held_out), truth).value for each in (tuned, fresh)]
    assert found[0] > found[1] + 0.03, found


def small(**changes: Any) -> Transformer:
    return Transformer(**{**SMALL, "epochs": 1, "pretraining": {"observables": ELONGATION, "steps": 3}, **changes})


def test_without_a_search_it_learns_from_the_events_of_the_fit(tmp_path: Path) -> None:
    x, y = prongs(60, 0.3, seed=80).astype(np.float32), np.arange(60) % 2
    alone = small().fit(x, y, seed=81)
    both = small().pretrained(x, seed=81).fit(x, y, seed=81)
    np.testing.assert_array_equal(alone.score(x), both.score(x))
    saved = load_classifier(both.save(tmp_path / "classifier"))
    np.testing.assert_array_equal(saved.score(x), both.score(x))
    assert saved.pretraining == both.pretraining == SubstructureRegression(observables="toy_elongation", steps=3)


def test_what_was_learned_is_kept_in_a_folder(tmp_path: Path) -> None:
    x, others = prongs(60, 0.3, seed=82), prongs(60, 0.2, seed=83)
    folder = tmp_path / "pretraining"
    first = small().pretrained(x, seed=84, folder=folder)
    # Other events would teach something else: the second time nothing is learned.
    again = small(members=2).pretrained(others, seed=84, folder=folder)
    assert all((first.start_[name] == again.start_[name]).all() for name in first.start_)
    anew = small().pretrained(others, seed=84)
    assert not all((first.start_[name] == anew.start_[name]).all() for name in first.start_)
    assert not any(name.startswith("head.") for name in first.start_)
    with pytest.raises(ConfigError, match=r"width = 8, but the backbone .* 16"):
        small(width=8).pretrained(x, seed=84, folder=folder)
    with pytest.raises(ConfigError, match=r"pretraining = .*'steps': 4.* has .*'steps': 3"):
        small(pretraining={"observables": ELONGATION, "steps": 4}).pretrained(x, seed=84, folder=folder)
    (folder / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ClassifierFolderError):
        small().pretrained(x, seed=84, folder=folder)


def test_no_more_is_computed_than_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    compute = Elongation.compute
    monkeypatch.setattr(Elongation, "compute", lambda self, x: seen.append(len(x)) or compute(self, x))
    for events in (500, 100):
        small().pretrained(prongs(events, 0.3, seed=90), seed=91)
    # Three steps of 32, and a fifth beside them for validation.
    assert seen == [120, 100]


def test_bad_lessons_are_refused() -> None:
    with pytest.raises(ConfigError, match="not both"):
        small(backbone="somewhere")
    with pytest.raises(ConfigError, match=r"No observables of kind 'toy_elongated'. .*toy_elongation"):
        small(pretraining={"observables": "toy_elongated"})
    with pytest.raises(ConfigError, match="'toy_elongation' is no mapping"):
        small(pretraining="toy_elongation")
    with pytest.raises(ConfigError, match="steps = 0"):
        small(pretraining={"steps": 0})
    with pytest.raises(ConfigError, match="pretraining has no hyperparameter 'epochs'"):
        small(pretraining={"epochs": 3})
    with pytest.raises(TooFewEventsError, match="9 events"):
        small().pretrained(prongs(9, 0.3, seed=85), seed=86)
    x = prongs(20, 0.3, seed=87)
    x[3, 0, 2, 1] = np.nan
    with pytest.raises(NonFiniteError):
        small().pretrained(x, seed=86)


class Clouds(TrueGenerator):
    """Prongs whose distance is the same at every mass."""

    def sample(self, context: Any, *, seed: int) -> Any:
        return prongs(len(context), 0.3, seed=seed).astype(np.float32)


def test_an_interrupted_search_goes_on_with_what_was_learned(tmp_path: Path) -> None:
    events = toy_events(2_500, seed=88)
    events = dataclasses.replace(events, x=prongs(len(events), 0.3, seed=89), columns=("pt", "eta", "phi"))
    search = toy_search(generator=Clouds(), classifier=small(), folds=2, background_efficiencies=(0.1,))
    whole = search.run(events)

    class StopError(Exception):
        pass

    def stop(stage: str, done: float, *_: Any) -> None:
        if stage == "classifier":
            raise StopError

    with pytest.raises(StopError):
        search.run(events, output=tmp_path, progress=stop)
    assert sorted(path.name for path in (tmp_path / "pretraining").iterdir()) == ["card.json", "weights.safetensors"]
    stages: list[str] = []
    again = search.run(events, output=tmp_path, progress=lambda stage, *_: stages.append(stage))
    assert "pretraining" not in stages
    assert decisive(again) == decisive(whole)
