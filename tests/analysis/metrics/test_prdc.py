"""Precision, recall, density and coverage against their definition, and of samples of which they are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics import prdc
from analysis.metrics.prdc import neighbourhoods

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("k", [1, 5])
def test_definition(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prdc, "_AT_ONCE", 500)
    generated, truth = 0.7 * RNG.standard_normal((60, 3)), RNG.standard_normal((80, 3))
    radius = [np.sort(cdist(s, s), axis=1)[:, k] for s in (generated, truth)]
    apart = cdist(generated, truth)
    in_true, in_generated = apart < radius[1][None], apart < radius[0][:, None]
    found = neighbourhoods(generated, truth, k=k)
    assert found.precision == pytest.approx(in_true.any(axis=1).mean())
    assert found.recall == pytest.approx(in_generated.any(axis=0).mean())
    assert found.density == pytest.approx(in_true.sum(axis=1).mean() / k)
    assert found.coverage == pytest.approx(in_true.any(axis=0).mean())


def test_equal_samples_and_one_that_lost_a_mode() -> None:
    truth = RNG.standard_normal((800, 2)) + 10 * (RNG.random((800, 1)) < 0.5)
    same = neighbourhoods(RNG.standard_normal((800, 2)) + 10 * (RNG.random((800, 1)) < 0.5), truth)
    assert same.density == pytest.approx(1, abs=0.1)
    assert same.coverage > 0.93
    lost = neighbourhoods(RNG.standard_normal((800, 2)), truth)
    assert lost.precision > 0.9
    assert lost.coverage == pytest.approx(0.5, abs=0.07)
    assert lost.recall == pytest.approx(0.5, abs=0.07)


def test_what_has_no_neighbours_is_refused() -> None:
    with pytest.raises(MetricError, match="neighbours"):
        neighbourhoods(np.ones((9, 2)), np.ones((9, 3)))
    with pytest.raises(TooFewEventsError, match="5 neighbours"):
        neighbourhoods(np.ones((5, 2)), np.ones((9, 2)))
