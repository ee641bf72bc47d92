"""The scan for bumps against the textbook, against itself without a signal, and against pyBumpHunter."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis.errors import SpectrumError
from analysis.inference.bump_hunter import bump_hunt

EDGES = np.linspace(2000.0, 4000.0, 41)
FALLING = 4_000 * np.exp(-(EDGES[:-1] - 2000) / 400)


def test_one_window_is_a_poisson_count_without_a_trials_factor() -> None:
    found = bump_hunt([130.0], [100.0], [0.0, 1.0], widths=(1, 1), toys=4_000, seed=1)
    exact = float(stats.poisson.sf(129, 100))
    assert found.local == pytest.approx(exact, rel=1e-9)
    assert found.p_value == pytest.approx(exact, abs=4 * found.error)


def test_a_bump_is_found_where_it_is() -> None:
    rng = np.random.default_rng(2)
    counts = rng.poisson(FALLING)
    counts[20:24] += 90
    found = bump_hunt(counts, FALLING, EDGES, toys=300, seed=3)
    assert found.p_value == 1 / 301
    assert found.low == pytest.approx(EDGES[20], abs=50.1)
    assert found.high == pytest.approx(EDGES[24], abs=50.1)
    assert found.observed - found.expected == pytest.approx(360, abs=120)


def test_without_a_bump_it_is_uniform() -> None:
    rng = np.random.default_rng(4)
    p = [bump_hunt(n, FALLING, EDGES, toys=99, seed=k).p_value for k, n in enumerate(rng.poisson(FALLING, (200, 40)))]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_it_is_that_of_pybumphunter() -> None:
    theirs: Any = pytest.importorskip("pyBumpHunter")
    rng = np.random.default_rng(5)
    counts = rng.poisson(FALLING)
    counts[25:28] += 12
    hunter = theirs.BumpHunter1D(
        rang=[2000, 4000], width_min=2, width_max=6, width_step=1, scan_step=1, npe=2_000, nworker=1, seed=6, bins=EDGES
    )
    # It prints what it does.
    with contextlib.redirect_stdout(io.StringIO()):
        hunter.bump_scan(counts.astype(float), FALLING, is_hist=True)
    ours = bump_hunt(counts, FALLING, EDGES, toys=2_000, seed=7)
    assert ours.local == pytest.approx(float(hunter.min_Pval_ar[0]), rel=1e-6)
    assert ours.low == pytest.approx(EDGES[int(hunter.min_loc_ar[0])])
    error = float(np.hypot(ours.error, ours.error))
    assert ours.p_value == pytest.approx(float(hunter.global_Pval), abs=4 * error + 1 / 2_000)


def test_what_is_no_spectrum_is_refused() -> None:
    with pytest.raises(SpectrumError, match="no spectrum"):
        bump_hunt([1.0, 2.0], [1.0], [0.0, 1.0, 2.0], toys=10, seed=1)
    with pytest.raises(SpectrumError, match="no scan"):
        bump_hunt([1.0, 2.0], [1.0, 1.0], [0.0, 1.0, 2.0], widths=(2, 3), toys=10, seed=1)
