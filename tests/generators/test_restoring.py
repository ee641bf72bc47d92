"""No size of a card is believed that its tensors could not fill."""

from __future__ import annotations

from typing import Any

import pytest

from generators.errors import ArtifactError
from generators.restoring import refuse_sizes

SHAPES = [(64, 32), (64,)]


@pytest.mark.parametrize(
    ("hyperparameters", "named"),
    [
        ({"hidden": 10**9}, "hidden"),
        ({"inner": {"layers": [2, 10**7]}}, r"inner\.layers"),
        ({"bins": -(10**8)}, "bins"),
    ],
)
def test_one_digit_too_many_is_named(hyperparameters: dict[str, Any], named: str) -> None:
    with pytest.raises(ArtifactError, match=named):
        refuse_sizes(hyperparameters, SHAPES)


def test_what_only_trains_may_be_long_and_truth_values_are_no_sizes() -> None:
    refuse_sizes({"training": {"steps": 10**9}, "hidden": 64, "flag": True, "name": "x", "rate": 1e12}, SHAPES)


def test_a_size_of_zero_hides_none_beside_it() -> None:
    with pytest.raises(ArtifactError, match="without elements"):
        refuse_sizes({}, [(0, 10**9)])
