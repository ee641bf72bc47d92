"""CaloINN: contract, and a density of whole showers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
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


@pytest.mark.parametrize("wrong", [-0.05, 0.0, np.inf, np.nan])
def test_an_energy_that_can_not_be_is_named(wrong: float) -> None:
    x, c = showers(300, 6)
    fitted = quick(SPECIFICATION, steps=2).fit(x, c, seed=1)
    at = np.array([[0.05], [wrong]])
    with pytest.raises(NonFiniteInputError, match="context, column 0"):
        fitted.sample(at, seed=1)
    with pytest.raises(NonFiniteInputError, match="context, column 0"):
        fitted.log_prob(x[:2], at)


def test_the_energy_of_the_shower_can_be_known() -> None:
    """As in a search, where it is the mass."""
    x, _ = showers(600, 12)
    c = x.sum(axis=1, keepdims=True)
    x, c = x[c[:, 0] > 0], c[c[:, 0] > 0]
    made = quick({**SPECIFICATION, "visible": 0}).fit(x, c, seed=1)
    assert made.sample(c, seed=2).sum(axis=1) == pytest.approx(c[:, 0], rel=1e-5)
    assert np.isfinite(made.log_prob(x, c)).all()
    with pytest.raises(ShapeError, match="energy of all voxels"):
        quick({**SPECIFICATION, "visible": 0}).fit(x, 1.01 * c, seed=1)


def test_the_density_given_the_energy_of_the_shower_integrates_to_one() -> None:
    rng = np.random.default_rng(13)
    total, share = rng.uniform(0.02, 0.1, (800, 1)), rng.beta(2, 2, 800)
    share = np.where(rng.random(800) < 0.2, 1, np.where(rng.random(800) < 0.2, 0, share))
    share = np.where(share < 0.05, 0, np.where(share > 0.95, 1, share))
    x = total * np.column_stack([share, 1 - share])
    training = {"steps": 500, "batch_size": 256, "learning_rate": 8e-3}
    flow = {**SPECIFICATION["flow"], "blocks": 4, "hidden": 16, "training": training}
    specification = {**SPECIFICATION, "layers": [[1, 1], [1, 1]], "visible": 0, "draws": 64, "flow": flow}
    made = create(specification).fit(x, total, seed=1)
    first = np.linspace(1e-3, 0.059, 60)
    grid = np.concatenate([[[0.06, 0], [0, 0.06]], np.column_stack([first, 0.06 - first])])
    density = np.exp(made.log_prob(grid, np.full((len(grid), 1), 0.06)))
    inner = np.trapezoid(density[2:], first)
    # What no noise makes is lost, see `SpreadCells`.
    assert density[:2].sum() + inner == pytest.approx(0.95, abs=0.07)
    drawn = made.sample(np.full((4_000, 1), 0.06), seed=2)
    assert (drawn > 0).all(axis=1).mean() == pytest.approx(inner, abs=0.08)
