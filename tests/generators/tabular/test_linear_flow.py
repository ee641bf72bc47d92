"""The linear layer by triangular factors, and the conditional normal distribution that it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor, nn

from generators.errors import HyperparameterError
from generators.flows.lu_linear import LULinear
from generators.registry import create

from ..contracts import DensityContract, gaussian_events, name_of
from ..transform_contract import TransformContract, rows

#: Behind a linear bijection, so that the events of the contract are exactly of its family.
DENSITIES: tuple[dict[str, Any], ...] = (
    {
        "kind": "linear_flow",
        "bijection": "standardise",
        "hidden": 32,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 3e-2, "ema_decay": None},
    },
)


@pytest.fixture(scope="module", params=DENSITIES, ids=name_of)
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(DensityContract):
    pass


class TestLULinear(TransformContract):
    def make(self, features: int, context: int) -> nn.Module:
        return LULinear(features, context, hidden=8, layers=1)

    def accuracy(self, layer: nn.Module, x: Tensor, context: Tensor | None) -> Tensor | float:
        """What rounding in two products and two solves may cost, over 100: no method of solution does better."""
        lower, log_scale, upper, shift = layer._parameters_at(context, len(x))
        scale = log_scale.exp()
        size = ((x.abs()[:, None] @ upper.abs().mT) * scale) @ lower.abs().mT + shift.abs()
        cost = (size @ torch.linalg.inv(lower).abs().mT / scale) @ torch.linalg.inv(upper).abs().mT
        return 1 + 1e-2 * cost.amax(dim=(1, 2))

    @pytest.mark.parametrize("context", [0, 2])
    def test_is_linear_with_a_positive_determinant(self, context: int) -> None:
        layer = self.wild(4, context).double()
        x, c = rows(30, 4, context)
        matrix = matrices(layer, x, c)
        shift = layer(torch.zeros_like(x), c)[0]
        assert torch.allclose(layer(x, c)[0], (matrix @ x[..., None])[..., 0] + shift, atol=1e-8)
        assert torch.allclose(torch.linalg.det(matrix).log(), layer(x, c)[1], atol=1e-8)

    def test_no_row_of_a_matrix_is_out_of_reach(self) -> None:
        """Any matrix that needs no exchange of rows has such factors: its leading minors are positive."""
        generator = torch.Generator().manual_seed(2)
        wanted = torch.eye(4) + 0.3 * torch.randn(4, 4, generator=generator)
        layer = LULinear(4)
        optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            lost = (layer(torch.eye(4))[0] - wanted.t()).square().sum()
            lost.backward()
            return lost

        optimiser.step(loss)
        assert float(loss().detach()) < 1e-8


def matrices(layer: nn.Module, x: Tensor, context: Tensor | None) -> Tensor:
    """The matrix of every row, (N, D, D)."""
    columns = [
        layer(one.expand_as(x), context)[0] - layer(torch.zeros_like(x), context)[0]
        for one in torch.eye(x.shape[1], dtype=x.dtype)
    ]
    return torch.stack(columns, dim=2)


def test_density_is_the_normal_distribution_of_scipy(fitted: Any) -> None:
    """Means and covariances from draws at one context give the density there."""
    c = np.full((200_000, 1), 3.0)
    drawn = fitted.sample(c, seed=1).astype(float)
    reference = multivariate_normal(drawn.mean(axis=0), np.cov(drawn.T))
    at = drawn[:500]
    assert np.allclose(fitted.log_prob(at, c[:500]), reference.logpdf(at), atol=0.1)


@pytest.mark.parametrize("name", ["hidden", "layers"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(HyperparameterError, match=f"{name} = 0 of linear_flow"):
        create({"kind": "linear_flow", name: 0})
