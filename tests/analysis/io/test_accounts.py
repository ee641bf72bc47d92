"""Weights and luminosity blocks of all entries, counted in pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.expressions.chunk import Chunk
from analysis.io.accounts import Account, merged, ranges_of
from analysis.selection import compile_expression


def test_pieces_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=1_000)
    ids = np.stack([rng.integers(1, 4, 1_000), rng.integers(1, 30, 1_000), np.arange(1_000)], axis=1).astype(np.uint64)
    account = Account()
    for rows in (slice(0, 1), slice(1, 700), slice(700, None)):
        chunk = Chunk({"w": weights[rows]})
        account.add(chunk, compile_expression("2 * w"), ids[rows], numbered=True)
    assert account.entries == 1_000
    assert account.sum_of_weights == pytest.approx(2 * weights.sum(), rel=1e-13)
    told = {(int(r), b) for r, ranges in account.blocks.items() for low, high in ranges for b in range(low, high + 1)}
    assert told == {*zip(ids[:, 0].tolist(), ids[:, 1].tolist(), strict=True)}


def test_without_weights_entries_count_and_without_sense_nothing_does() -> None:
    ids = np.ones((3, 3), np.uint64)
    plain, senseless = Account(), Account()
    plain.add(Chunk({}, 3), None, ids, numbered=False)
    assert (plain.sum_of_weights, plain.blocks) == (3.0, {})
    senseless.add(Chunk({"w": np.array([1.0, np.inf, -np.inf])}), compile_expression("w"), ids, numbered=True)
    assert math.isnan(senseless.sum_of_weights)


def test_files_are_merged() -> None:
    assert merged([{"7": [[1, 3]]}, {"7": [[2, 5], [9, 9]], "8": [[1, 1]]}, {}]) == {
        "7": [[1, 5], [9, 9]],
        "8": [[1, 1]],
    }
    assert ranges_of(set()) == {}
