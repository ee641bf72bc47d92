"""Compiled splines against the chain of torch operations, and against differences."""

from __future__ import annotations

from pathlib import Path

import numba
import numpy as np
import pytest
import torch

from generators.flows import kernels
from generators.flows.composed_spline import MINIMUM, composed, composed_inverse

BINS, BOUND = 5, 3.0


def arguments(n: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    # Also outside of the bound, on it, and at its other end.
    x = np.concatenate([rng.uniform(-1.3 * BOUND, 1.3 * BOUND, n - 3), [-BOUND, BOUND, 0.0]])
    return x.astype(dtype), rng.normal(0, 2, (3 * BINS - 1, n)).astype(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 3e-4)])
@pytest.mark.parametrize("n", [4, 1024, 1500])
def test_both_ways_as_torch_has_them(n: int, dtype: type, tolerance: float) -> None:
    x, p = arguments(n, dtype)
    y, log_slope, back, log_back = (np.empty_like(x) for _ in range(4))
    kernels.forward(x, p, BOUND, MINIMUM, y, log_slope)
    expected = composed(torch.from_numpy(x), torch.from_numpy(p), bound=BOUND)
    np.testing.assert_allclose(y, expected[0], atol=tolerance)
    np.testing.assert_allclose(log_slope, expected[1], atol=10 * tolerance)
    kernels.inverse(y, p, BOUND, MINIMUM, back, log_back)
    # In single precision the way back has no more digits than the slope leaves: only where it leads is compared.
    again, _ = composed(torch.from_numpy(back), torch.from_numpy(p), bound=BOUND)
    np.testing.assert_allclose(again, y, atol=10 * tolerance)
    if dtype is np.float64:
        undone = composed_inverse(torch.from_numpy(y), torch.from_numpy(p), bound=BOUND)
        np.testing.assert_allclose(back, undone[0], atol=tolerance)
        np.testing.assert_allclose(back, x, atol=1e-8)
        np.testing.assert_allclose(log_back, -log_slope, atol=1e-7)


def test_gradients_are_those_of_torch() -> None:
    x, p = arguments(200, np.float64)
    g_y, g_log = np.random.default_rng(1).normal(size=(2, 200))
    g_x, g_p = np.empty_like(x), np.empty_like(p)
    kernels.backward(x, p, BOUND, MINIMUM, g_y, g_log, g_x, g_p)
    xt, pt = (torch.from_numpy(a).requires_grad_() for a in (x, p))
    y, log_slope = composed(xt, pt, bound=BOUND)
    (y * torch.from_numpy(g_y) + log_slope * torch.from_numpy(g_log)).sum().backward()  # type: ignore[no-untyped-call]
    inside = np.abs(x) < BOUND
    np.testing.assert_allclose(g_x[inside], xt.grad.numpy()[inside], rtol=1e-6, atol=1e-8)  # type: ignore[union-attr]
    np.testing.assert_allclose(g_p[:, inside], pt.grad.numpy()[:, inside], rtol=1e-6, atol=1e-8)  # type: ignore[union-attr]


def test_nan_stays_where_it_is() -> None:
    x, p = arguments(10, np.float64)
    p[3, 4] = np.nan
    y, log_slope = np.empty_like(x), np.empty_like(x)
    kernels.forward(x, p, BOUND, MINIMUM, y, log_slope)
    assert set(np.flatnonzero(np.isnan(y))) <= {4}
    assert np.isfinite(np.delete(log_slope, 4)).all()


def doubled(x: float) -> float:
    return 2 * x


def test_what_is_compiled_is_kept_for_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    here = kernels.compiled(doubled)
    assert not kernels.is_kept(here)
    assert here(1.5) == 3.0
    assert kernels.is_kept(here)
    elsewhere = kernels.compiled(doubled)
    assert elsewhere(1.5) == 3.0
    assert sum(elsewhere.stats.cache_hits.values()) == 1
