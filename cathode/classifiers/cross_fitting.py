"""Classifiers held out by fold: no event is scored by a classifier that saw it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import TooFewEventsError
from analysis.events import FloatArray
from cathode.classifiers import Pretrainable, WeakClassifier, load_classifier
from cathode.runtime.keys import product_key
from cathode.runtime.progress import counted
from cathode.runtime.store import Shelf, Store

#: Data or template events that one training needs at least.
MINIMUM = 50


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows that are scored: features (N, *event), weights (N,), fold (N,)."""

    x: FloatArray
    weights: FloatArray
    fold: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Classifier i was trained on all folds but i; `data` and `template` are the held-out scores, (N,) and (T,)."""

    classifiers: tuple[WeakClassifier, ...]
    data: FloatArray
    template: FloatArray

    def score(self, x: FloatArray, fold: NDArray[np.int64]) -> FloatArray:
        """Score of every row by the classifier that was trained without its fold, (N,)."""
        return held_out_scores(self.classifiers, x, fold)


def cross_fit(
    classifier: WeakClassifier,
    data: Sample,
    template: Sample,
    *,
    seeds: tuple[int, ...],
    folder: Path | None = None,
    store: Store | None = None,
    progress: Callable[[float], None] | None = None,
) -> CrossFit:
    """Train one copy of `classifier` per fold, data against template, and score everything held out.

    There are as many folds as `seeds`. With a `folder`, finished folds are saved and not trained again; a `store`
    may have them from another run. `progress` gets the finished fraction.

    Raises
    ------
    TooFewEventsError
        If a training would have fewer than 50 events of a kind.
    """
    classifiers = train_folds(classifier, data, template, seeds=seeds, folder=folder, store=store, progress=progress)
    return CrossFit(
        classifiers,
        held_out_scores(classifiers, data.x, data.fold),
        held_out_scores(classifiers, template.x, template.fold),
    )


def train_folds(
    classifier: WeakClassifier,
    data: Sample,
    template: Sample,
    *,
    seeds: tuple[int, ...],
    folder: Path | None = None,
    store: Store | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[WeakClassifier, ...]:
    """One copy of `classifier` per fold, trained on all other folds; the arguments are those of `cross_fit`."""
    fitted = []
    for fold, seed in enumerate(seeds):
        report = _of_fold(progress, fold, len(seeds))
        place = None if folder is None else folder / f"fold_{fold}"
        fitted.append(_trained_or_loaded(fold, classifier, data, template, seed, place, store, report))
        if progress is not None:
            progress((fold + 1) / len(seeds))
    return tuple(fitted)


def _trained_or_loaded(
    fold: int,
    classifier: WeakClassifier,
    data: Sample,
    template: Sample,
    seed: int,
    folder: Path | None,
    store: Store | None,
    progress: Callable[[float], None] | None,
) -> WeakClassifier:
    """As `train_without`, unless it lies in the folder or in the store."""

    def key() -> str | None:
        return product_key("classifier", classifier, *rows_without(fold, data, template), seed=seed)

    with Shelf.of(folder, store, "classifier", classifier, key).place() as place:
        if place is not None and place.exists():
            found: WeakClassifier = load_classifier(place)
            return found
        fitted = train_without(fold, classifier, data, template, seed=seed, progress=progress)
        if place is not None:
            fitted.save(place)
        return fitted


def pretrained(
    classifier: Pretrainable,
    x: FloatArray,
    *,
    seed: int,
    folder: Path | None = None,
    store: Store | None = None,
    monitor: Callable[[int, int], None] | None = None,
) -> Pretrainable:
    """`classifier.pretrained` with a `store`, which may have what is to be learned from another run."""
    shelf = Shelf.of(
        folder, store, "pretraining", classifier, lambda: product_key("pretraining", classifier, x, seed=seed)
    )
    with shelf.place() as place:
        return classifier.pretrained(x, seed=seed, folder=place, monitor=monitor)


def held_out_scores(
    classifiers: tuple[WeakClassifier, ...], x: FloatArray, fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Score rows (N, *event) by the classifier of their fold (N,)."""
    out = np.empty(len(x))
    for index, classifier in enumerate(classifiers):
        mine = fold == index
        if mine.any():
            out[mine] = classifier.score(x[mine])
    return out


def train_without(
    fold: int,
    classifier: WeakClassifier,
    data: Sample,
    template: Sample,
    *,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> WeakClassifier:
    """A trained copy of `classifier`, data against template, that has seen nothing of this fold.

    Raises
    ------
    TooFewEventsError
        If there are fewer than 50 events of a kind.
    """
    x, y, weights = rows_without(fold, data, template)
    fresh: Any = copy.deepcopy(classifier)
    return fresh.fit(x, y, weights=weights, seed=seed, monitor=counted(progress))  # type: ignore[no-any-return]


def rows_without(fold: int, data: Sample, template: Sample) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What the classifier of a fold is trained on: features, 1 for data and 0 for template, and weights.

    Raises
    ------
    TooFewEventsError
        If there are fewer than 50 events of a kind.
    """
    used, generated = data.fold != fold, template.fold != fold
    for name, mask in (("data", used), ("template", generated)):
        if mask.sum() < MINIMUM:
            raise TooFewEventsError(
                f"Without fold {fold} there are {int(mask.sum())} {name} events to train on; at least {MINIMUM} are "
                "needed. Use fewer folds, a wider signal region or a larger template."
            )
    x = np.concatenate([data.x[used], template.x[generated]])
    y = np.concatenate([np.ones(int(used.sum())), np.zeros(int(generated.sum()))])
    return x, y, np.concatenate([data.weights[used], template.weights[generated]])


def _of_fold(progress: Callable[[float], None] | None, fold: int, folds: int) -> Callable[[float], None] | None:
    """Translate the progress inside of a fold to that of all folds; rounded so that the next one never starts below."""
    return None if progress is None else lambda done: progress((fold + done) / folds)
