"""What is of two parts comes back to the events."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generators.factorised.columns import Columns
from generators.factorised.coordinates import gathered, repeated


def test_densities_of_the_parts_of_an_event_are_summed() -> None:
    assert gathered(np.array([1.0, 2.0, 10.0, 20.0]), 2).tolist() == [3.0, 30.0]
    assert gathered(np.empty(0), 0).tolist() == []


def test_every_part_has_the_weight_of_its_event() -> None:
    assert repeated(np.array([1.0, 5.0]), 6).tolist() == [1, 1, 1, 5, 5, 5]


@pytest.mark.parametrize("places", [(0,), (2, 0), (1, 2)])
def test_columns_come_back_where_they_were(places: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x, c = rng.standard_normal((5, 4)), rng.standard_normal((5, 2))
    columns, random = Columns(places, 4), torch.Generator()
    second = columns.second(x, c)
    assert second.context[:, :2].tolist() == c.tolist()
    request = columns.request(columns.first(x, c), c, random)
    assert request.context.tolist() == second.context.tolist()
    assert request.event(second.x) == pytest.approx(x, abs=1e-6)
