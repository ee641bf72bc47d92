"""Rational-quadratic splines, and the autoregressive map that is made of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from generators.errors import ShapeError
from generators.flows.autoregressive import Autoregressive, AutoregressiveSpline, Inverted
from generators.flows.composed_spline import MINIMUM, composed, composed_inverse
from generators.flows.coupling import CouplingSpline
from generators.flows.rational_quadratic import (
    RationalQuadratic,
    rational_quadratic,
    rational_quadratic_inverse,
)
from generators.flows.univariate import Affine
from generators.networks.made import MADE

# torch itself builds forward derivatives with a function that it calls deprecated.
pytestmark = pytest.mark.filterwarnings("default:`torch.jit.script` is deprecated:DeprecationWarning")

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
        unit[16:] = math.log(math.expm1(1 - MINIMUM))
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

    def test_compiled_is_composed(self) -> None:
        """Value and gradient of the kernels are those of the same formulae written in torch."""
        x, raw = values(3_000, reach=1.2), parameters(3_000, scale=3.0)
        weights = torch.randn(2, 3_000, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        for one, other in ((rational_quadratic, composed), (rational_quadratic_inverse, composed_inverse)):
            results = []
            for function in (one, other):
                at, free = x.clone().requires_grad_(), raw.clone().requires_grad_()
                y, log_slope = function(at, free, bound=BOUND)
                (weights[0] * y + weights[1] * log_slope).sum().backward()
                results.append((y, log_slope, at.grad, free.grad))
            for a, b in zip(*results, strict=True):
                assert torch.allclose(a, b, rtol=1e-8, atol=1e-9)

    @pytest.mark.parametrize("minimum", [1e-6, 1e-2])
    def test_least_widths_and_slopes_are_those_of_nflows(self, minimum: float) -> None:
        from nflows.transforms.splines.rational_quadratic import unconstrained_rational_quadratic_spline as theirs

        x, raw = values(500), parameters(500, scale=3.0)
        floors = dict.fromkeys(("min_bin_width", "min_bin_height", "min_derivative"), minimum)
        expected = theirs(x, raw.T[:, :8], raw.T[:, 8:16], raw.T[:, 16:], tails="linear", tail_bound=BOUND, **floors)
        for function in (rational_quadratic, composed):
            for one, other in zip(function(x, raw, bound=BOUND, minimum=minimum), expected, strict=True):
                assert torch.allclose(one, other, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("function", [rational_quadratic, rational_quadratic_inverse])
    def test_torch_func_works(self, function: Any) -> None:
        x, raw = values(12), parameters(12)

        def one(value: Tensor, p: Tensor) -> Tensor:
            return function(value[None], p[:, None], bound=BOUND)[0][0]

        y, log_slope = function(x, raw, bound=BOUND)
        assert torch.allclose(torch.func.vmap(one, in_dims=(0, 1))(x, raw), y)
        # Unequal batches: one value for many parameters and the other way round.
        assert torch.allclose(
            torch.func.vmap(one, in_dims=(None, 1))(x[0], raw), function(x[0].expand(12), raw, bound=BOUND)[0]
        )
        assert torch.allclose(
            torch.func.vmap(one, in_dims=(0, None))(x, raw[:, 0]),
            function(x, raw[:, :1].expand(-1, 12), bound=BOUND)[0],
        )
        for derivative in (torch.func.jacrev, torch.func.jacfwd):
            slopes = torch.func.vmap(derivative(one), in_dims=(0, 1))(x, raw)
            assert torch.allclose(slopes.log(), log_slope, atol=1e-9)
            by_parameters = torch.func.vmap(derivative(one, argnums=1), in_dims=(0, 1))(x, raw)
            free = raw.clone().requires_grad_()
            (expected,) = torch.autograd.grad(function(x, free, bound=BOUND)[0].sum(), free)
            assert torch.allclose(by_parameters.T, expected, atol=1e-9)

    def test_second_derivatives_are_right(self) -> None:
        x, raw = values(4, reach=0.9).requires_grad_(), parameters(4, 3).requires_grad_()
        assert torch.autograd.gradgradcheck(lambda a, b: rational_quadratic(a, b, bound=BOUND), (x, raw))

    @pytest.mark.parametrize("function", [rational_quadratic, rational_quadratic_inverse])
    def test_one_graph_without_breaks(self, function: Any) -> None:
        x, raw = values(64), parameters(64)
        whole = torch.compile(
            lambda a, b: function(a, b, bound=BOUND), fullgraph=True, backend="aot_eager", dynamic=False
        )
        for one, other in zip(whole(x, raw), function(x, raw, bound=BOUND), strict=True):
            assert torch.allclose(one, other, atol=1e-9)

    def test_shapes_that_do_not_fit_are_refused(self) -> None:
        for x, raw in ((values(4), parameters(5)), (values(4), parameters(4)[1:]), (values(4)[:, None], parameters(4))):
            for function in (rational_quadratic, rational_quadratic_inverse):
                with pytest.raises(ShapeError, match=r"3 bins − 1"):
                    function(x, raw, bound=BOUND)


def layer(features: int, context: int, *, scale: float = 1.0, **changes: Any) -> AutoregressiveSpline:
    """A layer with arbitrary, large parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(6)
        settings = {"use_residual_blocks": False, "see_context": True, "activation": torch.tanh, **changes}
        made = AutoregressiveSpline(features, 12, context or None, num_bins=5, tail_bound=BOUND, **settings)
        for parameter in made.parameters():
            parameter.data = scale * torch.randn_like(parameter) / parameter.shape[-1] ** 0.5
    return made.double().eval().requires_grad_(False)


def rows(n: int, d: int, c: int) -> tuple[Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(2)
    x = 2 * torch.randn(n, d, generator=generator, dtype=torch.float64)
    return x, torch.rand(n, c, generator=generator, dtype=torch.float64) if c else None


VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"reverse": True},
    {"use_residual_blocks": True, "use_batch_norm": True},
    {"use_residual_blocks": True, "see_context": False},
    {"random_mask": True, "use_batch_norm": True, "dropout_probability": 0.3},
)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(v) or "plain")
@pytest.mark.parametrize(("d", "c"), [(1, 0), (1, 2), (3, 0), (4, 1), (6, 3)])
class TestAutoregressive:
    def test_jacobian_is_triangular_and_its_diagonal_the_determinant(
        self, d: int, c: int, variant: dict[str, Any]
    ) -> None:
        made, (x, context) = layer(d, c, **variant), rows(8, d, c)
        _, log_det = made(x, context)
        for i in range(8):
            at = None if context is None else context[i : i + 1]
            jacobian = torch.func.jacrev(lambda r, at=at: made(r[None], at)[0][0])(x[i])
            jacobian = jacobian.flip(0, 1) if variant.get("reverse") else jacobian
            assert torch.equal(jacobian, jacobian.tril())
            assert torch.allclose(jacobian.diagonal().log().sum(), log_det[i], atol=1e-8)
            if d > 1 and (x[i].abs() < BOUND).all() and not variant.get("random_mask"):
                assert (jacobian.tril(-1).abs().sum(dim=1)[1:] > 0).all()

    @pytest.mark.parametrize("gradients", [True, False])
    def test_inverse_undoes_forward(self, d: int, c: int, variant: dict[str, Any], gradients: bool) -> None:
        made, (x, context) = layer(d, c, **variant), rows(300, d, c)
        with torch.set_grad_enabled(gradients):
            z, log_det = made(x, context)
            back, inverse_log_det = made.inverse(z, context)
        # Errors of z are those of x over the slope.
        assert float(((back - x).abs() * log_det.clamp(max=0).exp()[:, None]).max()) < 1e-9
        assert float((back - x).abs().max()) < 1e-7
        assert float((log_det + inverse_log_det).abs().max()) < 1e-7

    def test_context_moves_every_feature(self, d: int, c: int, variant: dict[str, Any]) -> None:
        if c == 0 or not variant.get("see_context", True):
            return
        made, (x, context) = layer(d, c, scale=2.0, **variant), rows(50, d, c)
        assert context is not None
        inside = x.clamp(-0.9 * BOUND, 0.9 * BOUND)
        moved = (made(inside, context)[0] - made(inside, context + 1)[0]).abs()
        assert (moved.amax(dim=0) > 1e-3).all() or "random_mask" in variant


class TestInverted:
    def test_has_the_derivatives_of_the_inverse(self) -> None:
        """Training through the inverse, as an inverse autoregressive flow does, follows the same slopes."""
        made = Inverted(Autoregressive(MADE(3, 9, 1, output_multiplier=2, see_context=True), Affine())).double()
        x, context = rows(5, 3, 1)
        assert context is not None
        z, log_det = made(x, context)
        jacobians = [
            torch.func.jacrev(lambda r, c=c: made(r[None], c[None])[0][0])(row)
            for row, c in zip(x, context, strict=True)
        ]
        assert torch.allclose(torch.stack(jacobians).det().abs().log(), log_det, atol=1e-9)
        assert torch.allclose(made.inverse(z, context)[0], x, atol=1e-9)


class TestStatesOfNflows:
    """What was trained with nflows goes on here: same names, same function."""

    @pytest.mark.parametrize(
        "settings",
        [
            {"use_residual_blocks": True},
            {"use_residual_blocks": True, "use_batch_norm": True},
            {"use_residual_blocks": False, "num_blocks": 3},
            {"use_residual_blocks": False, "random_mask": True, "dropout_probability": 0.2},
        ],
        ids=lambda settings: "-".join(settings),
    )
    @pytest.mark.parametrize(("d", "c"), [(1, 0), (2, 1), (5, 2)])
    def test_autoregressive(self, settings: dict[str, Any], d: int, c: int) -> None:
        from nflows.transforms import MaskedPiecewiseRationalQuadraticAutoregressiveTransform

        torch.manual_seed(3)
        shape = {"features": d, "hidden_features": 12, "context_features": c or None, "num_bins": 6, "tail_bound": 3.0}
        theirs = MaskedPiecewiseRationalQuadraticAutoregressiveTransform(**shape, tails="linear", **settings)
        for parameter in theirs.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
        theirs = theirs.double().eval()
        ours = AutoregressiveSpline(**shape, **settings).double().eval()
        ours.load_state_dict(theirs.state_dict())
        x, context = rows(200, d, c)
        z, log_det = theirs(x, context)
        for one, other in zip(ours(x, context), (z, log_det), strict=True):
            assert torch.allclose(one, other, atol=1e-6)
        back, _ = ours.inverse(z, context)
        assert torch.allclose(back, x, atol=1e-5)

    @pytest.mark.parametrize(("d", "c"), [(2, 1), (5, 2)])
    def test_coupling(self, d: int, c: int) -> None:
        from nflows.nn.nets import ResidualNet
        from nflows.transforms import PiecewiseRationalQuadraticCouplingTransform

        torch.manual_seed(3)
        mask = torch.arange(d) % 2

        def net(given: int, wanted: int) -> ResidualNet:
            return ResidualNet(given, wanted, hidden_features=10, context_features=c)

        theirs = PiecewiseRationalQuadraticCouplingTransform(mask, net, 6, tails="linear", tail_bound=3.0).double()
        for parameter in theirs.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
        ours = CouplingSpline(mask, net, 6, 3.0).double()
        ours.load_state_dict(theirs.state_dict())
        x, context = rows(200, d, c)
        for one, other in zip(ours(x, context), theirs(x, context), strict=True):
            assert torch.allclose(one, other, atol=1e-6)

    def test_mixes_with_transforms_of_nflows(self) -> None:
        from nflows.distributions import StandardNormal
        from nflows.flows import Flow
        from nflows.transforms import CompositeTransform, MaskedAffineAutoregressiveTransform, ReversePermutation

        torch.manual_seed(1)
        parts = [
            AutoregressiveSpline(3, 8, 1, tail_bound=3.0),
            ReversePermutation(3),
            MaskedAffineAutoregressiveTransform(3, 8, 1),
        ]
        flow = Flow(CompositeTransform(parts), StandardNormal([3]))
        context = torch.rand(50, 1)
        drawn = flow.sample(4, context)
        assert torch.isfinite(flow.log_prob(drawn.flatten(0, 1), context.repeat_interleave(4, dim=0))).all()


class TestMADE:
    @pytest.mark.parametrize(("features", "hidden", "blocks"), [(1, 4, 0), (2, 3, 0), (5, 16, 2), (8, 9, 1)])
    @pytest.mark.parametrize("residual", [True, False])
    def test_feature_sees_those_before_it_and_the_context(
        self, features: int, hidden: int, blocks: int, residual: bool
    ) -> None:
        torch.manual_seed(1)
        network = MADE(
            features, hidden, 2, num_blocks=blocks, output_multiplier=3, use_residual_blocks=residual, see_context=True
        ).double()
        for parameter in network.parameters():
            parameter.data = torch.randn_like(parameter)
        x, c = torch.randn(features, dtype=torch.float64), torch.randn(2, dtype=torch.float64)

        def parameters_of(a: Tensor, b: Tensor) -> Tensor:
            return network.by_parameter(a[None], b[None])[..., 0]

        by_x, by_c = torch.func.jacrev(parameters_of, argnums=(0, 1))(x, c)
        assert by_x.shape == (3, features, features)
        sees = by_x.abs().sum(dim=0) > 0
        assert not (sees & ~torch.ones(features, features, dtype=torch.bool).tril(-1)).any()
        if hidden > 2 * features and residual:
            assert torch.equal(sees, torch.ones(features, features, dtype=torch.bool).tril(-1))
            assert (by_c.abs().sum(dim=0) > 0).all()
        side_by_side = network(x[None], c[None]).view(features, 3).T
        assert torch.allclose(parameters_of(x, c), side_by_side, atol=1e-12)

    def test_unrolled_is_one_pass(self) -> None:
        """Parameters met on the way are those of the network at the result."""
        torch.manual_seed(1)
        network = MADE(5, 20, 2, output_multiplier=3).double()
        met: dict[int, Tensor] = {}

        def solve(index: int, parameters: Tensor) -> Tensor:
            met[index] = parameters
            return parameters.sum(dim=0)

        context = torch.randn(7, 2).double()
        x = network.unroll(solve, torch.empty(7, 5).double(), context)
        at_once = network.by_parameter(x, context)
        for index in range(5):
            assert torch.allclose(met[index], at_once[:, index], atol=1e-12)


class TestAffine:
    def test_is_that_of_nflows(self) -> None:
        from nflows.transforms import MaskedAffineAutoregressiveTransform

        torch.manual_seed(2)
        theirs = MaskedAffineAutoregressiveTransform(4, 10, context_features=2).double()
        ours = Autoregressive(MADE(4, 10, 2, output_multiplier=2), Affine(offset=0.0)).double()
        ours.load_state_dict(theirs.state_dict())
        x, context = rows(100, 4, 2)
        for one, other in zip(ours(x, context), theirs(x, context), strict=True):
            assert torch.allclose(one, other, atol=1e-9)

    def test_parameters_of_zero_are_the_identity(self) -> None:
        x = values(20)
        y, log_scale = Affine().forward(x, torch.zeros(2, 20, dtype=torch.float64))
        assert torch.allclose(y, x)
        assert torch.allclose(log_scale, torch.zeros_like(x), atol=1e-12)


def test_univariate_maps_of_a_kind_are_equal() -> None:
    """They are hyperparameters: two that say the same are the same."""
    assert RationalQuadratic(8, 5.0) == RationalQuadratic(8, 5.0) != RationalQuadratic(8, 4.0)
