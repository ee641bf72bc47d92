"""Which events a density can be learned from, and their weights in every unit."""

from __future__ import annotations

import numpy as np
import pytest

from generators.errors import GeneratorError, NonFiniteInputError, ShapeError, TooFewRowsError
from generators.usable_rows import MINIMUM_EVENTS, check_rows, relative_weights

N = MINIMUM_EVENTS + 10


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, 3)), rng.normal(size=(N, 1)), np.ones(N)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_named_with_their_place(which: int, value: float) -> None:
    arrays = rows()
    arrays[which][7] = value
    with pytest.raises(NonFiniteInputError, match=r"column 0: 1 of 60.*row 7"):
        check_rows(*arrays)


def test_constituents_are_looked_at_too() -> None:
    x = np.zeros((N, 4, 3))
    x[11, 2, 1] = np.nan
    with pytest.raises(NonFiniteInputError, match=r"column 1: 1 of 60.*row 11"):
        check_rows(x, np.zeros((N, 1)), np.ones(N))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda x, c, w: (x, c[:, 0], w), ShapeError),
        (lambda x, c, w: (x[:-1], c, w), ShapeError),
        (lambda x, c, w: (x, c, w * (np.arange(N) < MINIMUM_EVENTS - 1)), TooFewRowsError),
        (lambda x, c, w: (x, c, -w), TooFewRowsError),
    ],
)
def test_what_can_not_be_learned_from(change: object, error: type[GeneratorError]) -> None:
    check_rows(*rows())
    with pytest.raises(error):
        check_rows(*change(*rows()))  # type: ignore[operator]


@pytest.mark.parametrize("unit", [1.0, 3.7, 1e-300, 1e300, 2.0**-1000])
def test_weights_are_the_same_in_every_unit(unit: float) -> None:
    w = np.array([1.0, 2.0, 0.0, -0.5, 3.0])
    found = relative_weights(w * unit)
    np.testing.assert_array_equal(found, relative_weights(w))
    np.testing.assert_allclose(found, w / np.abs(w[w != 0]).mean(), rtol=1e-7)


def test_equal_weights_are_exactly_one_and_none_stay_none() -> None:
    assert relative_weights(np.full(7, 0.1)).tolist() == [1.0] * 7
    assert relative_weights(np.zeros(3)).tolist() == [0.0] * 3
