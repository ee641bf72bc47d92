"""Schedules, the circle, solvers, divergences and couplings: the mathematics of flows in time, without a training."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from generators.continuous.couplings import Independent, OptimalTransport
from generators.continuous.densities import Exact, Hutchinson, log_density
from generators.continuous.objectives import LogitNormal, LogNormalNoise, UniformNoise, VelocityMatching, stratified
from generators.continuous.schedules import (
    Karras,
    Schedule,
    Straight,
    Trigonometric,
    VarianceExploding,
    VariancePreserving,
)
from generators.continuous.solvers import ADAPTIVE, STEPS, Adaptive, FixedSteps, solver
from generators.continuous.velocities import (
    RIGHT,
    AngularVelocity,
    ScheduleVelocity,
    by_angle,
    by_log_noise,
    forms_by_autograd,
    mix,
)
from generators.errors import HyperparameterError, MissingExtraError
from generators.networks.velocity_mlp import VelocityMLP

from ..gaussian_field import BestField, normal_log_prob, one_gaussian, seeded

ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}

SCHEDULES: tuple[Schedule, ...] = (
    Straight(),
    Trigonometric(),
    VariancePreserving(),
    VarianceExploding(),
    Karras(),
    VarianceExploding(highest=5.0, lowest=0.1),
    Karras(highest=10.0, lowest=0.05, rho=3.0),
)

#: Away from both ends, where some rates are infinite.
TIMES = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)


def schedule_name(schedule: Schedule) -> str:
    return repr(schedule) if "(" in repr(schedule) and "object" not in repr(schedule) else type(schedule).__name__


def slope(function: Any, t: Tensor) -> Tensor:
    t = t.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(t).sum(), t)
    return found


class TestSolvers:
    def test_all_are_covered(self) -> None:
        assert STEPS.keys() == ORDERS.keys()

    @pytest.mark.parametrize("name", STEPS)
    def test_error_falls_with_the_order(self, name: str) -> None:
        """dx/dt = x² cos t has the solution x₀ / (1 − x₀ sin t): not linear, and not free of t."""
        start = torch.linspace(-1.0, 0.6, 9, dtype=torch.float64)[:, None]
        exact = start / (1 - start * math.sin(1.0))

        def error(steps: int) -> float:
            end = FixedSteps(STEPS[name], steps)(lambda x, t: x**2 * math.cos(t), start, start=0.0, end=1.0)
            return float((end - exact).abs().max())

        coarse = 40 if ORDERS[name] < 4 else 20
        order = math.log2(error(coarse) / error(2 * coarse))
        assert order == pytest.approx(ORDERS[name], abs=0.15)
        assert error(2 * coarse) < 0.05

    @pytest.mark.parametrize("name", STEPS)
    def test_polynomials_in_time_up_to_the_order_are_exact(self, name: str) -> None:
        degree = ORDERS[name] - 1
        end = FixedSteps(STEPS[name], 1)(lambda x, t: x * 0 + t**degree, seeded(3, 2), start=0.0, end=2.0)
        assert torch.allclose(end - seeded(3, 2), torch.full((3, 2), 2.0 ** (degree + 1) / (degree + 1)).double())

    @pytest.mark.parametrize("name", STEPS)
    def test_backwards_undoes_forwards(self, name: str) -> None:
        def velocity(x: Tensor, t: float) -> Tensor:
            return torch.sin(x) + t

        carry = FixedSteps(STEPS[name], 20_000 if name == "euler" else 300)
        there = carry(velocity, seeded(4, 2), start=0.0, end=1.0)
        assert torch.allclose(carry(velocity, there, start=1.0, end=0.0), seeded(4, 2), atol=1e-4)
        assert not torch.allclose(there, seeded(4, 2), atol=0.1)

    def test_evaluations_are_inside_of_the_step(self) -> None:
        for step in STEPS.values():
            times: list[float] = []

            def velocity(x: Tensor, t: float, times: list[float] = times) -> Tensor:
                times.append(t)
                return x

            FixedSteps(step, 2)(velocity, seeded(1, 1), start=0.2, end=0.6)
            assert min(times) == pytest.approx(0.2)
            assert max(times) <= 0.6 + 1e-12

    @pytest.mark.parametrize("name", ADAPTIVE)
    def test_adaptive_error_follows_the_tolerance(self, name: str) -> None:
        pytest.importorskip("torchdiffeq")
        start = torch.linspace(-1.0, 0.6, 9, dtype=torch.float64)[:, None]
        exact = start / (1 - start * math.sin(1.0))
        errors = []
        for tolerance in (1e-3, 1e-6, 1e-9):
            end = Adaptive(name, tolerance)(lambda x, t: x**2 * math.cos(t), start, start=0.0, end=1.0)
            errors.append(float((end - exact).abs().max()))
            assert errors[-1] < 50 * tolerance
        assert errors[0] > 10 * errors[1] > 100 * errors[2]

    def test_adaptive_carries_no_rows_and_single_precision(self) -> None:
        pytest.importorskip("torchdiffeq")
        carry = Adaptive("dopri5", 1e-5)
        assert carry(lambda x, t: x, torch.empty(0, 3), start=0.0, end=1.0).shape == (0, 3)
        end = carry(lambda x, t: x, torch.ones(2, 1), start=1.0, end=0.0)
        assert end.dtype == torch.float32
        assert torch.allclose(end, torch.full((2, 1), math.exp(-1)), atol=1e-4)

    def test_missing_package_is_named_with_its_remedy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torchdiffeq", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'cathode-hep\[flows\]'"):
            solver("dopri5", steps=1, tolerance=1e-5)

    def test_unknown_is_refused(self) -> None:
        with pytest.raises(HyperparameterError, match=r"'rk45'.*midpoint"):
            solver("rk45", steps=1, tolerance=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=schedule_name)
class TestSchedules:
    def test_rates_are_the_derivatives_of_the_levels(self, schedule: Schedule) -> None:
        for part in (0, 1):
            expected = slope(lambda t, part=part: schedule.alpha_sigma(t)[part] + 0 * t, TIMES)
            assert torch.allclose(schedule.rates(TIMES)[part], expected, rtol=1e-9, atol=1e-9)

    def test_polar_coordinates_are_those_of_the_levels(self, schedule: Schedule) -> None:
        scale, angle = schedule.scale(TIMES), schedule.angle(TIMES)
        signal, noise = schedule.alpha_sigma(TIMES)
        assert torch.allclose(scale * torch.sin(angle), signal)
        assert torch.allclose(scale * torch.cos(angle), noise)
        stretch, turn = schedule.turns(TIMES)
        assert torch.allclose(stretch, slope(lambda t: schedule.scale(t).log(), TIMES), atol=1e-9)
        assert torch.allclose(turn, slope(schedule.angle, TIMES), atol=1e-9)

    def test_time_is_the_inverse_of_the_angle(self, schedule: Schedule) -> None:
        assert torch.allclose(schedule.time(schedule.angle(TIMES)), TIMES, atol=1e-9)

    def test_leads_from_noise_to_data(self, schedule: Schedule) -> None:
        angle = schedule.angle(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
        assert (angle.diff() > 0).all()
        assert 0 <= angle[0] < 0.25
        assert RIGHT - 0.11 < angle[2] <= RIGHT

    def test_velocity_is_the_derivative_of_the_point(self, schedule: Schedule) -> None:
        noise, data = seeded(25, 3, 2, seed=1), seeded(25, 3, 2, seed=2)
        point, velocity = schedule.point(noise, data, TIMES)
        assert point.shape == (25, 3, 2)
        h = 1e-6
        around = (schedule.point(noise, data, TIMES + h)[0] - schedule.point(noise, data, TIMES - h)[0]) / (2 * h)
        assert torch.allclose(velocity, around, rtol=1e-5, atol=1e-4)

    def test_every_row_has_its_own_time(self, schedule: Schedule) -> None:
        noise, data = seeded(25, 3, seed=1), seeded(25, 3, seed=2)
        together = schedule.point(noise, data, TIMES)
        for i in (0, 7, 24):
            alone = schedule.point(noise[i : i + 1], data[i : i + 1], TIMES[i])
            assert all(torch.allclose(a[0], b[i], atol=1e-14) for a, b in zip(alone, together, strict=True))

    def test_point_is_the_circle_seen_through_a_lens(self, schedule: Schedule) -> None:
        noise, data = seeded(25, 3, seed=1), seeded(25, 3, seed=2)
        point, velocity = schedule.point(noise, data, TIMES)
        on_circle, rate = mix(noise, data, schedule.angle(TIMES))
        scale, (stretch, turn) = schedule.scale(TIMES)[:, None], schedule.turns(TIMES)
        assert torch.allclose(point, scale * on_circle)
        assert torch.allclose(velocity, stretch[:, None] * point + scale * turn[:, None] * rate)

    def test_exact_field_reproduces_normal_data(self, schedule: Schedule) -> None:
        """The flow of the best field takes noise to the data and knows their density."""
        truth = one_gaussian(3)
        velocity = ScheduleVelocity(AngularVelocity(BestField(truth), torch.empty(5_000, 0)), schedule)
        first, last = schedule.ends
        start = first * seeded(5_000, 3, seed=5)
        drawn = FixedSteps(STEPS["rk4"], 30)(velocity, start, start=0.0, end=1.0) / last
        # What noise is left at the end belongs to the distribution.
        end = torch.ones((), dtype=torch.float64)
        left = (schedule.alpha_sigma(end)[1] / schedule.alpha_sigma(end)[0]).square()
        covariance = truth.covariances[0] + left * torch.eye(3, dtype=torch.float64)
        error = float(covariance.diagonal().max() / 5_000) ** 0.5
        # A start that is not yet pure noise leaves the mean short by its share of the data.
        short = float(torch.tan(schedule.angle(torch.zeros((), dtype=torch.float64)))) * float(truth.means.abs().max())
        assert torch.allclose(drawn.mean(0), truth.means[0], atol=5 * error + short)
        assert torch.allclose(torch.cov(drawn.T), covariance, rtol=0.08, atol=0.08 * float(covariance.max()))

        rows = truth.draw(20, seed=6)
        velocity = ScheduleVelocity(AngularVelocity(BestField(truth), torch.empty(20, 0)), schedule)
        found = log_density(
            velocity, rows, directions=Exact().directions(rows), trace=Exact(), solver=FixedSteps(STEPS["rk4"], 100)
        )
        expected = torch.distributions.MultivariateNormal(truth.means[0], covariance).log_prob(rows)
        assert torch.allclose(found, expected, atol=2e-3 + 10 * short)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=schedule_name)
def test_denoiser_does_not_depend_on_the_schedule(schedule: Schedule) -> None:
    """The expected data, worked out from the velocity along any schedule, is that of the angular velocity."""
    torch.manual_seed(4)
    network = VelocityMLP(3, 1, hidden=16, layers=2, frequencies=2).double()
    nn.init.normal_(network.head.weight)
    network.requires_grad_(False)
    c = seeded(10, 1, seed=3)
    field = AngularVelocity(network, c, by_log_noise)
    for at in (0.2, 0.5, 0.9):
        t = torch.tensor(at, dtype=torch.float64)
        (a, s), (da, ds) = schedule.alpha_sigma(t), schedule.rates(t)
        y = seeded(10, 3, seed=8)
        velocity = ScheduleVelocity(field, schedule)(a * y, at)
        expected = (s * velocity - ds * a * y) / (da * s - ds * a)
        assert torch.allclose(field.denoised(y, float(s / a)), expected, atol=1e-9)


def test_trigonometric_path_of_independent_normal_features_needs_no_velocity() -> None:
    """Point and speed are uncorrelated at every time and the variance stays one, so the best field is zero."""
    noise, data = seeded(200_000, 1, seed=1), seeded(200_000, 1, seed=2)
    for t in (0.1, 0.5, 0.8):
        point, speed = Trigonometric().point(noise, data, torch.tensor(t, dtype=torch.float64))
        assert float(point.var()) == pytest.approx(1, abs=0.015)
        assert float((point * speed).mean()) == pytest.approx(0, abs=0.015)


def test_time_embeddings_run_from_noise_to_data() -> None:
    angles = torch.linspace(0, RIGHT, 200, dtype=torch.float64)
    assert torch.equal(by_angle(angles)[[0, -1]], torch.tensor([0.0, 1.0], dtype=torch.float64))
    inside = by_log_noise(torch.atan2(torch.ones(1), torch.tensor([80.0, 1.0, 0.002])))
    assert (inside.diff() > 0).all()
    assert float(inside[1]) == pytest.approx(0.5, abs=1e-6)
    assert (inside > 0).all()
    assert (inside < 1).all()
    assert torch.isfinite(by_log_noise(angles)).all()


class TestObjectives:
    def test_weight_of_a_path_is_that_of_its_velocity(self) -> None:
        """An error of the angular velocity, seen along the path, has the square of the weight."""
        u = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
        for schedule in (Straight(), Trigonometric(), VariancePreserving()):
            angle, weight = VelocityMatching(schedule)(u)
            for i, t in enumerate(u.tolist()):
                c = torch.empty(1, 0)
                at_rest = ScheduleVelocity(AngularVelocity(lambda x, t, c: 0 * x, c), schedule)
                off = ScheduleVelocity(AngularVelocity(lambda x, t, c: 0 * x + 1, c), schedule)
                x = seeded(1, 1)
                assert torch.allclose((off(x, t) - at_rest(x, t)).square()[0, 0], weight[i])
            assert torch.allclose(angle, schedule.angle(u))

    def test_levels_have_the_promised_distributions(self) -> None:
        u = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
        angle, weight = LogNormalNoise(-0.4, 1.2)(u)
        log_noise = torch.log(1 / torch.tan(angle))
        assert float(log_noise.mean()) == pytest.approx(-0.4, abs=1e-3)
        assert float(log_noise.std()) == pytest.approx(1.2, abs=1e-2)
        assert torch.equal(weight, torch.ones_like(u))
        angle, _ = LogitNormal(UniformNoise(Trigonometric()), 0.5, 2.0)(u)
        assert float(torch.logit(angle / RIGHT).mean()) == pytest.approx(0.5, abs=1e-3)
        assert float(torch.logit(angle / RIGHT).std()) == pytest.approx(2.0, abs=2e-2)

    def test_levels_of_a_batch_fill_all_slices(self) -> None:
        torch.manual_seed(1)
        u = stratified(torch.empty(500, 2))
        assert torch.equal((u.sort().values * 500).floor(), torch.arange(500.0))
        assert ((u > 0) & (u < 1)).all()
        torch.manual_seed(1)
        assert torch.equal(stratified(torch.empty(500, 2)), u)

    def test_levels_know_nothing_of_the_place_in_a_batch(self) -> None:
        """Rows of a ragged batch are sorted by length."""
        torch.manual_seed(2)
        rows = torch.arange(128.0)
        found = torch.stack([torch.corrcoef(torch.stack([rows, stratified(rows)]))[0, 1] for _ in range(200)])
        assert float(found.mean()) == pytest.approx(0, abs=4 / (127 * 200) ** 0.5)
        assert float(found.std()) == pytest.approx(127**-0.5, rel=0.2)


class TestDensity:
    def fields(self, d: int, n: int) -> tuple[VelocityMLP, Tensor]:
        torch.manual_seed(7)
        network = VelocityMLP(d, 1, hidden=12, layers=3, frequencies=2).double()
        for parameter in network.parameters():
            parameter.data = 0.3 * torch.randn_like(parameter)
        return network.requires_grad_(False), seeded(n, 1, seed=3)

    @pytest.mark.parametrize("d", [1, 3, 5])
    def test_pushforward_is_the_jacobian(self, d: int) -> None:
        network, c = self.fields(d, 4)
        x, t, directions = seeded(4, d), torch.tensor(0.3).double(), Exact().directions(seeded(4, d))
        value, pushed = network.pushforward(x, t, c, directions)
        assert torch.allclose(value, network(x, t, c))
        for row in range(4):
            jacobian = torch.autograd.functional.jacobian(
                lambda r, row=row: network(r[None], t, c[row : row + 1])[0], x[row]
            )
            assert torch.allclose(pushed[:, row].T, jacobian, atol=1e-12)

    def test_directions_may_differ_from_row_to_row(self) -> None:
        network, c = self.fields(3, 4)
        x, t, u = seeded(4, 3), torch.tensor(0.3).double(), seeded(2, 4, 3, seed=9)
        own = AngularVelocity(network, c).forms(x, t, u)[1]
        by_rows = forms_by_autograd(lambda rows: network(rows, t / RIGHT, c), x, u)[1]
        assert torch.allclose(own, by_rows, atol=1e-12)

    @pytest.mark.parametrize("schedule", SCHEDULES[:3], ids=schedule_name)
    @pytest.mark.parametrize("own", [True, False], ids=["forward", "backward"])
    def test_is_the_change_of_variables_of_the_whole_flow(self, schedule: Schedule, own: bool) -> None:
        network, c = self.fields(2, 3)
        if not own:
            network.pushforward = None  # type: ignore[assignment, method-assign]
        z, carry = seeded(3, 2, seed=4), FixedSteps(STEPS["rk4"], 20)
        found = log_density(
            ScheduleVelocity(AngularVelocity(network, c), schedule),
            z,
            directions=Exact().directions(z),
            trace=Exact(),
            solver=carry,
        )
        first, last = schedule.ends
        for row in range(3):

            def noise(r: Tensor, row: int = row) -> Tensor:
                velocity = ScheduleVelocity(AngularVelocity(network, c[row : row + 1]), schedule)
                return (carry(velocity, last * r[None], start=1.0, end=0.0) / first)[0]

            jacobian = torch.autograd.functional.jacobian(noise, z[row])
            expected = torch.linalg.slogdet(jacobian).logabsdet + normal_log_prob(noise(z[row])[None])[0]
            assert float(found[row]) == pytest.approx(float(expected), abs=1e-3)

    def test_any_event_shape(self) -> None:
        """A cloud of two points in three dimensions with a field that couples all of them is one vector of six."""
        network, c = self.fields(6, 5)
        flat, carry = seeded(5, 6, seed=1), FixedSteps(STEPS["rk4"], 4)
        expected = log_density(
            ScheduleVelocity(AngularVelocity(network, c), Straight()),
            flat,
            directions=Exact().directions(flat),
            trace=Exact(),
            solver=carry,
        )

        def of_clouds(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
            return network(x.flatten(1), t, c).reshape(x.shape)

        cloud = flat.reshape(5, 2, 3)
        directions = Exact().directions(cloud)
        assert directions.shape == (6, 1, 2, 3)
        velocity = ScheduleVelocity(AngularVelocity(of_clouds, c), Straight())
        found = log_density(velocity, cloud, directions=directions, trace=Exact(), solver=carry)
        assert torch.allclose(found, expected, atol=1e-10)

    def test_random_traces_are_unbiased_and_better_with_more_probes(self) -> None:
        """A field that mostly inflates, so that a wrong factor would show beside the scatter."""
        network, c = self.fields(5, 30)
        z, carry = seeded(30, 5, seed=4), FixedSteps(STEPS["rk4"], 4)
        velocity = ScheduleVelocity(AngularVelocity(lambda x, t, c: x + network(x, t, c), c), Trigonometric())
        exact = log_density(velocity, z, directions=Exact().directions(z), trace=Exact(), solver=carry)

        def errors(probes: int, seed: int = 0) -> Tensor:
            trace = Hutchinson(probes, seed)
            return log_density(velocity, z, directions=trace.directions(z), trace=trace, solver=carry) - exact

        # Rows of one call have the same directions, so that the scatter is that of seeds.
        few, many = (torch.stack([errors(probes, seed) for seed in range(40)]) for probes in (4, 64))
        for error in (few, many):
            scatter = error.std(dim=0)
            assert 1e-3 < float(scatter.mean()) < 2
            assert float((error.mean(dim=0).abs() / scatter).max()) < 4 / 40**0.5
        assert float(few.std(dim=0).mean() / many.std(dim=0).mean()) == pytest.approx(4, rel=0.35)
        assert torch.equal(errors(4), few[0])
        assert not torch.allclose(few[1], few[0])
        signs = Hutchinson(3).directions(seeded(2, 6).reshape(2, 3, 2))
        assert torch.equal(Hutchinson(3).directions(seeded(5, 4).reshape(5, 2, 2)), signs[:, :, :2])
        assert set(Hutchinson(3).directions(z).unique().tolist()) == {-1.0, 1.0}

    def test_the_density_of_a_row_does_not_depend_on_the_others(self) -> None:
        network, c = self.fields(3, 20)
        z, carry, trace = seeded(20, 3, seed=4), FixedSteps(STEPS["rk4"], 2), Hutchinson(2)

        def of_rows(at: Tensor) -> Tensor:
            rows = z[at]
            velocity = ScheduleVelocity(AngularVelocity(network, c[at]), Straight())
            return log_density(velocity, rows, directions=trace.directions(rows), trace=trace, solver=carry)

        whole, mixed = of_rows(torch.arange(20)), torch.randperm(20, generator=torch.Generator().manual_seed(1))
        assert torch.allclose(of_rows(torch.arange(3)), whole[:3], atol=1e-12)
        assert torch.allclose(of_rows(mixed), whole[mixed], atol=1e-12)

    def test_no_rows_are_fine(self) -> None:
        network, c = self.fields(2, 0)
        z = torch.empty(0, 2, dtype=torch.float64)
        for trace in (Exact(), Hutchinson(2)):
            carry = FixedSteps(STEPS["rk4"], 2)
            velocity = ScheduleVelocity(AngularVelocity(network, c), Straight())
            assert log_density(velocity, z, directions=trace.directions(z), trace=trace, solver=carry).shape == (0,)


class TestCouplings:
    def batch(self, n: int = 512) -> tuple[Tensor, Tensor, Tensor]:
        c = torch.rand(n, 1, generator=torch.Generator().manual_seed(3)) * 2 - 1
        data = torch.cat([2 * c, -c], dim=1) + 0.5 * seeded(n, 2, seed=4).float()
        return seeded(n, 2, seed=5).float(), data, c

    def test_every_event_gets_one_noise(self) -> None:
        noise, data, c = self.batch(500)
        for coupling in (Independent(), OptimalTransport(), OptimalTransport(group=17, context_cost=0.0)):
            rows = coupling(noise, data, c, torch.full((500,), 0.37))
            assert torch.equal(rows.sort().values, torch.arange(500))

    def test_is_the_best_assignment(self) -> None:
        """Five events have 120 pairings; none is shorter."""
        from itertools import permutations

        noise, data, _ = self.batch(5)
        cost = torch.cdist(noise, data).square()
        rows = OptimalTransport()(noise, data, torch.empty(5, 0), torch.ones(5))
        best = min(sum(float(cost[i, j]) for i, j in enumerate(order)) for order in permutations(range(5)))
        assert float(cost[torch.arange(5), rows].sum()) == pytest.approx(best, rel=1e-6)

    def test_paths_cross_less(self) -> None:
        """The mean square speed of straight paths is the cost; its least value is that of the best transport."""
        noise, data, c = self.batch()
        rows = OptimalTransport()(noise, data, c, torch.ones(len(c)))
        together = (data - noise).square().sum(1).mean()
        assert float((data[rows] - noise).square().sum(1).mean()) < 0.8 * float(together)

    def test_noise_knows_nothing_of_the_context(self) -> None:
        """Data are a function of the context; noise that is exchanged without regard to it would be one, too."""
        n = 800
        c = torch.rand(n, 1, generator=torch.Generator().manual_seed(3)) * 2 - 1
        noise, data = seeded(n, 2, seed=5).float(), torch.cat([2 * c, -c], dim=1)

        def correlation(coupling: OptimalTransport) -> float:
            torch.manual_seed(1)
            rows = coupling(noise, data, c, torch.ones(n))
            return float(np.corrcoef(noise[:, 0], c[rows, 0])[0, 1])

        # Either of both is enough here: small groups of similar context, and the price of crossing to another one.
        assert abs(correlation(OptimalTransport())) < 0.1
        assert abs(correlation(OptimalTransport(group=32, context_cost=0.0))) < 0.1
        assert abs(correlation(OptimalTransport(group=n))) < 0.1
        assert correlation(OptimalTransport(group=n, context_cost=0.0)) > 0.8

    def test_two_columns_of_context_and_none(self) -> None:
        noise, data, c = self.batch(300)
        for context in (torch.cat([c, c.square()], dim=1), torch.empty(300, 0)):
            rows = OptimalTransport()(noise, data, context, torch.ones(300))
            assert torch.equal(rows.sort().values, torch.arange(300))

    def test_weights_count_events(self) -> None:
        noise, data, c = self.batch(600)
        weights = torch.tensor([1.0, 3.0]).repeat(300)
        taken = torch.zeros(600)
        for seed in range(20):
            torch.manual_seed(seed)
            taken += torch.bincount(OptimalTransport()(noise, data, c, weights), minlength=600)
        assert float(taken[1::2].sum() / taken.sum()) == pytest.approx(0.75, abs=0.005)
        assert torch.allclose(taken / 20, weights / 2, atol=0.5)

    def test_clouds(self) -> None:
        rows = OptimalTransport()(seeded(40, 5, 3), seeded(40, 5, 3, seed=2), torch.empty(40, 0), torch.ones(40))
        assert torch.equal(rows.sort().values, torch.arange(40))
