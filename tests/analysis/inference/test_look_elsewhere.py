"""Global p-values of a smooth Gaussian field, whose maximum is known from many scans."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.errors import CountingError
from analysis.inference.look_elsewhere import global_p_value, of_one_scan, up_crossings


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


def test_one_scan_alone_is_bounded_by_its_windows_and_by_its_own_crossings() -> None:
    many = scans(2_000, 6)
    # Of independent windows a tenth has a p-value below a tenth, of correlated ones fewer.
    found = [of_one_scan(each) for each in many]
    for level in (0.01, 0.1):
        assert np.mean([each.by_windows <= level for each in found]) <= level + 3 * np.sqrt(level / len(many))
    largest = np.array([3.0 if number == 50 else -0.5 for number in range(200)])
    one = of_one_scan(largest)
    assert one.by_windows == one.quoted == pytest.approx(200 * stats.norm.sf(3))
    assert one.by_crossings == pytest.approx(stats.norm.sf(3) + np.exp(-0.5 * (9 - 0.49)))
    assert one.crossings_error == pytest.approx(np.exp(-0.5 * (9 - 0.49)))
    assert of_one_scan(largest, windows=300, spectra=2).by_windows == pytest.approx(600 * stats.norm.sf(3))


def test_with_experiments_a_scan_is_worth_what_they_say_also_where_a_window_has_no_significance() -> None:
    null = scans(300, 7)
    value = np.where(np.arange(200) == 9, np.nan, 0.0)
    value[20] = 3.0
    found = of_one_scan(value, null)
    same = global_p_value(3.0, null)
    assert (found.by_toys, found.by_crossings, found.windows) == (same.by_toys, same.by_crossings, 200)
    assert found.quoted == found.by_toys
    null[:, 5] = np.nan
    assert of_one_scan(value, null).by_toys == pytest.approx(same.by_toys, abs=0.02)


@pytest.mark.parametrize(
    ("value", "others", "windows"),
    [([np.nan], None, None), ([1.0, 2.0], None, 1), ([1.0, 2.0], np.zeros((3, 3)), None)],
)
def test_what_is_no_scan_is_refused(value: list[float], others: np.ndarray | None, windows: int | None) -> None:
    with pytest.raises(CountingError):
        of_one_scan(np.array(value), others, windows=windows)
