"""Inside of an interval the velocity is that of its ends, so a resonance in the training is passed over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.continuous.between import BetweenContexts
from generators.errors import ContextRangeError, HyperparameterError
from generators.registry import create
from generators.tabular.interpolated import interpolated


def fitted(kind: str = "flow_matching", **settings: Any) -> Any:
    """A feature that follows the mass, and lies elsewhere in between 3 and 4."""
    rng = np.random.default_rng(1)
    mass = rng.uniform(1.0, 6.0, 6000)
    x = 0.2 * mass[:, None] + 0.3 * rng.standard_normal((6000, 1))
    x[(mass > 3) & (mass < 4)] += 3.0
    training = {"steps": 400, "learning_rate": 1e-2, "batch_size": 512, "ema_decay": 0.98}
    made = create({"kind": kind, "bijection": "standardise", "training": training, **settings})
    return made.fit(np.hstack([x, rng.standard_normal((6000, 1))]), mass[:, None], seed=1)


@pytest.fixture(scope="module")
def flow() -> Any:
    return fitted(hidden=32, layers=3)


def means(flow: Any, *masses: float) -> list[float]:
    return [float(flow.sample(np.full((2000, 1), m), seed=1)[:, 0].mean()) for m in masses]


def test_what_is_special_inside_is_passed_over(flow: Any) -> None:
    (plain,) = means(flow, 3.5)
    across = means(interpolated(flow, [(2.7, 4.3)]), 3.5)[0]
    assert plain > 2.5
    assert across == pytest.approx(0.7, abs=0.25)


def test_outside_of_the_interval_nothing_changes(flow: Any) -> None:
    other = interpolated(flow, [(2.7, 4.3)])
    context = np.array([[1.5], [2.6], [4.4], [5.5]])
    assert np.allclose(flow.sample(context, seed=3), other.sample(context, seed=3), atol=1e-5)
    assert not hasattr(flow.networks_[0].network, "low")


def test_a_straight_line_of_the_field_between_the_ends() -> None:
    class Quadratic(torch.nn.Module):
        def forward(self, x: torch.Tensor, t: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
            return c.square().expand_as(x)

    field = BetweenContexts(Quadratic(), torch.tensor([0.0, 2.0]), torch.tensor([1.0, 3.0]))
    c = torch.tensor([[0.25], [0.5], [1.5], [2.5], [-1.0]])
    found = field(torch.zeros(5, 2), torch.tensor(0.5), c)[:, 0]
    assert torch.allclose(found, torch.tensor([0.25, 0.5, 2.25, 6.5, 1.0]))


def test_refuses_what_can_not_be_interpolated(flow: Any) -> None:
    with pytest.raises(ContextRangeError, match="not overlap"):
        interpolated(flow, [(2.0, 3.0), (2.5, 4.0)])
    with pytest.raises(ContextRangeError):
        interpolated(flow, [(3.0, 3.0)])
    with pytest.raises(HyperparameterError, match="no velocity"):
        interpolated(fitted("linear_flow"), [(2.0, 3.0)])
