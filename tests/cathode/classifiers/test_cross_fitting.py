"""Classifiers held out by fold."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from analysis.errors import TooFewEventsError
from cathode.classifiers import load_classifier
from cathode.classifiers.cross_fitting import Sample, cross_fit, held_out_scores
from cathode.errors import ClassifierFolderError

from ..toys import Discriminant, fingerprints

FOLDS = 4


def sample(n: int, seed: int, *, shift: float = 0.0) -> Sample:
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((n, 3)) + shift).astype(np.float32)
    return Sample(x, rng.uniform(0.5, 1.5, n), rng.integers(0, FOLDS, n))


@pytest.fixture
def data() -> Sample:
    return sample(600, 1, shift=0.3)


@pytest.fixture
def template() -> Sample:
    return sample(1_500, 2)


@pytest.fixture
def scored() -> list[tuple[int, int]]:
    Discriminant.scored.clear()
    return Discriminant.scored


def test_no_row_is_scored_by_a_classifier_that_saw_it(
    data: Sample, template: Sample, scored: list[tuple[int, int]]
) -> None:
    fit = cross_fit(Discriminant(remember=True), data, template, seeds=(1, 2, 3, 4))
    fit.score(data.x[:100], data.fold[:100])
    assert sum(rows for rows, _ in scored) == 600 + 1_500 + 100
    assert sum(seen for _, seen in scored) == 0
    # The spy would have noticed: each classifier knows the rows of the other folds.
    fit.classifiers[0].score(data.x)
    assert scored[-1] == (600, int((data.fold != 0).sum()))


def test_every_classifier_learns_from_all_other_folds_of_both_samples(data: Sample, template: Sample) -> None:
    fit = cross_fit(Discriminant(remember=True), data, template, seeds=(1, 2, 3, 4))
    for fold, classifier in enumerate(fit.classifiers):
        others = np.concatenate([s.x[s.fold != fold] for s in (data, template)])
        assert np.array_equal(classifier.seen_, np.unique(fingerprints(others)))
        y = np.concatenate([np.full(int((s.fold != fold).sum()), kind) for s, kind in ((data, 1), (template, 0))])
        weights = np.concatenate([s.weights[s.fold != fold] for s in (data, template)])
        alone = Discriminant().fit(others, y, weights=weights, seed=fold + 1)
        assert np.array_equal(alone.direction_, classifier.direction_)
        assert classifier.seed_ == fold + 1


def test_a_fold_is_scored_by_its_own_classifier(data: Sample, template: Sample) -> None:
    fit = cross_fit(Discriminant(), data, template, seeds=(1, 2, 3, 4))
    for fold, classifier in enumerate(fit.classifiers):
        assert np.array_equal(fit.data[data.fold == fold], classifier.score(data.x[data.fold == fold]))
        assert np.array_equal(fit.template[template.fold == fold], classifier.score(template.x[template.fold == fold]))
    assert np.array_equal(held_out_scores(fit.classifiers, data.x, data.fold), fit.data)


def test_what_happens_in_a_fold_stays_out_of_its_scores(data: Sample, template: Sample) -> None:
    """Change the data of fold 2 altogether: the classifier of fold 2 does not notice, every other one does."""
    x = data.x.copy()
    x[data.fold == 2] += 7
    before = cross_fit(Discriminant(), data, template, seeds=(1, 2, 3, 4)).classifiers
    after = cross_fit(Discriminant(), Sample(x, data.weights, data.fold), template, seeds=(1, 2, 3, 4)).classifiers
    same = [np.array_equal(a.direction_, b.direction_) for a, b in zip(before, after, strict=True)]
    assert same == [False, False, True, False]


def test_the_classifier_that_was_handed_over_stays_unfitted(data: Sample, template: Sample) -> None:
    mine = Discriminant()
    before = copy.deepcopy(vars(mine))
    cross_fit(mine, data, template, seeds=(1, 2, 3, 4))
    assert vars(mine) == before


def test_progress_rises_to_one(data: Sample, template: Sample) -> None:
    told: list[float] = []
    cross_fit(Discriminant(members=3), data, template, seeds=(1, 2, 3, 4), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    # Every member of every fold, and the end of every fold.
    assert told == pytest.approx([(fold + part) / 4 for fold in range(4) for part in (1 / 3, 2 / 3, 1, 1)])


@pytest.mark.parametrize(("n", "t", "kind"), [(60, 1_500, "data"), (600, 60, "template")])
def test_too_few_events_are_refused_by_name(n: int, t: int, kind: str) -> None:
    with pytest.raises(TooFewEventsError, match=rf"Without fold \d there are \d+ {kind} events.*fewer folds"):
        cross_fit(Discriminant(), sample(n, 1), sample(t, 2), seeds=(1, 2, 3, 4))


class TestFolder:
    def test_finished_folds_are_loaded_and_not_trained_again(
        self, data: Sample, template: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seeds = (1, 2, 3, 4)
        whole = cross_fit(Discriminant(), data, template, seeds=seeds)
        fitted: list[int] = []
        original = Discriminant.fit

        def counted(self: Discriminant, *args: object, seed: int, **more: object) -> Discriminant:
            fitted.append(seed)
            return original(self, *args, seed=seed, **more)

        monkeypatch.setattr(Discriminant, "fit", counted)

        def stop(done: float) -> None:
            if done >= 0.5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            cross_fit(Discriminant(), data, template, seeds=seeds, folder=tmp_path / "run", progress=stop)
        assert fitted == [1, 2]
        resumed = cross_fit(Discriminant(), data, template, seeds=seeds, folder=tmp_path / "run")
        assert fitted[:2] == [1, 2]
        assert set(fitted[2:]) <= {2, 3, 4}
        assert {3, 4} <= set(fitted[2:])
        assert np.array_equal(resumed.data, whole.data)
        assert np.array_equal(resumed.template, whole.template)
        fitted.clear()
        again = cross_fit(Discriminant(), data, template, seeds=seeds, folder=tmp_path / "run")
        assert fitted == []
        assert np.array_equal(again.data, whole.data)

    @pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
    def test_altered_classifier_is_refused(self, data: Sample, template: Sample, tmp_path: Path, name: str) -> None:
        cross_fit(Discriminant(), data, template, seeds=(1, 2, 3, 4), folder=tmp_path)
        path = tmp_path / "fold_1" / name
        content = bytearray(path.read_bytes())
        content[-9] ^= 1
        path.write_bytes(content)
        with pytest.raises(ClassifierFolderError, match="fold_1"):
            cross_fit(Discriminant(), data, template, seeds=(1, 2, 3, 4), folder=tmp_path)
        with pytest.raises(ClassifierFolderError):
            load_classifier(tmp_path / "fold_1")
