"""Folds depend on the identifiers and the salt, on nothing else, and are even whatever the numbers look like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import IdentifierError
from analysis.folds import fold_of, hash_of

N = 20_000


def ids(event: np.ndarray, run: int = 1, lumi: int = 1) -> np.ndarray:
    columns = np.ones((len(event), 3), dtype=np.uint64)
    columns[:, 0], columns[:, 1], columns[:, 2] = run, lumi, event
    return columns


def assert_binomial(folds: np.ndarray, n_folds: int) -> None:
    sizes = np.bincount(folds, minlength=n_folds)
    expected = len(folds) / n_folds
    spread = np.sqrt(expected * (1 - 1 / n_folds))
    assert sizes.sum() == len(folds)
    assert len(sizes) == n_folds
    assert (np.abs(sizes - expected) < 5 * spread).all(), sizes


@pytest.mark.parametrize("n_folds", [2, 3, 4, 5, 8, 16])
@pytest.mark.parametrize("stride", [1, 2, 4, 1000, 2**32])
def test_sizes_are_binomial_also_for_even_event_numbers(n_folds: int, stride: int) -> None:
    event = np.arange(N, dtype=np.uint64) * np.uint64(stride)
    assert_binomial(fold_of(ids(event), n_folds), n_folds)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_every_number_of_the_three_counts(position: int) -> None:
    columns = np.ones((N, 3), dtype=np.uint64)
    columns[:, position] = np.arange(N)
    assert_binomial(fold_of(columns, 4), 4)


def test_same_event_same_fold_after_any_permutation() -> None:
    columns = ids(np.arange(N, dtype=np.uint64))
    order = np.random.default_rng(1).permutation(N)
    assert np.array_equal(fold_of(columns[order], 5), fold_of(columns, 5)[order])
    assert np.array_equal(fold_of(columns[:7], 5), fold_of(columns, 5)[:7])


def test_salts_give_independent_folds() -> None:
    columns = ids(np.arange(N, dtype=np.uint64))
    both = fold_of(columns, 4, salt=0) * 4 + fold_of(columns, 4, salt=1)
    assert_binomial(both, 16)


def test_run_lumi_and_event_do_not_commute() -> None:
    assert hash_of(np.array([[1, 2, 3]], dtype=np.uint64)) != hash_of(np.array([[3, 2, 1]], dtype=np.uint64))


def test_hash_is_the_published_splitmix64() -> None:
    """Seed 0 of the reference generator starts with 0xe220a8397b1dcdaf; the hash chains this step."""

    def step(state: int) -> int:
        z = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    assert step(0) == 0xE220A8397B1DCDAF
    event = (306_125, 1_512, 2**63 + 5)
    expected = step(9)
    for number in event:
        expected = step(expected ^ number)
    assert int(hash_of(np.array([event], dtype=np.uint64), salt=9)[0]) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=0, max_size=20), st.integers(1, 50), st.integers(-(2**70), 2**70))
def test_any_identifiers_and_salts_are_accepted(events: list[int], n_folds: int, salt: int) -> None:
    folds = fold_of(ids(np.array(events, dtype=np.uint64)), n_folds, salt=salt)
    assert folds.shape == (len(events),)
    assert ((folds >= 0) & (folds < n_folds)).all()


def test_no_folds_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(IdentifierError, match="number of folds is 0"):
        fold_of(ids(np.arange(3, dtype=np.uint64)), 0)
    with pytest.raises(IdentifierError, match=r"\(N, 3\)"):
        fold_of(np.ones((3, 2), dtype=np.uint64), 2)
