"""No more is built than what is stored could fill."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from generators.ceiling import ceiling
from generators.errors import ArtifactError

HUGE = 10**7

REQUESTS: dict[str, Callable[[], object]] = {
    "linear": lambda: nn.Linear(HUGE, 100),
    "zeros": lambda: torch.zeros(HUGE),
    "arange": lambda: torch.arange(HUGE),
    "linspace": lambda: torch.linspace(0, 1, HUGE),
    "eye": lambda: torch.eye(HUGE),
    "repeat": lambda: torch.ones(10).repeat(HUGE),
    "outer": lambda: torch.ones(5000, 1) * torch.ones(1, 5000),
    "many": lambda: [torch.zeros(1) for _ in range(5000)],
    "in parts": lambda: [torch.zeros(100_000) for _ in range(100)],
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_far_larger_is_refused_before_there_is_memory_for_it(name: str) -> None:
    with pytest.raises(ArtifactError, match="far larger than the 12 numbers"), ceiling([(3, 4)]):
        REQUESTS[name]()


def test_what_belongs_to_the_stored_tensors_is_built() -> None:
    with ceiling([(300, 400), (400,)]):
        network = nn.Sequential(nn.Linear(300, 400), nn.LayerNorm(400))
        assert network(torch.zeros(2, 300)).shape == (2, 400)
    assert torch.zeros(HUGE).numel() == HUGE
