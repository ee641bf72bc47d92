"""Solvers, paths and the density of a flow that is an ordinary differential equation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from generators.continuous.paths import PATHS, TrigonometricPath
from generators.continuous.solvers import STEPS, integrate
from generators.errors import GeneratorError
from generators.networks.velocity_mlp import VelocityMLP
from generators.registry import create
from generators.tabular.flow_matching import FlowMatching

# torch itself calls it when a derivative is first taken forwards.
pytestmark = pytest.mark.filterwarnings("default:`torch.jit.script` is deprecated:DeprecationWarning")

ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}


def rows(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestSolvers:
    def test_all_are_covered(self) -> None:
        assert STEPS.keys() == ORDERS.keys()

    @pytest.mark.parametrize("name", STEPS)
    def test_error_falls_with_the_order(self, name: str) -> None:
        """dx/dt = x² cos t has the solution x₀ / (1 − x₀ sin t): not linear, and not free of t."""
        start = torch.linspace(-1.0, 0.6, 9, dtype=torch.float64)[:, None]
        exact = start / (1 - start * math.sin(1.0))

        def error(steps: int) -> float:
            end = integrate(lambda x, t: x**2 * math.cos(t), start, start=0.0, end=1.0, steps=steps, step=STEPS[name])
            return float((end - exact).abs().max())

        coarse = 40 if ORDERS[name] < 4 else 20
        order = math.log2(error(coarse) / error(2 * coarse))
        assert order == pytest.approx(ORDERS[name], abs=0.15)
        assert error(2 * coarse) < 0.05

    @pytest.mark.parametrize("name", STEPS)
    def test_polynomials_in_time_up_to_the_order_are_exact(self, name: str) -> None:
        degree = ORDERS[name] - 1
        end = integrate(lambda x, t: x * 0 + t**degree, rows(3, 2), start=0.0, end=2.0, steps=1, step=STEPS[name])
        assert torch.allclose(end - rows(3, 2), torch.full((3, 2), 2.0 ** (degree + 1) / (degree + 1)).double())

    @pytest.mark.parametrize("name", STEPS)
    def test_backwards_undoes_forwards(self, name: str) -> None:
        def velocity(x: Tensor, t: float) -> Tensor:
            return torch.sin(x) + t

        steps = 20_000 if name == "euler" else 300
        there = integrate(velocity, rows(4, 2), start=0.0, end=1.0, steps=steps, step=STEPS[name])
        back = integrate(velocity, there, start=1.0, end=0.0, steps=steps, step=STEPS[name])
        assert torch.allclose(back, rows(4, 2), atol=1e-4)
        assert not torch.allclose(there, rows(4, 2), atol=0.1)

    def test_evaluations_are_inside_of_the_step(self) -> None:
        for step in STEPS.values():
            times: list[float] = []

            def velocity(x: Tensor, t: float, times: list[float] = times) -> Tensor:
                times.append(t)
                return x

            integrate(velocity, rows(1, 1), start=0.2, end=0.6, steps=2, step=step)
            assert min(times) == pytest.approx(0.2)
            assert max(times) <= 0.6 + 1e-12


@pytest.mark.parametrize("name", PATHS)
class TestPaths:
    def test_velocity_is_the_derivative_of_the_point(self, name: str) -> None:
        path, noise, data = PATHS[name](), rows(5, 3, 1), rows(5, 3, 2)
        for t in (0.0, 0.17, 0.5, 0.93, 1.0):
            at = torch.full((5, 1), t, dtype=torch.float64)
            (point, _), (derivative, _) = torch.func.jvp(
                lambda s: path.point(noise, data, s), (at,), (torch.ones_like(at),)
            )
            assert torch.allclose(derivative, path.point(noise, data, at)[1], atol=1e-12)
            assert torch.equal(point, path.point(noise, data, at)[0])

    def test_leads_from_noise_to_data(self, name: str) -> None:
        path, noise, data = PATHS[name](), rows(5, 3, 1), rows(5, 3, 2)
        zero = torch.zeros(5, 1, dtype=torch.float64)
        assert torch.allclose(path.point(noise, data, zero)[0], noise, atol=1e-14)
        assert torch.allclose(path.point(noise, data, zero + 1)[0], data, atol=1e-14)

    def test_every_row_has_its_own_time(self, name: str) -> None:
        path, noise, data = PATHS[name](), rows(5, 3, 1), rows(5, 3, 2)
        t = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
        together = path.point(noise, data, t)
        for i in range(5):
            alone = path.point(noise[i : i + 1], data[i : i + 1], t[i : i + 1])
            assert all(torch.allclose(a[0], b[i], atol=1e-14) for a, b in zip(alone, together, strict=True))

    def test_loss_of_a_field_at_rest_is_the_mean_square_speed(self, name: str) -> None:
        """For standard normal data: (π/2)² on the circle, 2 on the straight line."""
        network = create({"kind": "flow_matching", "path": name, "hidden": 4, "layers": 1}).build(3, 1)
        torch.manual_seed(3)
        with torch.no_grad():
            loss = network(torch.randn(40_000, 3), torch.zeros(40_000, 1))
        assert loss.shape == (40_000,)
        expected = {"trigonometric": (math.pi / 2) ** 2, "straight": 2.0}[name]
        assert float(loss.mean()) == pytest.approx(expected, rel=0.02)


def test_trigonometric_path_of_independent_normal_features_needs_no_velocity() -> None:
    """Point and speed are uncorrelated at every time and the variance stays one, so the best field is zero."""
    noise, data = rows(200_000, 1, 1), rows(200_000, 1, 2)
    for t in (0.1, 0.5, 0.8):
        point, speed = TrigonometricPath().point(noise, data, torch.full((200_000, 1), t, dtype=torch.float64))
        assert float(point.var()) == pytest.approx(1, abs=0.015)
        assert float((point * speed).mean()) == pytest.approx(0, abs=0.015)


class Linear(nn.Module):
    """v(x, t, c) = (A + c B) x + b, in the place of the network."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.a, self.b = 0.7 * rows(d, d, 11), 0.4 * rows(d, d, 12)
        self.offset = rows(1, d, 13)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return x @ self.a.T + c * (x @ self.b.T) + self.offset

    def flow(self, c: float) -> tuple[Tensor, Tensor]:
        """Matrix and shift of the map from t = 0 to t = 1."""
        d = len(self.a)
        augmented = torch.zeros(d + 1, d + 1, dtype=torch.float64)
        augmented[:d, :d], augmented[:d, d] = self.a + c * self.b, self.offset[0]
        whole = torch.linalg.matrix_exp(augmented)
        return whole[:d, :d], whole[:d, d]


class TestDensity:
    @pytest.mark.parametrize("d", [1, 2, 4])
    def test_is_the_change_of_variables_of_a_linear_field(self, d: int) -> None:
        network: Any = FlowMatching(density_steps=40).build(d, 1)
        network.velocity = Linear(d)
        z = rows(20, d, 3)
        for c in (-1.0, 0.3):
            matrix, shift = network.velocity.flow(c)
            exact = torch.distributions.MultivariateNormal(shift, matrix @ matrix.T).log_prob(z)
            found = network.log_density(z, torch.full((20, 1), c, dtype=torch.float64))
            assert torch.allclose(found, exact, atol=2e-4, rtol=1e-5)

    def test_samples_of_a_linear_field_have_its_moments(self) -> None:
        network: Any = FlowMatching(sampling_steps=20, solver="rk4").build(2, 1)
        network.velocity = Linear(2)
        c = torch.full((100_000, 1), 0.3, dtype=torch.float64)
        z = network.draw(c, torch.Generator().manual_seed(1))
        matrix, shift = network.velocity.flow(0.3)
        covariance = matrix @ matrix.T
        assert torch.allclose(z.mean(0), shift, atol=5 * float(covariance.max() / 100_000) ** 0.5)
        assert torch.allclose(torch.cov(z.T), covariance, rtol=0.03, atol=0.03 * float(covariance.max()))

    def test_integrates_to_one_and_is_that_of_the_samples(self) -> None:
        """An untrained network with large weights: a skewed density of no simple form, on a grid and drawn."""
        torch.manual_seed(8)
        network: Any = FlowMatching(hidden=16, layers=2, density_steps=30, sampling_steps=30, solver="rk4").build(2, 1)
        for parameter in network.parameters():
            parameter.data = 0.6 * torch.randn_like(parameter)
        for parameter in network.velocity.head.parameters():
            parameter.data *= 0.2
        network.double().requires_grad_(False)
        n = 40_000
        z = network.draw(torch.full((n, 1), 0.5, dtype=torch.float64), torch.Generator().manual_seed(2))
        assert float(((z - z.mean(0)) ** 3).mean(0).div(z.std(0) ** 3).abs().max()) > 0.3

        axes = [
            torch.linspace(float(m - 6 * s), float(m + 9 * s), 101) for m, s in zip(z.mean(0), z.std(0), strict=True)
        ]
        points = torch.cartesian_prod(*axes).double()
        cell = math.prod(float(axis[1] - axis[0]) for axis in axes)
        mass = network.log_density(points, torch.full((len(points), 1), 0.5, dtype=torch.float64)).exp() * cell
        assert float(mass.sum()) == pytest.approx(1, abs=2e-3)

        spread = z.std(0)
        centre = mass @ points
        assert torch.allclose(z.mean(0) / spread, centre / spread, atol=5 * n**-0.5)
        rest, seen = (points - centre) / spread, (z - centre) / spread
        assert torch.allclose((mass[:, None] * rest).T @ rest, seen.T @ seen / n, atol=0.05)
        assert torch.allclose(mass @ rest**3, (seen**3).mean(0), atol=0.25)


class TestNetwork:
    def test_untrained_is_the_field_at_rest(self) -> None:
        network = VelocityMLP(3, 2, hidden=8, layers=2, frequencies=3)
        assert torch.equal(network(torch.randn(5, 3), torch.rand(5, 1), torch.randn(5, 2)), torch.zeros(5, 3))

    def test_depends_on_point_time_and_context(self) -> None:
        network = VelocityMLP(3, 2, hidden=8, layers=2, frequencies=3)
        nn.init.normal_(network.head.weight)
        x, t, c = torch.randn(5, 3), torch.rand(5, 1), torch.randn(5, 2)
        base = network(x, t, c)
        for changed in (network(x + 0.1, t, c), network(x, t + 0.1, c), network(x, t, c + 0.1)):
            assert ((base - changed).abs().sum(dim=1) > 0).all()

    def test_untrained_generator_draws_what_its_bijection_makes_of_noise(self) -> None:
        """A field at rest leaves the noise where it is, so the quantile map gives back the one-dimensional spectra."""
        rng = np.random.default_rng(5)
        x, c = rng.exponential(2.0, (4_000, 2)), rng.uniform(0, 1, (4_000, 1))
        settings = {"steps": 1, "batch_size": 64, "learning_rate": 1e-12}
        fitted = create({"kind": "flow_matching", "hidden": 4, "layers": 1, "training": settings}).fit(x, c, seed=1)
        drawn = fitted.sample(rng.uniform(0, 1, (20_000, 1)), seed=2)
        for column in (0, 1):
            levels = np.linspace(0.05, 0.95, 19)
            assert np.quantile(drawn[:, column], levels) == pytest.approx(np.quantile(x[:, column], levels), rel=0.06)


@pytest.mark.parametrize(("name", "value"), [("path", "spiral"), ("solver", "rk45")])
def test_unknown_parts_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(GeneratorError, match=f"'{value}'"):
        create({"kind": "flow_matching", name: value})
