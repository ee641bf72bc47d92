"""How well a score ranks, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from analysis.events import Events
from cathode.cut_and_count import Cut
from cathode.methods.protocol import Reference
from cathode.validation.performance import evaluate, held_out_argos

from ..toys import Discriminant

CUTS = (Cut(0.1, (0.0,)),)


def events(signal: int, background: int, *, truth: bool = True, seed: int = 1) -> Events:
    n = signal + background
    rng = np.random.default_rng(seed)
    is_signal = np.arange(n) < signal
    ids = np.stack([np.full(n, seed), np.ones(n), np.arange(n)], axis=1).astype(np.uint64)
    x = rng.normal(0, 1, (n, 2))
    x[is_signal, 0] += 1.5
    return Events(x, np.full(n, 3500.0), ("a", "b"), ids=ids, truth=is_signal if truth else None)


def test_a_score_of_two_normal_distributions_has_a_known_area_and_significance() -> None:
    sample = events(20_000, 20_000)
    found = evaluate(sample, sample.x[:, 0].astype(float), None, None, (), CUTS).summary
    assert found is not None
    assert found.auc == pytest.approx(norm.cdf(1.5 / 2**0.5), abs=4 * found.auc_error)
    # At a background efficiency of 10 %.
    efficiency = norm.sf(norm.isf(0.1) - 1.5)
    value, error = found.sic[0.1]
    assert value == pytest.approx(efficiency / 0.1**0.5, abs=5 * error)
    assert found.idealised is None


def test_without_truth_or_without_both_kinds_there_is_nothing_to_say() -> None:
    for sample in (events(10, 500, truth=False), events(0, 500), events(500, 0)):
        assert evaluate(sample, sample.x[:, 0].astype(float), None, None, (), CUTS).summary is None


def test_the_idealised_detector_is_trained_on_true_background() -> None:
    sample, reference = events(500, 4_000), events(0, 4_000, seed=2)
    scores = np.random.default_rng(3).normal(size=len(sample))
    found = evaluate(sample, scores, Discriminant(), reference, (1, 2), CUTS)
    assert found.summary is not None
    assert found.summary.auc == pytest.approx(0.5, abs=0.06)
    assert found.summary.idealised is not None
    assert found.summary.idealised.auc == pytest.approx(norm.cdf(1.5 / 2**0.5), abs=0.05)
    assert found.idealised_curve is not None


def reference_of(scores: np.ndarray, fold: np.ndarray) -> Reference:
    return Reference(scores[:, None], np.full(len(scores), 3500.0), scores, fold, np.ones(len(scores)))


def test_without_labels_it_is_the_mean_over_folds_of_the_best_cut_by_hand() -> None:
    """Folds have scores of different scales, as those of different models; cuts keep 25 events of the reference."""
    rng = np.random.default_rng(5)
    fold, of_reference = np.arange(900) % 3, np.arange(1500) % 3
    scores = (rng.standard_normal(900) + 2.0 * (rng.random(900) < 0.2)) * 10.0**fold
    drawn = rng.standard_normal(1500) * 10.0**of_reference
    best = []
    for index in range(3):
        data, template = scores[fold == index], drawn[of_reference == index]
        shares = ((np.mean(data >= cut), np.mean(template >= cut)) for cut in np.sort(template)[:-24])
        best.append(max(of_data / of_template**0.5 - of_template**0.5 for of_data, of_template in shares))
    found = held_out_argos(scores, fold, np.ones(900), reference_of(drawn, of_reference), 3)
    assert found == pytest.approx(np.mean(best), rel=1e-9)
    worse = np.where(rng.random(900) < 0.5, rng.standard_normal(900) * 10.0**fold, scores)
    assert held_out_argos(worse, fold, np.ones(900), reference_of(drawn, of_reference), 3) < found


def test_without_labels_an_empty_fold_counts_nothing() -> None:
    scores, fold = np.linspace(0, 1, 2000), np.zeros(2000, int)
    reference = reference_of(np.linspace(0, 0.5, 2000), np.arange(2000) % 2)
    one = held_out_argos(scores, fold, np.ones(2000), reference, 2)
    assert one > 0
    assert held_out_argos(scores, fold, np.zeros(2000), reference, 2) == 0.0
