"""Data against a reference, held out by fold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.folds import fold_of, random_folds
from cathode.errors import ClassifierFolderError
from cathode.methods.contrast import contrast, load_contrast, predicted_by
from cathode.methods.protocol import Background, Task
from cathode.observables import AsRead
from cathode.region import Interval
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template

from ..toys import REGION, Discriminant, toy_events

WINDOW = (Interval(REGION.low, REGION.high),)

FOLDS = 3


def found(folder: Path | None = None) -> tuple[Any, Task]:
    events = toy_events(3_000, signal=100, seed=1)
    observed = AsRead().observed(events)
    task = Task(
        Background(events, AsRead()),
        observed,
        lambda n, seed: np.full(n, 3500.0),
        FOLDS,
        WINDOW,
    )
    drawn = toy_events(4_000, seed=2)
    reference = {"x": drawn.x, "mass": drawn.mass, "weights": np.ones(len(drawn))}
    fold = random_folds(len(drawn), FOLDS, seed=5)
    return contrast(
        Discriminant(remember=True), task, Stages(Seeds(1), RunFolder(folder)), **reference, fold=fold
    ), task


def test_no_event_is_scored_by_a_classifier_that_saw_it() -> None:
    Discriminant.scored.clear()
    fitted, task = found()
    scores = fitted.score(task.target)
    assert all(seen == 0 for _, seen in Discriminant.scored)
    fold = fold_of(task.target.events.ids, FOLDS)
    for index, classifier in enumerate(fitted.classifiers):
        mine = fold == index
        np.testing.assert_array_equal(scores[mine], classifier.score(task.target.observables.x[mine]))


def test_the_reference_can_be_others_and_keeps_its_scores_by_fold() -> None:
    fitted, _ = found()
    others = toy_events(50, seed=9)
    template = Template(others.x, others.mass, np.full(50, 2.0))
    moved = predicted_by(fitted, template, np.arange(50) % FOLDS)
    assert moved.classifiers is fitted.classifiers
    assert (moved.reference.weights == 2).all()
    for index, classifier in enumerate(fitted.classifiers):
        mine = np.arange(50) % FOLDS == index
        np.testing.assert_array_equal(moved.reference.scores[mine], classifier.score(others.x[mine]))


def test_a_finished_one_is_loaded_and_a_missing_fold_is_named(tmp_path: Path) -> None:
    fitted, task = found(tmp_path)
    again = load_contrast(tmp_path, FOLDS)
    np.testing.assert_array_equal(again.score(task.target), fitted.score(task.target))
    with pytest.raises(ClassifierFolderError, match="fold_3"):
        load_contrast(tmp_path, FOLDS + 1)
