"""Features that know nothing of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.registry import create

from ..contracts import DensityContract, gaussian_events, name_of

DENSITIES: tuple[dict[str, Any], ...] = (
    {
        "kind": "elementwise",
        "hidden": 32,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 1e-2, "ema_decay": None},
    },
)


@pytest.fixture(scope="module", params=DENSITIES, ids=name_of)
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


def marginals(c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and widths (N, 2) of the features of `gaussian_events` one by one."""
    width = 0.4 * c[:, 0] - 0.4
    first = np.full(len(c), 0.5)
    return 2 * c * [1, -1], np.stack([first, np.hypot(first, width)], axis=1)


class TestContract(DensityContract):
    """The contract, with the best that independent features can do in place of the truth."""

    def test_log_prob_is_that_of_the_truth(self, fitted: Any) -> None:
        x, c = gaussian_events(2_000, seed=11)
        mean, width = marginals(c)
        product = (-0.5 * ((x - mean) / width) ** 2 - np.log(width * np.sqrt(2 * np.pi))).sum(axis=1)
        assert -0.01 < (product - fitted.log_prob(x, c)).mean() < 0.08

    def test_samples_follow_the_context(self, fitted: Any) -> None:
        for at in (2.2, 3.0, 3.8):
            c = np.full((4_000, 1), at)
            drawn, (mean, width) = fitted.sample(c, seed=5), marginals(c)
            assert np.allclose(drawn.mean(axis=0), mean[0], atol=0.1)
            assert np.allclose(drawn.std(axis=0), width[0], rtol=0.15)


def test_features_are_independent_at_any_context(fitted: Any) -> None:
    """Drawn at one context they are not correlated, and the density is a product: mixed differences of log p vanish."""
    drawn = fitted.sample(np.full((20_000, 1), 3.0), seed=2)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.03
    x, y = np.array([5.5, 6.4]), np.array([-6.8, -5.2])
    corners = np.array([[a, b] for a in x for b in y])
    log_p = fitted.log_prob(corners, np.full((4, 1), 3.0)).reshape(2, 2)
    assert log_p[0, 0] + log_p[1, 1] == pytest.approx(log_p[0, 1] + log_p[1, 0], abs=1e-6)


def test_inverse_undoes_forward_without_context_too() -> None:
    flow = create({"kind": "elementwise", "hidden": 8}).build((3,), 0).double()
    (transform,) = flow.transforms
    x = 3 * torch.randn(50, 3, generator=torch.Generator().manual_seed(1)).double()
    z, log_det = transform(x, None)
    back, inverse_log_det = transform.inverse(z, None)
    assert torch.allclose(back, x, atol=1e-9)
    assert torch.allclose(log_det, -inverse_log_det, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "value"), [("hidden", 0), ("layers", 0), ("bins", 1), ("bins", 501), ("tail_bound", 0.0)]
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(HyperparameterError, match=f"{name.removeprefix('tail_')} = {value}"):
        create({"kind": "elementwise", name: value})
