"""Exponential and logarithm for compiled loops."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from generators.flows.elementary import exp, log


@numba.njit(error_model="numpy", fastmath={"contract"})
def _fill(x: Any, e: Any, l: Any) -> None:  # noqa: E741
    for i in range(len(x)):
        e[i] = exp(-x[i])
        l[i] = log(x[i])


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_agree_with_numpy_to_the_last_digits(real: type[Any]) -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([10.0 ** rng.uniform(-6, 1.9, 20_000), 1 + 1e-3 * rng.standard_normal(1_000), [1.0]])
    x = x.astype(real)
    e, l = np.empty_like(x), np.empty_like(x)  # noqa: E741
    _fill(x, e, l)
    wide = x.astype(np.longdouble)
    unit = np.finfo(real).eps
    # The rounding of a product of size 80 alone would cost 80 units; ln 2 in two parts saves them.
    assert np.abs(e / np.exp(-wide) - 1).max() < 16 * unit
    assert (np.abs(l - np.log(wide)) / np.maximum(np.abs(np.log(wide)), 1e-2)).max() < 8 * unit
    assert l[-1] == 0


def test_most_negative_arguments_give_the_smallest_number_and_nan_stays() -> None:
    x = np.array([1e30, np.inf, np.nan], dtype=np.float32)
    e, l = np.empty_like(x), np.empty_like(x)  # noqa: E741
    _fill(x, e, l)
    assert 0 < e[0] < 1e-37
    assert e[0] == e[1]
    assert np.isnan(e[2])
