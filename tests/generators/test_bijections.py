"""Fitted preprocessing: the contract for all kinds, then what is particular to one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from generators.bijections.affine import Affine
from generators.bijections.chain import Chain
from generators.bijections.columns import Columns
from generators.bijections.logit import Logit
from generators.bijections.periodic import Periodic
from generators.bijections.quantile import QuantileNormal
from generators.bijections.standardise import Standardise
from generators.errors import ConstantFeatureError, HyperparameterError, ShapeError, TooFewRowsError, WeightError
from generators.registry import create

from .contracts import (
    BIJECTIONS,
    FAMILIES,
    BijectionContract,
    column,
    derivative,
    log_det_by_autograd,
    name_of,
    samples,
    typical,
)

SPECIFICATIONS = (*BIJECTIONS, {"kind": "columns", "maps": {"0": ["logit", "standardise"]}})


class ElementwiseContract(BijectionContract):
    """What holds beyond the contract for increasing maps of every column for itself."""

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(x=samples())
    def test_round_trip_of_any_training_sample(self, specification: dict[str, Any], x: Tensor) -> None:
        bijection = create(specification).fit(x)
        spread = x.quantile(0.75, dim=0) - x.quantile(0.25, dim=0)
        for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
            rows = x.to(dtype)
            z, log_det = bijection.forward(rows)
            assert torch.isfinite(z).all()
            assert torch.isfinite(log_det).all()
            # Rounding z alone moves x by ε dx/dz: no inverse can do better than that.
            allowed = tolerance * torch.maximum(
                rows.abs(), torch.maximum(spread, 1 / derivative(bijection, rows.double()))
            )
            assert ((bijection.inverse(z) - rows).abs() <= allowed).all()

    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(x=samples())
    def test_is_increasing_and_finite_far_outside(self, specification: dict[str, Any], x: Tensor) -> None:
        bijection = create(specification).fit(x)
        low, high = x.amin(0), x.amax(0)
        steps = torch.linspace(-1, 2, 301, dtype=torch.float64)[:, None]
        z, log_det = bijection.forward(low + (high - low) * steps)
        assert torch.isfinite(z).all()
        assert torch.isfinite(log_det).all()
        assert (z.diff(dim=0) > 0).all()


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=name_of)
class TestContract(ElementwiseContract):
    pass


def one_column(values: Any) -> Tensor:
    return torch.as_tensor(np.asarray(values, float))[:, None]


def held_out_loss(fitted: Any, x: Tensor, truth: Any) -> float:
    """Mean log-likelihood lost against the true density when z is taken for a standard normal."""
    z, log_det = fitted.forward(x)
    model = log_det - 0.5 * z[:, 0] ** 2 - 0.5 * math.log(2 * math.pi)
    return float(np.mean(truth.logpdf(x[:, 0].numpy()) - model.numpy()))


DISTRIBUTIONS = {
    "normal": stats.norm(3, 2),
    "exponential": stats.expon(),
    "uniform": stats.uniform(),
    "beta": stats.beta(2, 5),
    "cauchy": stats.cauchy(),
}


class TestQuantileNormal:
    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_other_events_of_the_distribution_become_normal(self, name: str) -> None:
        truth = DISTRIBUTIONS[name]
        rng = np.random.default_rng(1)
        fitted = QuantileNormal().fit(one_column(truth.rvs(20_000, random_state=rng)))
        z, _ = fitted.forward(one_column(truth.rvs(5_000, random_state=rng)))
        assert stats.kstest(z[:, 0].numpy(), "norm").pvalue > 0.01

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_density_is_close_to_the_truth_and_more_knots_make_it_worse(self, name: str) -> None:
        truth = DISTRIBUTIONS[name]
        rng = np.random.default_rng(2)
        x, other = (one_column(truth.rvs(n, random_state=rng)) for n in (20_000, 100_000))
        loss = held_out_loss(QuantileNormal().fit(x), other, truth)
        assert loss < 0.006
        assert held_out_loss(QuantileNormal(knots=2_000).fit(x), other, truth) > 3 * loss

    def test_density_is_continuous_everywhere(self) -> None:
        x = typical(2_000, 1)
        fitted = QuantileNormal().fit(x)
        knots = (fitted.centre + fitted.scale * fitted.knots_x.T).detach()
        step = 1e-9 * float(fitted.scale)
        left, right = fitted.forward(knots - step)[1], fitted.forward(knots + step)[1]
        assert torch.allclose(left, right, atol=1e-4)

    def test_far_outliers_are_the_last_quantile_and_move_nothing_else(self) -> None:
        rng = np.random.default_rng(3)
        x = rng.standard_normal(10_000)
        spoilt = np.append(x, [1e9, 2e9, -1e12])
        z, _ = QuantileNormal().fit(one_column(spoilt)).forward(one_column(spoilt))
        clean, _ = QuantileNormal().fit(one_column(x)).forward(one_column(x))
        assert float(z.abs().max()) < 4.1
        bulk = np.abs(x) < 2
        assert float((z[:-3] - clean)[torch.as_tensor(bulk)].abs().max()) < 0.05
        # The generator draws far events as often as they are in the data: 2 of 10,003.
        fitted = QuantileNormal().fit(one_column(spoilt))
        drawn = fitted.inverse(torch.as_tensor(rng.standard_normal((200_000, 1))))
        assert 0.5e-4 < float((drawn > 1e8).double().mean()) < 4e-4

    def test_few_distinct_values_become_as_many_ordered_points(self) -> None:
        rng = np.random.default_rng(4)
        x = one_column(rng.integers(0, 6, 5_000))
        fitted = QuantileNormal().fit(x)
        levels, _ = fitted.forward(one_column(np.arange(6)))
        middles = (np.bincount(x[:, 0].long(), minlength=6).cumsum() - np.bincount(x[:, 0].long()) / 2) / 5_000
        assert np.allclose(stats.norm.cdf(levels[:, 0]), middles, atol=1e-9)

    def test_value_shared_by_half_of_the_rows_stays_finite(self) -> None:
        rng = np.random.default_rng(5)
        x = one_column(np.where(rng.random(5_000) < 0.5, 0.3, rng.random(5_000)))
        z, log_det = QuantileNormal().fit(x).forward(x)
        assert torch.isfinite(z).all()
        assert torch.isfinite(log_det).all()
        assert float(z.abs().max()) < 4

    def test_a_value_that_many_events_share_is_worth_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        rng = np.random.default_rng(11)
        x = torch.as_tensor(
            np.stack([rng.normal(size=2_000), np.where(rng.random(2_000) < 0.3, -1, rng.random(2_000))]).T
        )
        QuantileNormal().fit(x)
        assert "column 1: 30 % of the weight has the value -1" in caplog.text
        assert "column 0" not in caplog.text
        caplog.clear()
        Chain(["atoms", "quantile_normal"]).fit(x)
        assert not caplog.text

    def test_negative_weights_subtract_events(self) -> None:
        rng = np.random.default_rng(6)
        wanted, unwanted = rng.standard_normal(40_000), 2 + 0.5 * rng.standard_normal(20_000)
        x = np.concatenate([wanted, unwanted, 2 + 0.5 * rng.standard_normal(20_000)])
        w = np.concatenate([np.ones(60_000), -np.ones(20_000)])
        fitted = QuantileNormal().fit(one_column(x), torch.as_tensor(w))
        z, _ = fitted.forward(one_column(rng.standard_normal(2_000)))
        assert abs(float(z.mean())) < 0.08
        assert abs(float(z.std()) - 1) < 0.08

    def test_weights_that_describe_no_distribution_are_refused(self) -> None:
        with pytest.raises(WeightError, match="column 0"):
            QuantileNormal().fit(one_column([1, 2]), torch.tensor([-1.0, 2.0]))

    def test_two_events_make_a_straight_line_with_the_tails_of_an_exponential(self) -> None:
        fitted = QuantileNormal().fit(one_column([1, 3]))
        z, log_det = fitted.forward(one_column([1, 2, 3]))
        slope = stats.norm.ppf(0.75)
        assert np.allclose(z[:, 0], slope * np.array([-1, 0, 1]))
        assert np.allclose(log_det, math.log(slope))
        far, _ = fitted.forward(one_column([-9, 13]))
        # From the last event, where a tail begins as if at z = 1: √(1 + 2 · slope · distance) − 1 further.
        assert np.allclose(far[:, 0], (slope + math.sqrt(1 + 20 * slope) - 1) * np.array([-1, 1]), rtol=0.01)

    def test_too_few_events_and_knots_are_refused(self) -> None:
        with pytest.raises(TooFewRowsError, match="1 rows"):
            QuantileNormal().fit(one_column([1]))
        with pytest.raises(HyperparameterError, match="knots = 1"):
            QuantileNormal(knots=1)


@st.composite
def heavy_and_light(draw: st.DrawFn) -> Tensor:
    """A column of any family, as in `samples`, at a scale of its own."""
    n = draw(st.integers(2, 2_000))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return one_column(column(draw(st.sampled_from(FAMILIES)), n, rng) * 10.0 ** draw(st.integers(-6, 6)))


class TestTails:
    """`QuantileNormal` outside of the training range."""

    @pytest.mark.parametrize(
        ("n", "truth"),
        [
            (500, stats.cauchy()),
            (5_000, stats.cauchy()),
            (5_000, stats.pareto(2)),
            (5_000, stats.norm()),
            (5_000, stats.expon()),
            (5_000, stats.uniform()),
        ],
        ids=["few-cauchy", "cauchy", "pareto", "normal", "exponential", "uniform"],
    )
    def test_events_beyond_the_last_have_about_the_density_of_the_truth(self, truth: Any, n: int) -> None:
        """A straight line loses 700 nats per such event of the Cauchy distribution, here it is two."""
        lost = []
        for seed in range(4):
            rng = np.random.default_rng(seed)
            x = truth.rvs(n, random_state=rng)
            other = truth.rvs(100_000, random_state=rng)
            outside = other[(other < x.min()) | (other > x.max())]
            if len(outside):
                lost.append(held_out_loss(QuantileNormal().fit(one_column(x)), one_column(outside), truth))
        assert -0.5 < np.mean(lost) < 3

    @pytest.mark.parametrize(
        ("truth", "index"),
        [
            (stats.pareto(4), 0.25),
            (stats.t(5), 0.2),
            (stats.expon(), 0.0),
            (stats.uniform(), 0.0),
            (stats.cauchy(), 0.5),
        ],
        ids=["pareto", "student", "exponential", "uniform", "cauchy"],
    )
    def test_index_of_a_tail_is_that_of_the_truth(self, truth: Any, index: float) -> None:
        x = truth.rvs(50_000, random_state=np.random.default_rng(7))
        rising, falling = QuantileNormal().fit(one_column(x)), QuantileNormal().fit(one_column(-x))
        assert float(rising.heaviness[0, 1]) == pytest.approx(index, abs=0.08)
        assert float(falling.heaviness[0, 0]) == pytest.approx(float(rising.heaviness[0, 1]), rel=1e-6)

    def test_a_heavy_tail_is_on_its_own_side(self) -> None:
        x = stats.pareto(1.5).rvs(5_000, random_state=np.random.default_rng(10))
        z, _ = QuantileNormal().fit(one_column(x)).forward(one_column([-1e5, 1e5 * x.max()]))
        assert float(z[0]) < -100
        assert 5 < float(z[1]) < 10

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(x=heavy_and_light())
    def test_slope_has_no_step_where_a_tail_begins(self, x: Tensor) -> None:
        fitted = QuantileNormal().fit(x)
        ends = torch.stack([x.amin(0), x.amax(0)])
        step = torch.tensor([[-1.0], [1.0]]).double() * 1e-7 * torch.maximum(ends.abs(), x.std(0))
        inside, outside = derivative(fitted, ends - step), derivative(fitted, ends + step)
        nearest = derivative(fitted, ends)
        assert torch.allclose(outside, nearest, rtol=0.05)
        # Inside the spline may be steep within that step, but not next to the end.
        assert (inside > 0).all()

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(x=heavy_and_light())
    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
    def test_any_distance_has_a_finite_slope_and_a_way_back(
        self, x: Tensor, dtype: torch.dtype, tolerance: float
    ) -> None:
        fitted = QuantileNormal().fit(x)
        distance = torch.logspace(-3, 30, 67, dtype=torch.float64)[:, None]
        for far in (x.amax(0) + distance, x.amin(0) - distance):
            rows = far.to(dtype).requires_grad_()
            z, log_det = fitted.forward(rows)
            (slope,) = torch.autograd.grad(z.sum(), rows)
            assert torch.isfinite(z).all()
            assert torch.isfinite(log_det).all()
            assert torch.isfinite(slope).all()
            assert (slope > 0).all()
            z, _ = fitted.forward(far)
            assert (z.diff(dim=0).abs() > 0).all()
            back = fitted.inverse(z.to(dtype)).double()
            # Rounding z alone moves x by ε z dx/dz.
            moved = z.abs() * torch.finfo(dtype).eps / derivative(fitted, far)
            assert ((back - far).abs() <= torch.maximum(tolerance * far.abs(), 4 * moved)).all()

    def test_z_beyond_anything_drawn_maps_to_finite_values_and_back(self) -> None:
        fitted = QuantileNormal().fit(one_column(stats.cauchy().rvs(5_000, random_state=np.random.default_rng(8))))
        z = one_column([-1e6, -40, -17, 17, 40, 1e6])
        x = fitted.inverse(z)
        assert torch.isfinite(x).all()
        assert torch.allclose(fitted.forward(x)[0], z, rtol=1e-9)

    def test_a_column_with_fewer_knots_keeps_its_own_tail(self) -> None:
        rng = np.random.default_rng(9)
        x = torch.as_tensor(np.stack([rng.integers(0, 5, 3_000).astype(float), rng.standard_normal(3_000)], axis=1))
        rows = torch.tensor([[-40.0, -9.0], [4.0, 0.0], [4.5, 6.0], [90.0, 9.0]]).double()
        both, log_det = QuantileNormal().fit(x).forward(rows)
        one, other = (QuantileNormal().fit(x[:, i : i + 1]).forward(rows[:, i : i + 1]) for i in (0, 1))
        assert torch.allclose(both, torch.cat([one[0], other[0]], dim=1), rtol=1e-12)
        assert torch.allclose(log_det, one[1] + other[1])


class TestLogit:
    def test_is_the_logit_of_the_scaled_range(self) -> None:
        x = torch.rand(1000, 1, generator=torch.Generator().manual_seed(0)).double()
        x[0], x[1] = 0, 1
        z, _ = Logit(epsilon=1e-12).fit(x).forward(torch.tensor([[0.2], [0.5]]).double())
        assert torch.allclose(z[:, 0], torch.tensor([math.log(0.25), 0.0]).double(), atol=1e-9)

    def test_extremes_of_the_training_sample_are_at_epsilon(self) -> None:
        fitted = Logit(epsilon=0.01).fit(one_column([2, 4, 7]))
        z, _ = fitted.forward(one_column([2, 7]))
        assert torch.allclose(torch.sigmoid(z[:, 0]), torch.tensor([0.01, 0.99]).double())

    @pytest.mark.parametrize("epsilon", [0.0, 0.5, -1.0])
    def test_epsilon_out_of_range_is_refused(self, epsilon: float) -> None:
        with pytest.raises(HyperparameterError, match="epsilon"):
            Logit(epsilon=epsilon)


class TestStandardise:
    def test_moments_are_those_of_the_weighted_sample(self) -> None:
        x = typical()
        w = torch.rand(len(x), generator=torch.Generator().manual_seed(0)).double()
        z, _ = Standardise().fit(x, w).forward(x)
        assert np.allclose(np.average(z, weights=w, axis=0), 0, atol=1e-12)
        assert np.allclose(np.average(z**2, weights=w, axis=0), 1)


class TestChain:
    def test_every_step_is_fitted_on_the_output_of_the_one_before(self) -> None:
        x = typical()
        z, log_det = Chain(["logit", "standardise"]).fit(x).forward(x)
        first = Logit().fit(x)
        middle, one = first.forward(x)
        expected, two = Standardise().fit(middle).forward(middle)
        assert torch.equal(z, expected)
        assert torch.allclose(log_det, one + two)

    def test_holds_bijections_kinds_and_specifications_alike(self) -> None:
        chain = Chain([Logit(epsilon=1e-3), "standardise", {"kind": "quantile_normal", "knots": 9}])
        kinds = [step["kind"] for step in chain.hyperparameters()["bijections"]]
        assert kinds == ["logit", "standardise", "quantile_normal"]

    def test_refuses_nothing_and_generators(self) -> None:
        with pytest.raises(HyperparameterError, match="empty"):
            Chain([])
        with pytest.raises(HyperparameterError, match="maf"):
            Chain(["maf"])


@pytest.mark.parametrize("specification", [{"kind": "affine", "shift": 1.5, "scale": 0.3}], ids=name_of)
class TestAffineContract(ElementwiseContract):
    def test_weights_count_rows(self, specification: dict[str, Any]) -> None:
        x = typical()
        one, other = create(specification).fit(x), create(specification).fit(x, torch.rand(len(x)))
        assert torch.equal(one.forward(x)[0], other.forward(x)[0])


class TestAffine:
    def test_every_column_has_its_own_numbers(self) -> None:
        z, log_det = Affine(shift=[1.0, 0.0], scale=[2.0, -4.0]).fit(typical(d=2)).forward(torch.tensor([[5.0, 8.0]]))
        assert torch.equal(z, torch.tensor([[2.0, -2.0]]))
        assert float(log_det) == pytest.approx(-math.log(8))

    def test_numbers_that_make_no_bijection_are_refused(self) -> None:
        for name, value in (("scale", 0.0), ("scale", [1.0, 0.0]), ("shift", math.inf), ("shift", [[1.0]])):
            with pytest.raises(HyperparameterError, match=f"{name} = "):
                Affine(**{name: value})
        with pytest.raises(HyperparameterError, match="shift of Affine has 2 numbers, but x has 3 columns"):
            Affine(shift=[1.0, 2.0]).fit(typical())


CIRCLES = ({"kind": "periodic", "period": 40.0, "low": -17.0}, {"kind": "periodic", "period": 60.0, "low": -20.0})


@pytest.mark.parametrize("specification", CIRCLES, ids=name_of)
class TestPeriodicContract(BijectionContract):
    """`typical` lies within one turn of these circles, so the identities of the line hold, apart from three."""

    def test_weights_count_rows(self, specification: dict[str, Any]) -> None:
        rng = np.random.default_rng(1)
        x = one_column(specification["low"] + specification["period"] * rng.random(300))
        w = torch.as_tensor(rng.integers(0, 4, 300))
        one, other = create(specification).fit(x, 0.37 * w), create(specification).fit(x.repeat_interleave(w, dim=0))
        assert torch.equal(one.seam, other.seam)
        assert not torch.equal(one.seam, create(specification).fit(x).seam)

    def test_negative_weights_leave_a_monotone_finite_map(self, specification: dict[str, Any]) -> None:
        x = typical()
        w = torch.where(torch.rand(len(x), generator=torch.Generator().manual_seed(5)) < 0.25, -1.0, 1.0)
        bijection = create(specification).fit(x, w)
        around = bijection.seam + torch.linspace(0.001, 0.999, 300).double()[:, None] * specification["period"]
        z, log_det = bijection.forward(around)
        assert (z.diff(dim=0) > 0).all()
        assert torch.isfinite(log_det).all()

    @pytest.mark.parametrize("d", [1, 2])
    def test_normal_density_pulled_back_integrates_to_one(self, specification: dict[str, Any], d: int) -> None:
        bijection = create(specification).fit(typical(d=d))
        points = 4_000 if d == 1 else 800
        axis = specification["low"] + specification["period"] * (torch.arange(points).double() + 0.5) / points
        rows = torch.cartesian_prod(*[axis] * d).reshape(-1, d)
        z, log_det = bijection.forward(rows)
        density = (log_det - 0.5 * (z**2).sum(1) - 0.5 * d * math.log(2 * math.pi)).exp()
        assert float(density.mean()) * specification["period"] ** d == pytest.approx(1, abs=1e-3)


@st.composite
def angles(draw: st.DrawFn) -> tuple[Tensor, float, float]:
    """Columns of angles of any family of columns, of several turns, the period and the low end of their circle."""
    n, d = draw(st.integers(2, 300)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    period = draw(st.sampled_from([2 * math.pi, 360.0, 1.0, 1e-3]))
    low = draw(st.sampled_from([-0.5, 0.0, 0.25])) * period
    columns = [column(draw(st.sampled_from(FAMILIES)), n, rng) for _ in range(d)]
    return torch.as_tensor(np.stack(columns, axis=1) * draw(st.sampled_from([0.02, 0.3])) * period), period, low


class TestPeriodic:
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(case=angles())
    def test_round_trip_ends_in_the_declared_range_and_is_the_same_angle(
        self, case: tuple[Tensor, float, float]
    ) -> None:
        x, period, low = case
        try:
            fitted = Periodic(period=period, low=low).fit(x)
        except ConstantFeatureError:
            # Whole turns apart, all values are the same angle.
            assert (torch.remainder((x - x[0]) / period + 0.5, 1) - 0.5).abs().max() < 1e-6
            return
        z, log_det = fitted.forward(x)
        assert torch.isfinite(z).all()
        assert torch.isfinite(log_det).all()
        back = fitted.inverse(z)
        assert (back >= low).all()
        assert (back < low + period).all()
        turns = (back - x) / period
        assert ((turns - turns.round()).abs() <= 1e-9 * (1 + x.abs() / period)).all()
        assert torch.allclose(log_det, derivative(fitted, x).log().sum(dim=1), rtol=0, atol=1e-9)
        single = fitted.inverse(fitted.forward(x.float())[0]).double()
        turns = (single - x) / period
        assert ((turns - turns.round()).abs() <= 1e-4 * (1 + x.abs() / period)).all()

    @pytest.mark.parametrize("centre", [-3.0, 0.0, 1.0, 3.1])
    def test_seam_is_opposite_to_a_single_peak(self, centre: float) -> None:
        x = stats.vonmises(2, loc=centre).rvs(5_000, random_state=np.random.default_rng(2))
        seam = float(Periodic().fit(one_column(x)).seam)
        assert abs(math.remainder(seam - centre - math.pi, 2 * math.pi)) < 0.4

    def test_seam_is_in_the_middle_of_an_empty_arc(self) -> None:
        rng = np.random.default_rng(3)
        x = one_column(rng.uniform(0.5, 2 * math.pi, 20_000))
        seam = float(Periodic(low=0.0).fit(x).seam)
        assert seam == pytest.approx(0.25, abs=0.01)

    def test_an_angle_on_the_seam_and_next_to_it_is_finite_on_both_sides(self) -> None:
        fitted = Periodic().fit(one_column(np.random.default_rng(4).normal(0, 1, 500)))
        seam = float(fitted.seam)
        z, log_det = fitted.forward(one_column([seam, math.nextafter(seam, -9), math.nextafter(seam, 9)]))
        assert torch.isfinite(log_det).all()
        assert float(z[0]) < -30
        assert float(z[1]) > 30
        assert float(z[2]) < -30

    def test_uniform_angles_become_normal_with_a_quantile_map_behind(self) -> None:
        rng = np.random.default_rng(5)
        fitted = Chain(["periodic", "quantile_normal"]).fit(one_column(rng.uniform(-math.pi, math.pi, 20_000)))
        z, _ = fitted.forward(one_column(rng.uniform(-math.pi, math.pi, 5_000)))
        assert stats.kstest(z[:, 0].numpy(), "norm").pvalue > 0.01

    def test_circles_that_are_none_are_refused(self) -> None:
        for period in (0.0, -1.0, math.inf):
            with pytest.raises(HyperparameterError, match="period"):
                Periodic(period=period)
        with pytest.raises(HyperparameterError, match="low"):
            Periodic(low=math.nan)


class TestColumns:
    def test_each_map_sees_its_columns_and_the_others_pass(self) -> None:
        x = typical(d=4)
        columns = Columns({"2": "logit", "3,0": {"kind": "chain", "bijections": ["standardise", "quantile_normal"]}})
        z, log_det = columns.fit(x).forward(x)
        assert torch.equal(z[:, 1], x[:, 1])
        first, one = Logit().fit(x[:, 2:3]).forward(x[:, 2:3])
        second, two = Chain(["standardise", "quantile_normal"]).fit(x[:, [3, 0]]).forward(x[:, [3, 0]])
        assert torch.equal(z[:, [2, 3, 0]], torch.cat([first, second], dim=1))
        assert torch.allclose(log_det, one + two)
        assert torch.allclose(columns.inverse(z), x)
        expected = log_det_by_autograd(lambda rows: columns.forward(rows)[0], x[:5])
        assert torch.allclose(log_det[:5], expected, atol=1e-9)

    def test_a_list_makes_a_chain_and_numbers_are_keys_as_well(self) -> None:
        one, other = Columns({1: ["logit", "standardise"]}), Columns({"1": Chain(["logit", "standardise"])})
        assert one.specification() == other.specification()
        assert create(one.specification()).specification() == one.specification()

    def test_no_map_at_all_is_the_identity(self) -> None:
        x = typical()
        z, log_det = Columns().fit(x).forward(x)
        assert torch.equal(z, x)
        assert torch.equal(log_det, torch.zeros(len(x)).double())

    @pytest.mark.parametrize("key", ["x", "-1", "1.5", "0,0", "", "0,"])
    def test_keys_that_are_no_columns_are_refused(self, key: str) -> None:
        with pytest.raises(HyperparameterError, match="key"):
            Columns({key: "logit"})

    def test_mistakes_name_the_column(self) -> None:
        with pytest.raises(HyperparameterError, match="column 2 twice"):
            Columns({"0,2": "logit", "2": "standardise"})
        with pytest.raises(HyperparameterError, match="column 1 of Columns: 'maf'"):
            Columns({"1": "maf"})
        with pytest.raises(ShapeError, match="column 3, but x has 3"):
            Columns({"3": "logit"}).fit(typical())
        with pytest.raises(HyperparameterError, match=r"Columns 2,1.*scale of Affine has 1 numbers"):
            Columns({"2,1": {"kind": "affine", "scale": [2.0]}}).fit(typical())
