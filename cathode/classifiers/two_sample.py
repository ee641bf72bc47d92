"""Generated jets against true ones by classifiers: the metric that sees what a search would see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.events import FloatArray
from analysis.features.substructure import jet_substructure
from analysis.folds import random_folds
from analysis.metrics.sampling import valid_clouds
from analysis.metrics.sic_and_auc import Measured
from cathode.classifiers import BoostedTrees, Transformer, WeakClassifier
from cathode.classifiers.closure import two_sample_auc
from cathode.classifiers.cross_fitting import Sample, cross_fit
from cathode.runtime.seeds import Seeds

#: Fraction of jets that a column must set apart from the median.
_CONSTANT = 0.02


@dataclass(frozen=True)
class ClassifierTest:
    """How well held-out classifiers tell generated jets from true ones: AUCs, and 1/2 is not at all.

    Attributes
    ----------
    substructure : by boosted trees on m/pT, τ21, τ32, number of constituents and splitting scale.
    constituents : by a transformer on all constituents.
    n_generated, n_truth : jets of either kind, without those that are not jets.
    n_invalid : generated jets that had to be left out.
    """

    substructure: Measured
    constituents: Measured
    n_generated: int
    n_truth: int
    n_invalid: int

    def __str__(self) -> str:
        lines = [f"{self.n_generated:,} generated jets against {self.n_truth:,} true ones; {self.n_invalid:,} invalid"]
        for name, found in (("trees on substructure", self.substructure), ("transformer", self.constituents)):
            lines.append(f"{name:24}AUC {found.value:.4f} ± {found.error:.4f}")
        return "\n".join(lines)


def classifier_test(
    generated: FloatArray,
    truth: FloatArray,
    *,
    trees: BoostedTrees | None = None,
    transformer: Transformer | None = None,
    folds: int = 3,
    seed: int,
) -> ClassifierTest:
    """Tell clouds (N, P, 3) = (Δη, Δφ, pT/pT of the jet) of a generator from true ones (M, P′, 3), held out by fold.

    True against true jets have an AUC of 1/2 within the error, so there is no floor to be known. A classifier of other
    architecture, or of a longer training, may find more (Das et al., 2305.16774; Krause & Shih, 2106.05285).

    Raises
    ------
    MetricError
        If the arrays are no clouds.
    TooFewEventsError
        If a training would have fewer than 50 jets of a kind.
    """
    (drawn, invalid), (true, _) = valid_clouds(generated), valid_clouds(truth)
    seeds = Seeds(seed)
    # As the classifiers take them: (pT, η, φ), one jet to an event.
    events = [np.asarray(x, np.float32)[:, None, :, [2, 0, 1]] for x in (true, drawn)]
    observables = [jet_substructure(x[:, 0]).astype(np.float32) for x in events]
    # Where nearly all jets were cut to as many constituents, their number tells nothing, and no part may vary in it.
    pooled = np.concatenate(observables)
    varies = (pooled != np.median(pooled, axis=0)).mean(axis=0) > _CONSTANT
    observables = [x[:, varies] for x in observables]

    def measured(name: str, classifier: WeakClassifier, samples: list[NDArray[np.float32]]) -> Measured:
        return held_out_auc(classifier, *samples, name=name, folds=folds, seeds=seeds)

    return ClassifierTest(
        measured("trees", trees or BoostedTrees(members=10), observables),
        measured("transformer", transformer or Transformer(epochs=10), events),
        len(drawn),
        len(true),
        invalid.total,
    )


def held_out_auc(
    classifier: WeakClassifier,
    truth: FloatArray,
    generated: FloatArray,
    *,
    name: str,
    folds: int,
    seeds: Seeds,
) -> Measured:
    """AUC of true events (N, …) against generated ones (M, …), each scored by a copy that has not seen its fold.

    Folds are the same for every classifier, its seeds are those of its `name`.

    Raises
    ------
    TooFewEventsError
        If a training would have fewer than 50 events of a kind.
    """
    data, template = (
        Sample(x, np.ones(len(x)), random_folds(len(x), folds, seed=seeds(f"folds of {kind}")))
        for kind, x in (("truth", truth), ("generated", generated))
    )
    fit = cross_fit(classifier, data, template, seeds=seeds.many(name, folds))
    return two_sample_auc(fit.data, fit.template, data.weights)
