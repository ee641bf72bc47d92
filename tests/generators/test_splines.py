"""Rational-quadratic splines, and the autoregressive map that is made of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from generators.flows.autoregressive import AutoregressiveSpline, Reversal
from generators.flows.rational_quadratic import MINIMUM_SLOPE, rational_quadratic, rational_quadratic_inverse
from generators.networks.masked_mlp import MaskedMLP

BOUND = 4.0
BINS = (2, 3, 8, 16)


def values(n: int, *, dtype: torch.dtype = torch.float64, reach: float = 1.5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (reach * BOUND * (2 * torch.rand(n, generator=generator, dtype=torch.float64) - 1)).to(dtype)


def parameters(
    n: int, bins: int = 8, *, scale: float = 1.0, dtype: torch.dtype = torch.float64, seed: int = 1
) -> Tensor:
    """Parameters of n splines, (3K − 1, n)."""
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(3 * bins - 1, n, generator=generator, dtype=torch.float64)).to(dtype)


def knots(raw: Tensor) -> Tensor:
    """Inner knots of every spline on the data side, (K − 1, n)."""
    bins = (len(raw) + 1) // 3
    widths = 1e-3 + (1 - 1e-3 * bins) * raw[:bins].softmax(dim=0)
    return (2 * BOUND) * widths.cumsum(dim=0)[:-1] - BOUND


class TestSpline:
    @pytest.mark.parametrize("bins", BINS)
    @pytest.mark.parametrize("scale", [1.0, 4.0])
    def test_is_that_of_nflows(self, bins: int, scale: float) -> None:
        from nflows.transforms.splines.rational_quadratic import unconstrained_rational_quadratic_spline as theirs

        x, raw = values(2_000), parameters(2_000, bins, scale=scale)
        widths, heights, slopes = raw.T[:, :bins], raw.T[:, bins : 2 * bins], raw.T[:, 2 * bins :]
        for inverse, ours in ((False, rational_quadratic), (True, rational_quadratic_inverse)):
            expected = theirs(x, widths, heights, slopes, inverse=inverse, tails="linear", tail_bound=BOUND)
            for one, other in zip(ours(x, raw, bound=BOUND), expected, strict=True):
                assert torch.allclose(one, other, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("bins", BINS)
    @pytest.mark.parametrize("scale", [1.0, 4.0])
    def test_inverse_undoes_forward(self, bins: int, scale: float) -> None:
        x, raw = values(5_000), parameters(5_000, bins, scale=scale)
        y, log_slope = rational_quadratic(x, raw, bound=BOUND)
        back, inverse_log_slope = rational_quadratic_inverse(y, raw, bound=BOUND)
        assert float((back - x).abs().max()) <= 1e-9
        assert float((log_slope + inverse_log_slope).abs().max()) <= 1e-8

    @pytest.mark.parametrize("bins", BINS)
    @pytest.mark.parametrize("scale", [1.0, 4.0])
    def test_inverse_in_single_precision_loses_what_the_slope_takes(self, bins: int, scale: float) -> None:
        """An error of y is one of x over the slope, and a spline may be as flat as 1e-7: no inverse could do better."""
        x, raw = values(5_000, dtype=torch.float32), parameters(5_000, bins, scale=scale, dtype=torch.float32)
        y, log_slope = rational_quadratic(x, raw, bound=BOUND)
        back, inverse_log_slope = rational_quadratic_inverse(y, raw, bound=BOUND)
        assert {t.dtype for t in (y, log_slope, back, inverse_log_slope)} == {torch.float32}
        again, _ = rational_quadratic(back, raw, bound=BOUND)
        assert float((again - y).abs().max()) <= (1e-5 if scale == 1 else 1e-3)
        ordinary = log_slope.exp() > 0.1
        assert ordinary.float().mean() > 0.3
        if scale == 1:
            assert float((back - x)[ordinary].abs().max()) <= 1e-4
            assert float((log_slope + inverse_log_slope)[ordinary].abs().max()) <= 1e-3

    @pytest.mark.parametrize("bins", BINS)
    def test_log_slope_is_that_of_autograd(self, bins: int) -> None:
        raw = parameters(500, bins, scale=2.0)
        for function in (rational_quadratic, rational_quadratic_inverse):
            x = values(500).requires_grad_()
            y, log_slope = function(x, raw, bound=BOUND)
            (slope,) = torch.autograd.grad(y.sum(), x)
            assert torch.allclose(log_slope, slope.log(), atol=1e-9)

    def test_rises_and_stays_inside(self) -> None:
        raw = parameters(1, scale=3.0).expand(-1, 4_001)
        x = torch.linspace(-1.2 * BOUND, 1.2 * BOUND, 4_001, dtype=torch.float64)
        y, log_slope = rational_quadratic(x, raw, bound=BOUND)
        assert (y.diff() > 0).all()
        assert torch.equal(y.abs() > BOUND, x.abs() > BOUND)
        # The fundamental theorem: the slopes add up to the rise.
        assert float(torch.trapezoid(log_slope.exp(), x)) == pytest.approx(float(y[-1] - y[0]), rel=1e-3)

    def test_parameters_of_zero_are_nearly_the_identity(self) -> None:
        x = values(200, reach=1.0)
        unit = torch.zeros(23, 200, dtype=torch.float64)
        unit[16:] = math.log(math.expm1(1 - MINIMUM_SLOPE))
        y, log_slope = rational_quadratic(x, unit, bound=BOUND)
        assert torch.allclose(y, x, atol=1e-12)
        assert torch.allclose(log_slope, torch.zeros_like(x), atol=1e-12)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("scale", [1.0, 60.0])
    def test_tails_are_the_identity_exactly(self, dtype: torch.dtype, scale: float) -> None:
        edge = torch.tensor(BOUND, dtype=dtype)
        beyond = [float(torch.nextafter(edge, edge + 1)), BOUND + 1e-3, 7.3, 1e6, 1e30]
        x = torch.tensor([sign * b for b in beyond for sign in (1, -1)], dtype=dtype)
        raw = parameters(len(x), scale=scale, dtype=dtype)
        for function in (rational_quadratic, rational_quadratic_inverse):
            y, log_slope = function(x, raw, bound=BOUND)
            assert torch.equal(y, x)
            assert torch.equal(log_slope, torch.zeros_like(x))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_meets_its_tails_with_value_and_slope(self, dtype: torch.dtype) -> None:
        x = torch.tensor([BOUND, -BOUND], dtype=dtype).repeat(100)
        y, log_slope = rational_quadratic(x, parameters(200, scale=3.0, dtype=dtype), bound=BOUND)
        tolerance = 1e-5 if dtype == torch.float32 else 1e-12
        assert torch.allclose(y, x, rtol=0, atol=tolerance)
        assert torch.allclose(log_slope, torch.zeros_like(x), atol=1e3 * tolerance)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_is_continuous_with_its_slope_at_the_knots(self, dtype: torch.dtype) -> None:
        raw = parameters(50, scale=1.5, dtype=torch.float64)
        step = 1e-12 if dtype == torch.float64 else 1e-5
        for at in knots(raw).to(dtype):
            (below, slope_below), (y, slope), (above, slope_above) = (
                rational_quadratic(at + shift, raw.to(dtype), bound=BOUND) for shift in (-step, 0.0, step)
            )
            steepest = float(torch.stack([slope_below, slope, slope_above]).exp().max())
            jump = float((above - below).abs().max())
            assert jump <= 3 * step * steepest + (1e-5 if dtype == torch.float32 else 1e-13)
            if dtype == torch.float64:
                assert torch.allclose(slope_below, slope_above, atol=1e-5)
                assert torch.isfinite(y).all()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("scale", [1.0, 60.0])
    def test_is_finite_with_finite_gradients_anywhere(self, dtype: torch.dtype, scale: float) -> None:
        raw = parameters(400, scale=scale, dtype=dtype)
        special = torch.tensor([0.0, BOUND, -BOUND, 1e30, -1e30, 1e-30], dtype=dtype)
        x = torch.cat([values(400 - 6 - 7, dtype=dtype), special, knots(raw.double())[:, -1].to(dtype)])
        for function in (rational_quadratic, rational_quadratic_inverse):
            at, free = x.clone().requires_grad_(), raw.clone().requires_grad_()
            y, log_slope = function(at, free, bound=BOUND)
            assert torch.isfinite(y).all()
            assert torch.isfinite(log_slope).all()
            # Beyond 1e30 the square of y overflows single precision, so the loss takes it linearly.
            (y.tanh() - log_slope).sum().backward()
            assert torch.isfinite(at.grad).all()
            assert torch.isfinite(free.grad).all()

    def test_bad_value_spoils_its_own_row_only(self) -> None:
        x, raw = values(20), parameters(20)
        clean, _ = rational_quadratic(x, raw, bound=BOUND)
        x[4] = math.nan
        y, _ = rational_quadratic(x, raw, bound=BOUND)
        assert torch.isnan(y).nonzero().flatten().tolist() == [4]
        assert torch.equal(y[torch.arange(20) != 4], clean[torch.arange(20) != 4])

    def test_shape_of_the_values_is_free(self) -> None:
        x, raw = values(24), parameters(24)
        flat, slopes = rational_quadratic(x, raw, bound=BOUND)
        deep, deep_slopes = rational_quadratic(x.view(2, 3, 4), raw.view(-1, 2, 3, 4), bound=BOUND)
        assert torch.equal(deep.flatten(), flat)
        assert torch.equal(deep_slopes.flatten(), slopes)

    def test_gradient_check(self) -> None:
        x, raw = values(6, reach=0.9).requires_grad_(), parameters(6, 3).requires_grad_()
        for function in (rational_quadratic, rational_quadratic_inverse):
            assert torch.autograd.gradcheck(lambda a, b, f=function: f(a, b, bound=BOUND), (x, raw))

    def test_vmap_and_jacrev_work(self) -> None:
        x, raw = values(12), parameters(12)

        def one(value: Tensor, p: Tensor) -> Tensor:
            return rational_quadratic(value[None], p[:, None], bound=BOUND)[0][0]

        y, log_slope = rational_quadratic(x, raw, bound=BOUND)
        assert torch.allclose(torch.func.vmap(one, in_dims=(0, 1))(x, raw), y)
        slopes = torch.func.vmap(torch.func.jacrev(one), in_dims=(0, 1))(x, raw)
        assert torch.allclose(slopes.log(), log_slope, atol=1e-9)


def layer(features: int, context: int, *, scale: float = 1.0) -> AutoregressiveSpline:
    """A layer with arbitrary, large parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(6)
        made = AutoregressiveSpline(features, context, hidden=12, layers=2, bins=5, bound=BOUND)
        for parameter in made.parameters():
            parameter.data = scale * torch.randn_like(parameter) / parameter.shape[-1] ** 0.5
    return made.double().requires_grad_(False)


def rows(n: int, d: int, c: int) -> tuple[Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(2)
    x = 2 * torch.randn(n, d, generator=generator, dtype=torch.float64)
    return x, torch.rand(n, c, generator=generator, dtype=torch.float64) if c else None


@pytest.mark.parametrize(("d", "c"), [(1, 0), (1, 2), (3, 0), (4, 1), (6, 3)])
class TestAutoregressive:
    def test_jacobian_is_triangular_and_its_diagonal_the_determinant(self, d: int, c: int) -> None:
        made, (x, context) = layer(d, c), rows(8, d, c)
        _, log_det = made(x, context)
        for i in range(8):
            at = None if context is None else context[i : i + 1]
            jacobian = torch.func.jacrev(lambda r, at=at: made(r[None], at)[0][0])(x[i])
            assert torch.equal(jacobian, jacobian.tril())
            assert torch.allclose(jacobian.diagonal().log().sum(), log_det[i], atol=1e-9)
            if d > 1 and (x[i].abs() < BOUND).all():
                assert (jacobian.tril(-1).abs().sum(dim=1)[1:] > 0).all()

    def test_inverse_undoes_forward(self, d: int, c: int) -> None:
        made, (x, context) = layer(d, c), rows(300, d, c)
        z, log_det = made(x, context)
        back, inverse_log_det = made.inverse(z, context)
        assert float((back - x).abs().max()) < 1e-10
        assert float((log_det + inverse_log_det).abs().max()) < 1e-10

    def test_context_moves_every_feature(self, d: int, c: int) -> None:
        if c == 0:
            return
        made, (x, context) = layer(d, c), rows(50, d, c)
        assert context is not None
        inside = x.clamp(-0.9 * BOUND, 0.9 * BOUND)
        moved = (made(inside, context)[0] - made(inside, context + 0.3)[0]).abs()
        assert (moved.amax(dim=0) > 1e-3).all()

    def test_reversal_is_its_own_inverse(self, d: int, c: int) -> None:
        x, context = rows(5, d, c)
        y, log_det = Reversal()(x, context)
        assert torch.equal(y, x.flip(1))
        assert torch.equal(log_det, torch.zeros(5).double())
        assert torch.equal(Reversal().inverse(y, context)[0], x)


class TestMaskedNetwork:
    @pytest.mark.parametrize(("features", "hidden", "layers"), [(1, 4, 1), (2, 3, 1), (5, 16, 3), (8, 9, 2)])
    def test_feature_sees_those_before_it_and_the_context(self, features: int, hidden: int, layers: int) -> None:
        torch.manual_seed(1)
        network = MaskedMLP(features, 2, hidden=hidden, layers=layers, parameters=3).double()
        for parameter in network.parameters():
            parameter.data = torch.randn_like(parameter)
        x, c = torch.randn(features, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
        by_x, by_c = torch.func.jacrev(lambda a, b: network(a[None], b[None])[..., 0], argnums=(0, 1))(x, c)
        assert by_x.shape == (3, features, features)
        sees = by_x.abs().sum(dim=0) > 0
        assert torch.equal(sees, torch.ones(features, features, dtype=torch.bool).tril(-1))
        assert (by_c.abs() > 0).all()

    def test_starts_near_zero(self) -> None:
        torch.manual_seed(1)
        network = MaskedMLP(4, 1, hidden=32, layers=2, parameters=23)
        with torch.no_grad():
            assert float(network(torch.randn(100, 4), torch.randn(100, 1)).abs().max()) < 0.3
