"""A component of a mixture is found beside a known one, and its fraction with an error that holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.registry import create
from generators.tabular.mixture_component import best_fraction, fit_component


def mixture(n: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal background, and a narrow component at (2, −2)."""
    rng = np.random.default_rng(seed)
    special = rng.random(n) < fraction
    x = rng.standard_normal((n, 2))
    x[special] = 0.3 * x[special] + [2.0, -2.0]
    return x, special


def log_background(x: np.ndarray) -> np.ndarray:
    return np.asarray(norm.logpdf(x).sum(axis=1))


def density(kind: str = "gaussian_mixture", **settings: Any) -> Any:
    training = {"steps": 300, "learning_rate": 3e-2, "batch_size": 1024, "ema_decay": 0.95}
    more = {"components": 1, "hidden": 4, "layers": 1} if kind == "gaussian_mixture" else {}
    return create({"kind": kind, "bijection": "standardise", "training": training, **more, **settings})


@pytest.mark.parametrize("fraction", [None, 0.05])
def test_the_component_is_found_beside_the_known_one(fraction: float | None) -> None:
    x, _ = mixture(6000, 0.05, seed=1)
    fitted = fit_component(density(), x, np.ones((6000, 1)), log_background(x), fraction=fraction, seed=1)
    drawn = fitted.sample(np.ones((2000, 1)), seed=2)
    assert np.allclose(drawn.mean(axis=0), [2.0, -2.0], atol=0.15)
    assert np.allclose(drawn.std(axis=0), 0.3, atol=0.1)
    # Of events that it was not fitted to.
    new, _ = mixture(20_000, 0.05, seed=3)
    found, error = best_fraction(fitted.log_prob(new, np.ones((20_000, 1))) - log_background(new))
    assert found == pytest.approx(0.05, abs=4 * error)
    assert 0.001 < error < 0.003


def test_the_error_of_the_fraction_covers() -> None:
    """With the true densities: pulls of 200 samples have mean 0 and width 1."""
    pulls = []
    for seed in range(200):
        x, _ = mixture(3000, 0.03, seed=100 + seed)
        signal = norm.logpdf(x, [2.0, -2.0], 0.3).sum(axis=1)
        found, error = best_fraction(signal - log_background(x))
        pulls.append((found - 0.03) / error)
    assert abs(np.mean(pulls)) < 0.25
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)


def test_weights_count_as_so_many_events() -> None:
    x, _ = mixture(3000, 0.03, seed=5)
    ratio = norm.logpdf(x, [2.0, -2.0], 0.3).sum(axis=1) - log_background(x)
    twice = best_fraction(np.tile(ratio, 2))
    assert best_fraction(ratio, np.full(3000, 7.0))[0] == pytest.approx(twice[0], abs=1e-9)
    assert best_fraction(ratio, np.full(3000, 7.0))[1] == pytest.approx(np.sqrt(2) * twice[1], rel=1e-6)


def test_no_component_no_fraction() -> None:
    x = np.random.default_rng(1).standard_normal((2000, 2))
    found, error = best_fraction(norm.logpdf(x, [5.0, 5.0], 0.1).sum(axis=1) - log_background(x))
    assert found == 0.0
    assert error > 0.0


def test_refuses_what_is_no_mixture() -> None:
    x, _ = mixture(500, 0.1, seed=1)
    context, known = np.ones((500, 1)), log_background(x)
    for wrong in (0.0, 1.0, -0.1):
        with pytest.raises(HyperparameterError, match="between 0 and 1"):
            fit_component(density(), x, context, known, fraction=wrong, seed=1)
    with pytest.raises(ShapeError, match="one of every event"):
        fit_component(density(), x, context, known[:-1], seed=1)
    with pytest.raises(NonFiniteInputError, match="1 values are NaN"):
        fit_component(density(), x, context, np.where(np.arange(500) == 3, np.nan, known), seed=1)
    with pytest.raises(HyperparameterError, match="'vae' is not trained by its likelihood"):
        fit_component(create({"kind": "vae"}), x, context, known, seed=1)
