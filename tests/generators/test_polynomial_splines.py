"""Linear, quadratic and cubic splines, and the root finder that inverts the last."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from generators.errors import HyperparameterError
from generators.flows.bins import shares, starts
from generators.flows.cubic_spline import CubicSpline
from generators.flows.linear_spline import LinearSpline
from generators.flows.quadratic_spline import QuadraticSpline
from generators.flows.root import increasing_root

KINDS = (LinearSpline, QuadraticSpline, CubicSpline)
BOUND = 4.0


@st.composite
def cases(draw: st.DrawFn) -> tuple[Any, tuple[int, ...], float, int]:
    """A spline, a shape of values, a scale of parameters and a seed."""
    spline = draw(st.sampled_from(KINDS))(draw(st.integers(2, 12)), draw(st.sampled_from([0.5, 4.0, 20.0])))
    return spline, draw(shapes), draw(st.sampled_from([0.0, 1.0, 5.0, 60.0])), draw(st.integers(0, 1 << 30))


shapes = st.tuples(st.integers(1, 8), st.integers(0, 300))


def drawn(
    spline: Any, shape: tuple[int, ...], scale: float, *, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Values on both sides of the bounds, and parameters."""
    generator = torch.Generator().manual_seed(seed)
    x = 1.3 * spline.bound * (2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1)
    return x.to(dtype), (scale * torch.randn(spline.parameters, *shape, generator=generator, dtype=torch.float64)).to(
        dtype
    )


def edges(spline: Any, parameters: Tensor) -> Tensor:
    """All knots of every spline on the data side, (K + 1, …)."""
    sizes = torch.full_like(parameters[: spline.bins], 1 / spline.bins)
    if not isinstance(spline, LinearSpline):
        sizes = shares(parameters[: spline.bins], 1e-3)
    left = starts(2 * spline.bound * sizes, spline.bound)
    return torch.cat([left, torch.full_like(left[:1], spline.bound)])


@pytest.mark.parametrize("kind", KINDS)
class TestSpline:
    @pytest.mark.parametrize("bins", [2, 3, 8])
    @pytest.mark.parametrize("scale", [1.0, 4.0])
    def test_is_that_of_nflows(self, kind: Any, bins: int, scale: float) -> None:
        """Same parameters, same function; ours with the floors of the slope that theirs has not set to zero."""
        from nflows.transforms.splines import cubic, linear, quadratic

        spline = kind(bins, BOUND)
        if kind is not QuadraticSpline:
            spline = replace(spline, minimum=0.0)
        x, raw = drawn(spline, (1_000,), scale)
        rows = raw.t().clone()
        expected = {
            LinearSpline: lambda: linear.unconstrained_linear_spline(x, rows, tail_bound=BOUND),
            QuadraticSpline: lambda: quadratic.unconstrained_quadratic_spline(
                x, rows[:, :bins], rows[:, bins:], tail_bound=BOUND
            ),
            CubicSpline: lambda: cubic.unconstrained_cubic_spline(
                x, rows[:, :bins], rows[:, bins:-2], rows[:, -2:-1], rows[:, -1:], tail_bound=BOUND
            ),
        }[kind]()
        for one, other in zip(spline.forward(x, raw), expected, strict=True):
            assert torch.allclose(one, other, rtol=0, atol=1e-9)

    def test_log_slope_is_that_of_autograd(self, kind: Any) -> None:
        spline = kind(5, BOUND)
        x, raw = drawn(spline, (500,), 2.0)
        for function in (spline.forward, spline.inverse):
            at = x.clone().requires_grad_()
            y, log_slope = function(at, raw)
            (slope,) = torch.autograd.grad(y.sum(), at)
            assert torch.allclose(log_slope, slope.log(), atol=1e-8)

    def test_gradients_are_those_of_finite_differences(self, kind: Any) -> None:
        spline = kind(3, BOUND)
        x, raw = drawn(spline, (6,), 1.0, seed=3)
        x, raw = (0.7 * x).requires_grad_(), raw.requires_grad_()
        for function in (spline.forward, spline.inverse):
            assert torch.autograd.gradcheck(function, (x, raw), atol=1e-6)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("scale", [1.0, 60.0])
    def test_tails_are_the_identity_exactly(self, kind: Any, dtype: torch.dtype, scale: float) -> None:
        edge = torch.tensor(BOUND, dtype=dtype)
        beyond = [float(torch.nextafter(edge, edge + 1)), BOUND + 1e-3, 7.3, 1e6, 1e30]
        x = torch.tensor([sign * b for b in beyond for sign in (1, -1)], dtype=dtype)
        spline = kind(8, BOUND)
        _, raw = drawn(spline, x.shape, scale, dtype=dtype)
        for function in (spline.forward, spline.inverse):
            y, log_slope = function(x, raw)
            assert torch.equal(y, x)
            assert torch.equal(log_slope, torch.zeros_like(x))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("scale", [1.0, 60.0])
    def test_is_finite_with_finite_gradients_anywhere(self, kind: Any, dtype: torch.dtype, scale: float) -> None:
        spline = kind(8, BOUND)
        some, raw = drawn(spline, (600,), scale, dtype=dtype)
        special = torch.tensor([0.0, BOUND, -BOUND, 1e30, -1e30, 1e-30], dtype=dtype).repeat(100)
        x = torch.cat([some[None], special[None], edges(spline, raw)])
        raw = raw[:, None].expand(-1, len(x), -1)
        y, _ = spline.forward(x, raw)
        for function, values in (
            (spline.forward, x),
            (spline.inverse, y),
            (spline.inverse, y.nextafter(torch.full_like(y, -math.inf))),
        ):
            at, free = values.clone().requires_grad_(), raw.clone().requires_grad_()
            y, log_slope = function(at, free)
            assert torch.isfinite(y).all()
            assert torch.isfinite(log_slope).all()
            (y.tanh() - log_slope).sum().backward()
            assert torch.isfinite(at.grad).all()
            assert torch.isfinite(free.grad).all()

    def test_is_continuous_at_its_knots_and_ends(self, kind: Any) -> None:
        spline = kind(6, BOUND)
        _, raw = drawn(spline, (50,), 1.5)
        step = 1e-11
        for at in edges(spline, raw):
            (below, slope_below), (above, slope_above) = (spline.forward(at + by, raw) for by in (-step, step))
            steepest = float(torch.stack([slope_below, slope_above]).exp().max())
            assert float((above - below).abs().max()) <= 3 * step * max(1.0, steepest)
            inside = (at.abs() < BOUND - 1e-6).all()
            if kind is not LinearSpline and inside:
                assert torch.allclose(slope_below, slope_above, atol=1e-4)

    def test_rises_from_end_to_end(self, kind: Any) -> None:
        spline = kind(8, BOUND)
        _, raw = drawn(spline, (1,), 3.0)
        x = torch.linspace(-1.2 * BOUND, 1.2 * BOUND, 4_001, dtype=torch.float64)
        y, log_slope = spline.forward(x, raw.expand(-1, 4_001))
        assert (y.diff() > 0).all()
        assert torch.equal(y.abs() > BOUND, x.abs() > BOUND)
        # The fundamental theorem: the slopes add up to the rise.
        assert float(torch.trapezoid(log_slope.exp(), x)) == pytest.approx(float(y[-1] - y[0]), rel=5e-3)

    def test_bad_value_spoils_its_own_row_only(self, kind: Any) -> None:
        spline = kind(4, BOUND)
        x, raw = drawn(spline, (20,), 1.0)
        for function in (spline.forward, spline.inverse):
            clean, _ = function(x, raw)
            spoilt = x.clone()
            spoilt[4] = math.nan
            y, _ = function(spoilt, raw)
            assert torch.isnan(y).nonzero().flatten().tolist() == [4]
            assert torch.equal(y[torch.arange(20) != 4], clean[torch.arange(20) != 4])

    def test_is_one_graph_and_maps_under_vmap(self, kind: Any) -> None:
        spline = kind(4, BOUND)
        x, raw = drawn(spline, (3, 20), 1.0)
        for function in (spline.forward, spline.inverse):
            expected = function(x, raw)
            for got in (
                torch.func.vmap(function, in_dims=(0, 1))(x, raw),
                torch.compile(function, fullgraph=True, backend="eager")(x, raw),
            ):
                for one, other in zip(got, expected, strict=True):
                    assert torch.allclose(one, other, atol=1e-12)

    def test_sizes_out_of_range_are_refused(self, kind: Any) -> None:
        for bins, bound in ((0, 1.0), (501, 1.0), (8, 0.0), (8, math.nan)):
            with pytest.raises(HyperparameterError, match=f"= {bound if bins == 8 else bins} of a spline"):
                kind(bins, bound)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_inverse_undoes_forward(case: tuple[Any, tuple[int, ...], float, int]) -> None:
    """An error of y is one of x over the slope, so it is that which is bounded where a spline is flat."""
    spline, shape, scale, seed = case
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-9)):
        x, raw = drawn(spline, shape, scale, seed=seed, dtype=dtype)
        y, log_slope = spline.forward(x, raw)
        back, inverse_log_slope = spline.inverse(y, raw)
        assert {t.dtype for t in (y, log_slope, back, inverse_log_slope)} == {dtype}
        assert torch.isfinite(log_slope).all()
        assert torch.isfinite(inverse_log_slope).all()
        off = ((back - x) / max(1.0, spline.bound)).abs()
        assert (off * log_slope.exp().clamp(max=1) <= tolerance).all()
        if dtype == torch.float64:
            assert (off <= tolerance).all()
            assert ((log_slope + inverse_log_slope).abs() <= 1e-6).all()


class TestRoot:
    def test_finds_roots_of_any_shape_of_function(self) -> None:
        """Straight, steep, flat around the root, with a kink, and with a slope that overshoots from everywhere."""
        wanted = torch.linspace(-0.9, 0.9, 200, dtype=torch.float64)
        ends = torch.full_like(wanted, -1), torch.full_like(wanted, 1)
        for function in (
            lambda x: (x, torch.ones_like(x)),
            lambda x: (1e4 * x, torch.full_like(x, 1e4)),
            lambda x: (x.pow(3), 3 * x.square()),
            lambda x: (torch.where(x < 0, 0.01 * x, x), torch.where(x < 0, 0.01, 1.0)),
            lambda x: (x.abs().sqrt() * x.sign(), 0.5 / x.abs().sqrt()),
        ):

            def beyond(x: Tensor, function: Any = function) -> tuple[Tensor, Tensor]:
                value, slope = function(x)
                return value - function(wanted)[0], slope

            assert torch.allclose(increasing_root(beyond, *ends, steps=60), wanted, atol=1e-12)

    def test_derivative_is_that_of_the_implicit_function(self) -> None:
        wanted = torch.linspace(0.1, 2, 9, dtype=torch.float64, requires_grad=True)
        root = increasing_root(
            lambda x: (x.exp() - wanted, x.exp()), torch.full_like(wanted, -5), torch.full_like(wanted, 5), steps=40
        )
        (slope,) = torch.autograd.grad(root.sum(), wanted)
        assert torch.allclose(root, wanted.log(), atol=1e-12)
        assert torch.allclose(slope, 1 / wanted, atol=1e-12)
