"""Block-wise generators: what is refused, and that densities of blocks multiply."""

from __future__ import annotations

import numpy as np
import pytest

from generators.errors import HyperparameterError, ShapeError
from generators.registry import create
from tests.generators.showers.toys import MIXED, of_mixed

FLOW = {"kind": "coupling_spline", "blocks": 2, "hidden": 8, "training": {"steps": 12, "batch_size": 128}}
SPECIFICATION = {"kind": "l2lflows", "layers": MIXED, "generator": FLOW}


def test_a_layer_changes_its_own_factor_and_those_behind_it() -> None:
    """Two showers that agree in all layers but the last differ by the density of that alone."""
    x, c = of_mixed(600, 1)
    made = create(SPECIFICATION).fit(x, c, seed=1)
    rows = np.flatnonzero((c[:, -1] > 0.003) & (c[:, 1] > 0))[:1]
    other = np.repeat(x[rows], 3, axis=0)
    other[:, -3:] = c[rows, -1] * np.array([[0.2, 0.3, 0.5], [0.3, 0.2, 0.5], [0.5, 0.3, 0.2]])
    alone = create({**SPECIFICATION, "before": 1}).fit(x, c, seed=1)
    assert np.unique(made.log_prob(other, np.repeat(c[rows], 3, axis=0))).size == 3
    assert np.isfinite(alone.log_prob(x, c)).all()


def test_density_does_not_depend_on_the_company_of_a_shower() -> None:
    x, c = of_mixed(300, 2)
    made = create(SPECIFICATION).fit(x, c, seed=1)
    assert made.log_prob(x[:5], c[:5]) == pytest.approx(made.log_prob(x, c)[:5], rel=1e-9)
    assert made.log_prob(x[:0], c[:0]).shape == (0,)
    negative = x[:1] - 0.01
    assert made.log_prob(negative, c[:1]) == -np.inf


def test_what_does_not_fit_is_named() -> None:
    x, c = of_mixed(300, 3)
    with pytest.raises(ShapeError, match="13"):
        create(SPECIFICATION).fit(x[:, :3], c, seed=1)
    with pytest.raises(ShapeError, match="columns"):
        create(SPECIFICATION).fit(x, c[:, :1], seed=1)
    with pytest.raises(HyperparameterError, match="no density"):
        create({**SPECIFICATION, "generator": {"kind": "gan"}})
    with pytest.raises(HyperparameterError, match="draws"):
        create({**SPECIFICATION, "draws": 0})
