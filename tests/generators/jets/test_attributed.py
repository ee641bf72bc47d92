"""Jets of two classes by one model: the contract, attributes of each class, and constituents that follow them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.features.constituents import relative_mass
from generators.errors import HyperparameterError, ShapeError
from generators.jets.attributed import attributes_of
from generators.registry import create
from tests.generators.contracts import EventContract
from tests.generators.test_clouds import POINTS, counts
from tests.generators.test_clouds import clouds as plain

SPECIFICATION: dict[str, Any] = {
    "kind": "attributed_jets",
    "attributes": {
        "kind": "coupling_spline",
        "blocks": 3,
        "hidden": 16,
        "bijection": {"kind": "chain", "bijections": ["dequantise", "quantile_normal"]},
        "training": {"steps": 150, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": None},
    },
    "constituents": {
        "kind": "epic_fm",
        "hidden": 24,
        "layers": 1,
        "latent": 8,
        "frequencies": 4,
        "training": {"steps": 200, "batch_size": 256, "learning_rate": 6e-3, "ema_decay": 0.95},
    },
}


def clouds(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two classes, one column each: the jets at the lower and at the upper end of those of `test_clouds`."""
    x, c = plain(n, seed)
    second = c[:, 0] > 3
    return x, np.stack([~second, second], axis=1).astype(np.float64)


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*clouds(2_500, seed=10), seed=1)


class TestJets(EventContract):
    shape = (POINTS, 3)
    fitted_on = 2_500
    events = staticmethod(clouds)

    def test_every_class_has_its_own_attributes(self, fitted: Any) -> None:
        x, c = clouds(3_000, seed=30)
        drawn = fitted.sample(c, seed=5)
        for column in (0, 1):
            of = c[:, column] == 1
            assert counts(drawn[of]).mean() == pytest.approx(counts(x[of]).mean(), abs=0.25)
            assert relative_mass(drawn[of]).mean() == pytest.approx(relative_mass(x[of]).mean(), rel=0.4)
            own, true = fitted.part("attributes").sample(c[of], seed=6), attributes_of(x[of])
            np.testing.assert_allclose(own.mean(axis=0), true.mean(axis=0), atol=0.15 * true.std(axis=0).max())

    def test_constituents_have_the_number_and_follow_the_sum_that_was_drawn(self, fitted: Any) -> None:
        _, c = clouds(1_000, seed=31)
        wanted = fitted.part("attributes").sample(c, seed=3).astype(np.float64)
        wanted[:, -1] = np.clip(np.rint(wanted[:, -1]), 1, POINTS)
        got = attributes_of(fitted.part("constituents").sample(np.concatenate([c, wanted], axis=1), seed=4))
        assert np.array_equal(got[:, 2], wanted[:, 2])
        assert np.corrcoef(got[:, 0], wanted[:, 0])[0, 1] > 0.6


def test_attributes_are_those_of_four_momenta() -> None:
    x, _ = plain(50, seed=1)
    pt, eta, phi = x[..., 2], x[..., 0], x[..., 1]
    energy, pz = (pt * np.cosh(eta)).sum(1), (pt * np.sinh(eta)).sum(1)
    px, py = (pt * np.cos(phi)).sum(1), (pt * np.sin(phi)).sum(1)
    found = attributes_of(x)
    np.testing.assert_allclose(found[:, 0], pt.sum(1))
    mass = np.sqrt(energy**2 - pz**2 - px**2 - py**2)
    np.testing.assert_allclose(np.exp(found[:, 1]), mass / np.hypot(px, py), rtol=1e-6)
    np.testing.assert_array_equal(found[:, 2], counts(x))


def test_what_can_not_be_learned_is_refused() -> None:
    made = create(SPECIFICATION)
    x, c = clouds(200, seed=2)
    x[7] = 0
    with pytest.raises(ShapeError, match="1 jets have no constituents \\(first in row 7\\)"):
        made.fit(x, c, seed=1)
    with pytest.raises(ShapeError, match="must be"):
        made.fit(x[..., 0], c, seed=1)
    with pytest.raises(HyperparameterError, match="'maf' makes no clouds"):
        create({"kind": "attributed_jets", "constituents": {"kind": "maf"}})
