"""Planar and radial flows: the layers, then the densities made of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from generators.errors import HyperparameterError
from generators.flows.planar import Planar
from generators.flows.radial import Radial
from generators.registry import create

from .contracts import DensityContract, gaussian_events, name_of
from .transform_contract import TransformContract, rows

TRAINING = {"steps": 250, "batch_size": 256, "learning_rate": 3e-2, "ema_decay": None}
DENSITIES: tuple[dict[str, Any], ...] = (
    {"kind": "planar", "blocks": 5, "hidden": 16, "training": TRAINING},
    {"kind": "radial", "blocks": 8, "hidden": 16, "training": TRAINING},
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


class TestPlanar(TransformContract):
    def make(self, features: int, context: int) -> nn.Module:
        return Planar(features, context, hidden=8, layers=1)

    @pytest.mark.parametrize("scale", [1.0, 100.0])
    def test_moves_along_one_direction_with_bounded_slope(self, scale: float) -> None:
        layer = self.wild(4, 0, scale=scale).double()
        x, _ = rows(2_000, 4, 0)
        moved = layer(x)[0] - x
        assert torch.linalg.matrix_rank(moved, rtol=1e-9) == 1
        slope = layer(x)[1].exp()
        assert (slope >= 0.1).all()
        assert (slope <= 17).all()

    def test_slope_reaches_its_least_where_the_paper_loses_invertibility(self) -> None:
        """u against w, as strong as can be: in the paper's own terms w·u = −16, and still increasing."""
        layer = self.make(2, 0).double().requires_grad_(False)
        layer.network.start.data = torch.tensor([-1e6, 0, 1e6, 0, 0.0], dtype=torch.float64)
        z, log_det = layer(torch.zeros(1, 2).double())
        assert float(log_det.exp()) == pytest.approx(0.1, abs=1e-6)
        assert torch.equal(z, torch.zeros(1, 2).double())

    def test_without_a_direction_it_is_a_shift(self) -> None:
        """At w = 0 nothing is divided by zero, and u tanh(b) is what remains."""
        layer = self.make(2, 0).double().requires_grad_(False)
        layer.network.start.data = torch.tensor([0.3, -0.2, 0, 0, 1.0], dtype=torch.float64)
        x, _ = rows(5, 2, 0)
        z, log_det = layer(x)
        shift = torch.tensor([0.3, -0.2]).double() / (1 + 0.13 / 16) ** 0.5 * torch.tensor(1.0).double().tanh()
        assert torch.allclose(z, x + shift, atol=1e-12)
        assert torch.equal(log_det, torch.zeros(5).double())


class TestRadial(TransformContract):
    def make(self, features: int, context: int) -> nn.Module:
        return Radial(features, context, hidden=8, layers=1)

    def test_is_the_map_of_the_paper(self) -> None:
        layer = self.wild(3, 0).double()
        x, _ = rows(50, 3, 0)
        start = layer.network.start
        alpha = (3 * torch.tanh(start[0] / 3)).exp()
        away = x - start[2:]
        distance = away.norm(dim=1, keepdim=True)
        excess = (layer(x)[0] - x) / (away / (alpha + distance))
        assert torch.allclose(excess, excess[:1, :1].expand_as(excess))
        assert float(excess[0, 0]) > -0.95 * float(alpha)

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_slope_at_the_point_is_bounded(self, sign: float) -> None:
        layer = self.make(2, 0).double().requires_grad_(False)
        layer.network.start.data = torch.tensor([0, sign * 1e6, 1.5, -0.5], dtype=torch.float64)
        point = torch.tensor([[1.5, -0.5]]).double()
        z, log_det = layer(point)
        assert torch.equal(z, point)
        assert float(log_det.exp()) == pytest.approx(21**2 if sign > 0 else 0.05**2, rel=1e-6)
        back, _ = layer.inverse(z)
        assert torch.equal(back, point)


@pytest.mark.parametrize("kind", ["planar", "radial"])
@pytest.mark.parametrize("name", ["blocks", "hidden", "layers"])
def test_sizes_below_one_are_refused(kind: str, name: str) -> None:
    with pytest.raises(HyperparameterError, match=f"{name} = 0 of {kind}"):
        create({"kind": kind, name: 0})
