"""Windows slide as they were asked to, and what makes none is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pydantic import ValidationError

from cathode.scans.windows import Windows


def test_windows_of_a_width_are_a_step_apart_and_none_reaches_beyond() -> None:
    found = Windows(low=2700, high=4500, width=400, step=0.25).windows
    assert len(found) == 15
    assert found[0] == (2700.0, 3100.0)
    assert found[-1] == (4100.0, 4500.0)
    assert {high - low for low, high in found} == {400.0}
    assert {b[0] - a[0] for a, b in pairwise(found)} == {100.0}


def test_windows_of_a_relative_width_are_that_part_of_their_centre() -> None:
    found = Windows(low=2000, high=6000, relative_width=0.1, step=1).windows
    assert all((high - low) / (0.5 * (high + low)) == pytest.approx(0.1, rel=1e-8) for low, high in found)
    # Without overlap one begins where the one before ends.
    assert all(a[1] == pytest.approx(b[0], rel=1e-8) for a, b in pairwise(found))
    assert found[-1][1] <= 6000 < found[-1][1] * 1.05 / 0.95
    half = Windows(low=2000, high=6000, relative_width=0.1).windows
    assert half[1][0] == pytest.approx(0.5 * (found[0][0] + found[1][0]))


def test_a_list_is_put_in_order() -> None:
    assert Windows(edges=((3300, 3700), (2900, 3300))).windows == ((2900.0, 3300.0), (3300.0, 3700.0))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "needs low, high"),
        ({"low": 1, "high": 2}, "one of width and relative_width"),
        ({"low": 1, "high": 2, "width": 1, "relative_width": 0.5}, "one of width and relative_width"),
        ({"low": 1, "high": 2, "width": 1, "edges": ((1, 2),)}, "choose one"),
        ({"low": 3000, "high": 3100, "width": 200}, "no room for one window between 3000 and 3100"),
        ({"low": 1, "high": 100_000, "width": 1, "step": 0.1}, "more than 10,000"),
        ({"edges": ((3, 2),)}, r"\[3, 2\]"),
        ({"edges": ((1, 2), (1, 2))}, "twice"),
        ({"low": 1, "high": 2, "width": 1, "step": 0}, "greater than 0"),
    ],
)
def test_what_makes_no_windows_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Windows(**values)  # type: ignore[arg-type]
