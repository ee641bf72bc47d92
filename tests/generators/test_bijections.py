"""Fitted preprocessing: the contract for all kinds, then what is particular to one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy import stats
from torch import Tensor

from generators.bijections.chain import Chain
from generators.bijections.logit import Logit
from generators.bijections.quantile import QuantileNormal
from generators.bijections.standardise import Standardise
from generators.errors import HyperparameterError, TooFewEventsError, WeightError
from generators.registry import create

from .contracts import BIJECTIONS, BijectionContract, derivative, name_of, samples, typical


@pytest.mark.parametrize("specification", BIJECTIONS, ids=name_of)
class TestContract(BijectionContract):
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

    def test_two_events_make_a_straight_line(self) -> None:
        fitted = QuantileNormal().fit(one_column([1, 3]))
        z, log_det = fitted.forward(one_column([0, 1, 2, 3, 4]))
        expected = stats.norm.ppf(0.75) * np.array([-2, -1, 0, 1, 2])
        assert np.allclose(z[:, 0], expected)
        assert np.allclose(log_det, math.log(stats.norm.ppf(0.75)))

    def test_too_few_events_and_knots_are_refused(self) -> None:
        with pytest.raises(TooFewEventsError, match="1 rows"):
            QuantileNormal().fit(one_column([1]))
        with pytest.raises(HyperparameterError, match="knots = 1"):
            QuantileNormal(knots=1)


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
