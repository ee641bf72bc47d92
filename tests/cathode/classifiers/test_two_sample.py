"""Jets against jets by classifiers: nothing is found where nothing is, and what differs is found by both."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.datasets import embedded
from analysis.datasets.jetnet import read_jetnet_file
from analysis.errors import TooFewEventsError
from cathode.classifiers import BoostedTrees, Transformer
from cathode.classifiers.two_sample import ClassifierTest, classifier_test

TREES = BoostedTrees(members=2)
TRANSFORMER = Transformer(
    width=16, blocks=1, jet_blocks=0, heads=2, epochs=10, batch_size=64, learning_rate=4e-3, ema_decay=0.9
)


@pytest.fixture(scope="module")
def top() -> np.ndarray:
    return read_jetnet_file(embedded("top_jets"), "t").clouds[:1400]


def found(generated: np.ndarray, truth: np.ndarray) -> ClassifierTest:
    return classifier_test(generated, truth, trees=TREES, transformer=TRANSFORMER, folds=2, seed=1)


def test_jets_of_one_kind_are_not_told_apart(top: np.ndarray) -> None:
    result = found(top[:700], top[700:])
    for each in (result.substructure, result.constituents):
        assert abs(each.value - 0.5) < 4 * each.error
    assert str(result).startswith("700 generated jets against 700 true ones; 0 invalid")


def test_gluons_are_no_tops(top: np.ndarray) -> None:
    """With an absent jet among them, which is counted and left out."""
    gluons = read_jetnet_file(embedded("gluon_jets"), "g").clouds[:700].copy()
    gluons[3, 2, 0] = np.nan
    result = found(gluons, top[:700])
    assert result.substructure.value > 0.8
    assert result.constituents.value > 0.75
    assert (result.n_generated, result.n_truth, result.n_invalid) == (699, 700, 1)


def test_too_few_are_refused(top: np.ndarray) -> None:
    with pytest.raises(TooFewEventsError):
        found(top[:60], top[60:120])
