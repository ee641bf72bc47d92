"""How well data and template are told apart by a classifier that has not seen them: an AUC of 1/2 is closure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analysis.events import FloatArray
from analysis.folds import random_folds
from analysis.metrics.sic_and_auc import Measured, auc
from analysis.weights import standardised
from cathode.classifiers import WeakClassifier
from cathode.classifiers.cross_fitting import Sample, train_without
from cathode.runtime.progress import part
from cathode.runtime.seeds import spawned


def two_sample_auc(
    data: FloatArray, template: FloatArray, weights: FloatArray, template_weights: FloatArray | None = None
) -> Measured:
    """AUC of held-out scores of data (N,) with weights (N,) against those of the template (T,); 0.5 is closure."""
    labels = np.arange(len(data) + len(template)) < len(data)
    of_template = np.ones(len(template)) if template_weights is None else standardised(template_weights)
    w = np.concatenate([standardised(weights), of_template])
    return auc(np.concatenate([data, template]), labels, weights=None if np.ptp(w) == 0 else w)


def closure_in_folds(
    classifier: WeakClassifier,
    data: Sample,
    template: Sample,
    *,
    half_of_data: NDArray[np.int64],
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> Measured:
    """AUC of data against weighted template inside of each fold: one half of it trains, the other is scored.

    Weights of a fold were made without it. Trained on several folds, a classifier would see weights that were made with
    the events it scores, which pushes them below 1/2: by 0.04 for trees and two folds of 5,000 equal events.
    """
    found = []
    folds = int(data.fold.max()) + 1
    for fold, each in enumerate(spawned(seed, folds)):
        mine, drawn = data.fold == fold, template.fold == fold
        halves = random_folds(int(drawn.sum()), 2, seed=each)
        real = Sample(data.x[mine], data.weights[mine], half_of_data[mine])
        made = Sample(template.x[drawn], template.weights[drawn], halves)
        trained = train_without(
            0, classifier, real, made, seed=spawned(each, 1)[0], progress=part(progress, fold / folds, 1 / folds)
        )
        of_data, of_template = (trained.score(sample.x[sample.fold == 0]) for sample in (real, made))
        found.append(two_sample_auc(of_data, of_template, real.weights[real.fold == 0], made.weights[made.fold == 0]))
    value, error = np.mean([each.value for each in found]), np.linalg.norm([each.error for each in found]) / len(found)
    return Measured(float(value), float(error))
