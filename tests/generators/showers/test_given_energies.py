"""What generators of shapes are told of energies of layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generators.errors import ShapeError
from generators.showers.given_energies import check_given, told


def test_told_are_negative_logarithms_that_keep_the_order() -> None:
    found = told(torch.tensor([-1.0, 0.0, 1e-3, 1.0, 1e6], dtype=torch.float64))
    assert (found < 0).all()
    assert found[0] == found[1]
    assert (found[1:].diff() > 0).all()
    assert float(found[4] - found[3]) == pytest.approx(6, abs=1e-5)


def test_energies_that_are_not_those_of_the_voxels_are_refused() -> None:
    x, c = np.ones((50, 2)), np.full((50, 1), 2.0)
    known = {"kind": "some", "voxels": 2, "given": [0], "incident": None, "threshold": 0.1}
    check_given(x, c, np.ones(50), energies=lambda rows: rows.sum(axis=1, keepdims=True), **known)
    c[7] = 2.1
    with pytest.raises(ShapeError, match="1 of 50"):
        check_given(x, c, np.ones(50), energies=lambda rows: rows.sum(axis=1, keepdims=True), **known)
    with pytest.raises(ShapeError, match="columns"):
        check_given(x, c, np.ones(50), energies=lambda rows: rows, **{**known, "given": [3]})
