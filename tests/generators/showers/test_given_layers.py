"""Generators of voxels in layers of known energy: what the context must hold."""

from __future__ import annotations

import numpy as np
import pytest

from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.registry import create
from tests.generators.showers.toys import PAIR, of_pair

FLOW = {"kind": "coupling_spline", "blocks": 2, "hidden": 8, "training": {"steps": 12, "batch_size": 128}}


def test_energies_are_those_of_the_context_or_refused() -> None:
    x, c = of_pair(300, 1)
    made = create({"kind": "l2lflows", "layers": PAIR, "generator": FLOW})
    with pytest.raises(ShapeError, match="energies of layers"):
        made.fit(x, c + np.array([0, 0, 0.01]), seed=1)
    made.fit(x, c, seed=1)
    assert (made.log_prob(x, c + np.array([0, 0, 0.01])) == -np.inf).all()
    drawn = made.sample(c, seed=1).astype(np.float64)
    assert drawn[:, 0] == pytest.approx(c[:, 1], abs=1e-8)
    assert drawn[:, 1:].sum(axis=1) == pytest.approx(c[:, 2], rel=1e-5, abs=1e-8)


def test_energies_below_nothing_and_infinite_ones_are_named() -> None:
    x, c = of_pair(300, 1)
    made = create({"kind": "l2lflows", "layers": PAIR, "generator": FLOW}).fit(x, c, seed=1)
    for column, wrong in ((0, -1.0), (2, -0.01), (1, np.inf)):
        at = c[:3].copy()
        at[1, column] = wrong
        for call in (lambda at: made.sample(at, seed=1), lambda at: made.log_prob(x[:3], at)):
            with pytest.raises(NonFiniteInputError, match=f"context, column {column}"):
                call(at)


def test_every_layer_has_a_column() -> None:
    with pytest.raises(HyperparameterError, match="given"):
        create({"kind": "l2lflows", "layers": PAIR, "given": [1], "generator": FLOW})
