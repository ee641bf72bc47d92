"""CaloINN: contract, and a density of whole showers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError, NonFiniteInputError
from generators.protocols import DensityGenerator
from generators.registry import create
from tests.generators.contracts import EventContract, quick
from tests.generators.showers.toys import LAYERS, patterns, showers

SPECIFICATION: dict[str, Any] = {
    "kind": "caloinn",
    "layers": LAYERS,
    "flow": {
        "kind": "coupling_spline",
        "blocks": 6,
        "hidden": 32,
        "tail_bound": 8.0,
        "bijection": "standardise",
        "training": {"steps": 300, "batch_size": 256, "learning_rate": 6e-3},
    },
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*showers(2_000, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 2_000
    events = staticmethod(showers)


def test_density_is_that_of_the_draws(fitted: Any) -> None:
    """Of draws of q the mean of p/q is one, for p the same density at another incident energy."""
    assert isinstance(fitted, DensityGenerator)
    c = np.full((4_000, 1), 0.06)
    fitted.draws = 32
    drawn = fitted.sample(c, seed=4).astype(np.float64)
    own = fitted.log_prob(drawn, c)
    ratio = np.exp(fitted.log_prob(drawn, c * 1.01) - own)
    fitted.draws = 8
    assert np.isfinite(own).all()
    assert np.mean(ratio) == pytest.approx(1, abs=0.06)


def test_showers_are_like_those_of_the_truth(fitted: Any) -> None:
    x, c = showers(4_000, 20)
    drawn = fitted.sample(c, seed=3)
    assert np.abs(patterns(drawn) - patterns(x)).max() < 0.15
    assert np.median(drawn.sum(axis=1) / c[:, 0]) == pytest.approx(np.median(x.sum(axis=1) / c[:, 0]), abs=0.1)


def test_what_does_not_fit_is_named() -> None:
    x, c = showers(300, 6)
    with pytest.raises(NonFiniteInputError, match="positive"):
        quick(SPECIFICATION).fit(x, -c, seed=1)
    with pytest.raises(HyperparameterError, match="incident"):
        create({**SPECIFICATION, "incident": -1})
