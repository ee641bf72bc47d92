"""Global p-values of a smooth Gaussian field, whose maximum is known from many scans."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.errors import CountingError
from analysis.inference.look_elsewhere import global_p_value, up_crossings


def scans(n: int, seed: int) -> np.ndarray:
    """Signed significances at 200 masses, correlated over 10 of them."""
    rng = np.random.default_rng(seed)
    kernel = np.exp(-0.5 * (np.arange(-30, 31) / 7) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    return np.stack([np.convolve(rng.normal(size=260), kernel, mode="valid") for _ in range(n)])


def test_up_crossings_are_counted_also_at_the_beginning() -> None:
    assert up_crossings(np.array([[1.0, 0.0, 1.0, 1.0, 0.2]]), 0.5).tolist() == [2.0]
    assert up_crossings(np.array([[0.0, 0.1]]), 0.5).tolist() == [0.0]


def test_crossings_of_few_scans_bound_what_many_scans_find() -> None:
    many = scans(20_000, 1).max(axis=1)
    few = scans(60, 2)
    for largest in (3.0, 3.5):
        truth = (many >= largest).mean()
        found = global_p_value(largest, few, level=0.7)
        assert found.by_crossings == pytest.approx(truth, abs=3 * found.crossings_error + 0.25 * truth)
        assert found.by_toys is not None
        assert found.by_toys >= found.resolution
        assert truth > 5 * found.local


def test_the_share_of_scans_is_uniform() -> None:
    null, tried = scans(1_000, 3), scans(300, 4).max(axis=1)
    p = [global_p_value(float(each), null).by_toys for each in tried]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_more_spectra_cost_more_and_scans_without_retraining_say_less() -> None:
    null = scans(200, 5)
    one, ten = global_p_value(3.2, null), global_p_value(3.2, null, spectra=10)
    assert ten.by_crossings == pytest.approx(1 - (1 - one.by_crossings) ** 10)  # type: ignore[operator]
    assert global_p_value(3.2, null, retrained=False).by_toys is None
    assert one.significance > ten.significance
    with pytest.raises(CountingError, match="two finite ones"):
        global_p_value(3.0, null[:1])
