"""Weights that make a generated sample more like the true one, from a calibrated classifier, and what they mend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.events import FloatArray
from analysis.folds import random_folds
from analysis.metrics.sic_and_auc import Measured
from analysis.weights import effective_sample_size
from cathode.classifiers import WeakClassifier
from cathode.classifiers.closure import two_sample_auc
from cathode.classifiers.cross_fitting import Sample, cross_fit
from cathode.runtime.seeds import Seeds

#: No weight is larger: the tail of an overconfident classifier would decide everything.
LARGEST = 20.0

#: No probability is nearer to 0 or 1.
_SURE = 1e-6


@dataclass(frozen=True, eq=False)
class RatioWeights:
    """Weights w = p_data/p_model of generated events (2106.05285; Diefenbacher et al., 2009.03796).

    Attributes
    ----------
    weights : (N,), of mean one.
    effective : of N, how many equal events have the statistical power of the weighted ones.
    calibration : mean difference of the calibrated probability and the share of true events in ten bins of it.
    before, after : AUC of the held-out classifier between true and generated events, unweighted and weighted. A ratio
        that is right leaves 1/2; the same classifier made it, so what it does not see is not mended.
    """

    weights: NDArray[np.float64]
    effective: float
    calibration: float
    before: Measured
    after: Measured


def likelihood_ratio_weights(
    classifier: WeakClassifier, truth: FloatArray, generated: FloatArray, *, folds: int, seed: int
) -> RatioWeights:
    """Weights of generated events (N, F) from a classifier of them against true ones (M, F).

    Every event is scored by a copy that has not seen it. Scores become probabilities by a logistic function that is
    fitted to the events of other folds (Platt 1999); weights are the odds, scaled to the numbers of events, and at
    most 20.

    Raises
    ------
    TooFewEventsError
        If a training would have fewer than 50 events of a kind.
    """
    seeds = Seeds(seed)
    real, made = (
        Sample(x, np.ones(len(x)), random_folds(len(x), folds, seed=seeds(f"folds of {kind}")))
        for kind, x in (("truth", truth), ("generated", generated))
    )
    fit = cross_fit(classifier, real, made, seeds=seeds.many("ratio", folds))
    scores = np.concatenate([fit.data, fit.template]).astype(np.float64)
    labels = np.arange(len(scores)) < len(truth)
    probability = _calibrated(scores, labels, np.concatenate([real.fold, made.fold]))
    odds = probability[~labels] / (1 - probability[~labels]) * (len(generated) / len(truth))
    weights = np.minimum(odds, LARGEST)
    weights = weights / weights.mean()
    return RatioWeights(
        weights,
        float(effective_sample_size(weights)),
        _miscalibration(probability, labels),
        two_sample_auc(fit.data, fit.template, real.weights),
        two_sample_auc(fit.data, fit.template, real.weights, weights),
    )


def resampled(weights: NDArray[np.float64], *, seed: int) -> NDArray[np.int64]:
    """Rows of as many events as there are weights (N,), each as often as its weight says or one more, (N,)."""
    steps = (np.arange(len(weights)) + np.random.default_rng(seed).random()) / len(weights)
    rows: NDArray[np.int64] = np.searchsorted(np.cumsum(weights) / weights.sum(), steps, side="right")
    return rows.clip(max=len(weights) - 1)


def _calibrated(scores: NDArray[np.float64], labels: NDArray[np.bool_], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of being true (N,), by a logistic function of the logit of the score from the events of other folds.

    Two numbers do not follow the noise of few events, as a step function with any number of steps does.
    """
    from sklearn.linear_model import LogisticRegression

    clipped = scores.clip(_SURE, 1 - _SURE)
    logits, out = np.log(clipped / (1 - clipped))[:, None], np.empty(len(scores))
    for each in np.unique(fold):
        mine = fold == each
        out[mine] = LogisticRegression(C=1e6).fit(logits[~mine], labels[~mine]).predict_proba(logits[mine])[:, 1]
    return out.clip(_SURE, 1 - _SURE)


def _miscalibration(probability: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Mean absolute difference of probability and share of true events over ten equal bins of the former."""
    parts = np.array_split(np.argsort(probability, kind="stable"), 10)
    return float(np.mean([abs(probability[part].mean() - labels[part].mean()) for part in parts]))
