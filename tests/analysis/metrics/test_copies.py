"""The share of copies: one half without any, its error from the exchange of names, and what copies do to it."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.copies import copied_share


def events(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 2, 2)) * np.array([1.0, 50.0])


def test_without_copies_it_is_one_half_within_its_error() -> None:
    pulls = []
    for seed in range(150):
        found = copied_share(events(400, 3 * seed), events(150, 3 * seed + 1), events(150, 3 * seed + 2), seed=seed)
        pulls.append((found.value - 0.5) / found.error)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(150)
    assert np.std(pulls) == pytest.approx(1, abs=4 / np.sqrt(2 * 150))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_copies_are_counted(share: float) -> None:
    """Every copy has its original as neighbour, and every second other event one of the training."""
    training, fresh = events(2000, 1), events(2000, 2)
    copies = np.random.default_rng(3).random(2000) < share
    drawn = np.where(copies[:, None, None], training * (1 + 1e-3), fresh)
    # More was held out than trained with: it is cut to the same number.
    found = copied_share(drawn, training, events(5000, 4), seed=5)
    assert found.value == pytest.approx(0.5 + share / 2, abs=4 * found.error + 1e-3)


def test_a_column_in_small_units_counts_as_much_as_any() -> None:
    samples = [events(1000, seed) for seed in (6, 7, 8)]
    scaled = (x * np.array([1e6, 1.0]) for x in samples)
    assert copied_share(*samples, seed=9).value == copied_share(*scaled, seed=9).value


def test_what_can_not_be_compared_is_named() -> None:
    x = events(30, 10)
    with pytest.raises(TooFewEventsError, match="19 held-out events"):
        copied_share(x, x, x[:19], seed=1)
    with pytest.raises(MetricError, match="4 numbers each, training ones 2"):
        copied_share(x, x[:, 0], x, seed=1)
    broken = x.copy()
    broken[3, 0, 0] = np.nan
    with pytest.raises(MetricError, match="1 of 30 drawn events"):
        copied_share(broken, x, x, seed=1)
