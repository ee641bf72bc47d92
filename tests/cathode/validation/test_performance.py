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


def test_without_labels_a_score_is_worth_the_signal_times_what_a_cut_gains() -> None:
    """Folds have scores of different scales, as those of different models; the largest gain is known."""
    rng, share, apart = np.random.default_rng(5), 0.2, 1.5
    fold, of_reference = np.arange(60_000) % 3, np.arange(600_000) % 3
    scores = (rng.standard_normal(60_000) + apart * (rng.random(60_000) < share)) * 10.0**fold
    drawn = rng.standard_normal(600_000) * 10.0**of_reference
    at = np.linspace(0, 4, 500)
    due = share * np.max((norm.sf(at - apart) - norm.sf(at)) / np.sqrt(norm.sf(at)))
    found = held_out_argos(scores, fold, np.ones(60_000), reference_of(drawn, of_reference), 3)
    assert found == pytest.approx(due, rel=0.07)


def test_without_labels_an_empty_fold_counts_nothing() -> None:
    scores, fold = np.linspace(0, 1, 2000), np.zeros(2000, int)
    reference = reference_of(np.linspace(0, 0.5, 2000), np.arange(2000) % 2)
    one = held_out_argos(scores, fold, np.ones(2000), reference, 2)
    assert one > 0
    assert held_out_argos(scores, fold, np.zeros(2000), reference, 2) == 0.0
