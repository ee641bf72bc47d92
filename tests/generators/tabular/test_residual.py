"""Residual flows: contractions, their inverse, and the estimated log-determinant."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from generators.errors import HyperparameterError
from generators.flows.residual import ResidualBlocks
from generators.networks.contractive_mlp import ContractiveMLPs, spectral_bound
from generators.registry import create

from ..contracts import DensityContract, gaussian_events, name_of
from ..transform_contract import TransformContract, rows

DENSITIES: tuple[dict[str, Any], ...] = (
    {
        "kind": "residual",
        "blocks": 4,
        "hidden": 24,
        "layers": 1,
        "training": {"steps": 250, "batch_size": 256, "learning_rate": 5e-2, "ema_decay": None},
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


def blocks(features: int, context: int, **changes: Any) -> ResidualBlocks:
    settings = {"blocks": 2, "hidden": 8, "layers": 2, "lipschitz": 0.9, "exact_features": 16, **changes}
    return ResidualBlocks(features, context, **settings)


class TestResidualBlocks(TransformContract):
    def make(self, features: int, context: int) -> nn.Module:
        return blocks(features, context, blocks=1, lipschitz=0.7)

    def accuracy(self, layer: nn.Module, x: Tensor, context: Tensor | None) -> Tensor | float:
        return (x.abs() + layer(x, context)[0].abs()).amax(dim=1) + 1

    def test_blocks_are_undone_in_reverse(self) -> None:
        layer = blocks(3, 1, blocks=3).double().requires_grad_(False)
        x, c = rows(100, 3, 1)
        z, log_det = layer(x, c)
        back, inverse_log_det = layer.inverse(z, c)
        assert float((z - x).abs().min()) > 1e-4
        assert torch.allclose(back, x, atol=1e-12)
        assert torch.allclose(log_det, -inverse_log_det, atol=1e-12)

    @pytest.mark.parametrize("lipschitz", [0.5, 0.9, 0.99])
    def test_converges_at_sharp_bends(self, lipschitz: float) -> None:
        """Contractions with sharp bends and slopes of nearly −1 on one side of them."""
        x, _ = rows(300, 2, 0)
        for seed in range(20):
            layer = blocks(2, 0, blocks=1, hidden=1 + seed % 3, layers=1 + seed % 2, lipschitz=lipschitz).double()
            generator = torch.Generator().manual_seed(seed)
            for parameter in layer.parameters():
                parameter.data = 5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            contractions = layer.contractions
            contractions.sharpness.data = 100 * torch.rand(contractions.sharpness.shape, generator=generator).double()
            for weight in contractions.weights[:-1]:
                weight.data.abs_()
            contractions.weights[-1].data.abs_().neg_()
            with torch.no_grad():
                back, _ = layer.inverse(layer(x)[0])
            assert torch.allclose(back, x, rtol=0, atol=1e-9)

    def test_estimate_of_the_log_determinant_is_unbiased(self) -> None:
        """Of a contraction so strong that terms beyond the sure ones count, and signs alternate."""
        exact, estimated = self.strong(exact_features=4), self.strong(exact_features=3)
        x = rows(2, 4, 0)[0][1:]
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(2)
            _, expected = exact(x)
            # The end of the series is drawn once for a whole batch.
            draws = torch.stack([estimated(x.expand(200, -1))[1].mean() for _ in range(800)])
            error = float(draws.std()) / len(draws) ** 0.5
            assert float(expected) < -0.9
            assert error < 0.01
            assert abs(float(draws.mean() - expected)) < 4 * error
            # Outside of training nothing is estimated.
            assert torch.equal(estimated.eval()(x)[1], expected)

    def test_gradient_of_the_estimate_is_unbiased(self) -> None:
        exact, estimated = self.strong(exact_features=4), self.strong(exact_features=3)
        x = rows(2, 4, 0)[0][1:]
        exact(x)[1].sum().backward()
        expected = exact.contractions.weights[0].grad
        draws = []
        with torch.random.fork_rng():
            torch.manual_seed(3)
            for _ in range(200):
                estimated.zero_grad()
                estimated(x.expand(400, -1))[1].mean().backward()
                draws.append(estimated.contractions.weights[0].grad.clone())
        drawn = torch.stack(draws)
        error = drawn.std(dim=0) / len(drawn) ** 0.5
        assert float(error.mean()) < 0.1 * float(expected.abs().mean())
        assert float(((drawn.mean(dim=0) - expected) / error).square().mean()) < 2

    def strong(self, *, exact_features: int) -> ResidualBlocks:
        """A contraction that turns space around, nearly: its slope is about −0.6 in four dimensions."""
        layer = blocks(4, 0, blocks=1, hidden=4, layers=1, lipschitz=0.7, exact_features=exact_features).double()
        generator = torch.Generator().manual_seed(0)
        for weight, sign in zip(layer.contractions.weights, (-1, 1), strict=True):
            some = torch.randn(1, 4, 4, generator=generator, dtype=torch.float64)
            weight.data = sign * torch.eye(4).double() + 0.1 * some
        for bias in layer.contractions.biases:
            bias.data.fill_(1.0)
        return layer


class TestContraction:
    @pytest.mark.parametrize("scale", [1.0, 60.0, 1e4])
    @pytest.mark.parametrize("layers", [1, 2, 3])
    def test_no_two_points_are_driven_apart(self, layers: int, scale: float) -> None:
        networks = ContractiveMLPs(4, 5, 2, hidden=16, layers=layers, lipschitz=0.9).double()
        generator = torch.Generator().manual_seed(layers)
        for parameter in networks.parameters():
            parameter.data = scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        x, c = rows(400, 5, 2)
        for contraction in networks():
            _, push = contraction.linearised(x, c)
            jacobian = push(torch.eye(5).double().expand(400, -1, -1))
            assert (torch.linalg.matrix_norm(jacobian, ord=2) < 0.9).all()
            y = x + 1e-3 * torch.randn(400, 5, generator=generator, dtype=torch.float64)
            moved = (contraction(x, c) - contraction(y, c)).norm(dim=1)
            assert (moved < 0.9 * (x - y).norm(dim=1)).all()

    @pytest.mark.parametrize("layers", [1, 3])
    def test_bound_is_reached(self, layers: int) -> None:
        """One unit after another, each where its activation is steepest: the constant is used up, and not exceeded."""
        networks = ContractiveMLPs(1, 1, 0, hidden=1, layers=layers, lipschitz=0.9).double().requires_grad_(False)
        for weight, bias in zip(networks.weights, networks.biases, strict=True):
            weight.fill_(1e3)
            bias.fill_(2.3994)
        networks.sharpness.fill_(0.5413)  # β = 1
        # All units at their steepest point at once, for x = 0.
        value = 2.3994 * float(torch.sigmoid(torch.tensor(2.3994)))
        for index in range(1, layers):
            networks.biases[index] -= networks()[0].weights[index][0] * value
        _, push = networks()[0].linearised(torch.zeros(1, 1).double())
        assert 0.899 < float(push(torch.ones(1, 1, 1).double())) < 0.9

    def test_directions_are_pushed_by_the_jacobian(self) -> None:
        networks = ContractiveMLPs(1, 3, 1, hidden=6, layers=2, lipschitz=0.9).double()
        (contraction,) = networks()
        x, c = rows(10, 3, 1)
        _, push = contraction.linearised(x, c)
        pushed = push(torch.eye(3).double().expand(10, -1, -1)).mT
        expected = torch.func.vmap(torch.func.jacrev(lambda r, at: contraction(r[None], at[None])[0]))(x, c)
        assert torch.allclose(pushed, expected, atol=1e-12)


class TestSpectralBound:
    @pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3), (64, 64)])
    @pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
    def test_is_just_above_the_norm(self, shape: tuple[int, int], scale: float) -> None:
        generator = torch.Generator().manual_seed(0)
        for dtype, rounding in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
            weight = (scale * torch.randn(7, *shape, generator=generator, dtype=torch.float64)).to(dtype)
            ratio = spectral_bound(weight)[:, 0, 0] / torch.linalg.matrix_norm(weight, ord=2)
            assert (ratio > 1 - rounding).all()
            assert (ratio < min(shape) ** (1 / 256) + rounding).all()

    def test_is_largest_above_it_where_all_directions_are_alike(self) -> None:
        assert float(spectral_bound(torch.eye(64).double())) == pytest.approx(64 ** (1 / 256), rel=1e-9)

    def test_zeros_have_a_bound_and_a_gradient(self) -> None:
        weight = torch.zeros(3, 4, requires_grad=True)
        bound = spectral_bound(weight)
        bound.sum().backward()
        assert float(bound.detach()) < 1e-10
        assert torch.isfinite(weight.grad).all()

    def test_gradient_is_that_of_finite_differences(self) -> None:
        weight = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        assert torch.autograd.gradcheck(spectral_bound, weight.requires_grad_())


@pytest.mark.parametrize(
    ("name", "value"),
    [("blocks", 0), ("hidden", 0), ("layers", 0), ("lipschitz", 0.0), ("lipschitz", 1.0), ("exact_features", -1)],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(HyperparameterError, match=f"{name} = {value} of residual"):
        create({"kind": "residual", name: value})
