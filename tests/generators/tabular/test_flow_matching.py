"""Flow matching of feature vectors: the contract, and what is particular to a flow in time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from generators.continuous.couplings import OptimalTransport
from generators.continuous.densities import Hutchinson
from generators.errors import GeneratorError, HyperparameterError
from generators.networks.velocity_mlp import VelocityMLP
from generators.registry import create
from generators.tabular.flow_matching import PATHS, FlowMatching, FlowMatchingLoss

from ..contracts import DensityContract, gaussian_events, name_of, quick
from ..gaussian_field import BestField, one_gaussian, seeded

SPECIFICATIONS: tuple[dict[str, Any], ...] = (
    {
        "kind": "flow_matching",
        "hidden": 32,
        "layers": 3,
        "density_steps": 6,
        "training": {"steps": 600, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": 0.98, "best_states": 2},
    },
    {
        "kind": "flow_matching",
        "path": "straight",
        "coupling": "optimal_transport",
        "solver": "heun",
        "hidden": 32,
        "layers": 2,
        "density_steps": 6,
        "training": {"steps": 600, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": 0.98},
    },
)


@pytest.fixture(scope="module", params=SPECIFICATIONS, ids=name_of)
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(DensityContract):
    pass


@pytest.mark.parametrize("path", PATHS)
class TestPaths:
    def test_loss_of_the_best_field_is_the_least(self, path: str) -> None:
        """What it misses is uncorrelated with the point, so a share of the point harms alike with either sign."""
        truth, n = one_gaussian(2), 30_000
        network: Any = FlowMatching(path=path, hidden=4, layers=1).build((2,), 0)
        best = BestField(truth)
        rows = truth.draw(n, seed=3)

        def loss(share: float) -> float:
            def field(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
                return best.forward_rows(x, t, c) + share * x

            torch.manual_seed(1)
            network._modules.pop("network", None)
            network.__dict__["network"] = field
            return float(FlowMatchingLoss(network)(rows, torch.empty(n, 0)).mean())

        least, more, less = loss(0.0), loss(0.3), loss(-0.3)
        assert more > least + 0.05
        assert more - least == pytest.approx(less - least, rel=0.15)

    def test_sampler_and_density_with_the_best_field_are_those_of_the_data(self, path: str) -> None:
        truth = one_gaussian(2)
        network: Any = FlowMatching(path=path, sampling_steps=20, density_steps=60, solver="rk4").build((2,), 0)
        network.network = BestField(truth)
        c = torch.empty(20_000, 0, dtype=torch.float64)
        z = network.draw(c, torch.Generator().manual_seed(1))
        error = 5 * float(truth.covariances.max() / 20_000) ** 0.5
        # The path of constant variance starts with 0.7 % of the data.
        assert torch.allclose(z.mean(0), truth.means[0], atol=error + 0.01)
        assert torch.allclose(torch.cov(z.T), truth.covariances[0], rtol=0.05, atol=0.05)
        rows = truth.draw(40, seed=2)
        assert torch.allclose(network.log_density(rows, c[:40]), truth.log_prob(rows), atol=0.05)


class TestDensity:
    def untrained(self, **changes: Any) -> Any:
        """Large weights: a skewed density of no simple form."""
        torch.manual_seed(8)
        settings = {"hidden": 16, "layers": 2, "density_steps": 8, "sampling_steps": 8, "solver": "rk4", **changes}
        network: Any = FlowMatching(**settings).build((2,), 1)
        for parameter in network.parameters():
            parameter.data = 0.5 * torch.randn_like(parameter)
        for parameter in network.network.head.parameters():
            parameter.data *= 0.3
        return network.double().requires_grad_(False)

    def test_integrates_to_one_and_is_that_of_the_samples(self) -> None:
        network, n = self.untrained(), 40_000
        z = network.draw(torch.full((n, 1), 0.5, dtype=torch.float64), torch.Generator().manual_seed(2))
        assert float(((z - z.mean(0)) ** 3).mean(0).div(z.std(0) ** 3).abs().max()) > 0.25

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

    def test_parts_of_a_sample_are_the_sample(self) -> None:
        z, c = seeded(2_500, 2), torch.rand(2_500, 1).double()
        network = self.untrained(density_steps=2)
        assert torch.allclose(network.log_density(z, c)[:700], network.log_density(z[:700], c[:700]), atol=1e-9)

    def test_random_traces_of_all_parts_are_near_the_exact_ones(self) -> None:
        z, c = seeded(700, 2), torch.rand(700, 1).double()
        exact = self.untrained(density_steps=2).log_density(z, c)
        random, missed = self.untrained(density_steps=2, log_density="hutchinson"), []
        for seed in range(16):
            random.trace = Hutchinson(4, seed)
            missed.append(random.log_density(z, c) - exact)
        for part in (slice(0, 256), slice(256, 512), slice(512, 700)):
            means = torch.stack(missed)[:, part].mean(dim=1)
            assert float(means.mean()) == pytest.approx(0, abs=4 * float(means.std()) / 4)
            assert float(means.std()) > 1e-6

    def test_adaptive_solver_agrees_with_many_fixed_steps(self) -> None:
        pytest.importorskip("torchdiffeq")
        z, c = seeded(200, 2), torch.rand(200, 1).double()
        fine = self.untrained(density_steps=40, sampling_steps=40)
        adaptive = self.untrained(solver="dopri5", tolerance=1e-7)
        assert torch.allclose(fine.log_density(z, c), adaptive.log_density(z, c), atol=1e-5)
        drawn = [network.draw(c, torch.Generator().manual_seed(1)) for network in (fine, adaptive)]
        assert torch.allclose(*drawn, atol=1e-3)


class TestCoupling:
    def test_weighted_loss_is_that_of_repeated_rows_on_average(self) -> None:
        """What the loop makes of the loss is the mean over events in proportion to their weights."""
        network: Any = (
            FlowMatching(coupling="optimal_transport", hidden=4, layers=1).build((2,), 1).requires_grad_(False)
        )
        # Groups of one leave noise where it is, so that only the resampling by weight remains.
        network.coupling = OptimalTransport(group=1)
        z, c = seeded(512, 2).float(), torch.rand(512, 1)
        weights = z.square().mean(dim=1) + 0.2
        loss, widened = FlowMatchingLoss(network, weighted=True), torch.cat([c, weights[:, None]], dim=1)
        # A field at rest misses cos φ data − sin φ noise, whose square over all angles is (|data|² + |noise|²) / 2.
        means = []
        for seed in range(30):
            torch.manual_seed(seed)
            means.append(float((loss(z, widened) * weights).mean() / weights.mean()))
        squares = z.square().mean(dim=1)
        expected = (math.pi / 2) ** 2 * (float((squares * weights).sum() / weights.sum()) + 1) / 2
        coupled = float(np.mean(means))
        unweighted = (math.pi / 2) ** 2 * (float(squares.mean()) + 1) / 2
        assert abs(unweighted - expected) > 0.02
        assert coupled == pytest.approx(expected, rel=0.01)
        independent: Any = FlowMatching(hidden=4, layers=1).build((2,), 1).requires_grad_(False)
        torch.manual_seed(1)
        alone = [float((FlowMatchingLoss(independent)(z, c) * weights).mean() / weights.mean()) for _ in range(30)]
        assert float(np.mean(alone)) == pytest.approx(expected, rel=0.02)

    def test_times_know_nothing_of_the_context(self) -> None:
        """Pairs may come in the order of the context, and times in the order of the pairs: not in both."""
        network: Any = FlowMatching(coupling="optimal_transport", hidden=4, layers=1).build((2,), 1)
        seen: list[Tensor] = []

        def spy(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
            seen.append(torch.stack([t, c[:, 0]]))
            return torch.zeros_like(x)

        network._modules.pop("network")
        network.__dict__["network"] = spy
        torch.manual_seed(1)
        FlowMatchingLoss(network)(seeded(2048, 2).float(), torch.rand(2048, 1))
        assert abs(float(torch.corrcoef(seen[0])[0, 1])) < 0.08

    def test_ensemble_of_flows_is_trained_at_once_unless_they_are_coupled(self) -> None:
        x, c = gaussian_events(300, seed=1)
        member = {"kind": "flow_matching", "hidden": 8, "layers": 1, "training": {"steps": 3, "batch_size": 64}}
        fitted = create({"kind": "ensemble", "members": 3, "generator": member}).fit(x, c, seed=1)
        assert len(fitted.networks_) == 3
        with pytest.raises(HyperparameterError, match="'flow_matching' can not be trained in an ensemble"):
            create({"kind": "ensemble", "generator": {**member, "coupling": "optimal_transport"}})

    def test_negative_weights_are_refused_and_change_nothing(self) -> None:
        x, c = gaussian_events(200, seed=1)
        weights = np.where(np.arange(200) % 4, 1.0, -1.0)
        fitted = quick(SPECIFICATIONS[1], steps=2).fit(x, c, seed=1)
        before = fitted.state()
        with pytest.raises(HyperparameterError, match=r"50 of 200.*independent"):
            fitted.fit(x, c, weights=weights, seed=1)
        assert all(torch.equal(before[key], value) for key, value in fitted.state().items())
        quick(SPECIFICATIONS[0], steps=2).fit(x, c, weights=weights, seed=1)


class TestNetwork:
    def test_untrained_is_the_field_at_rest(self) -> None:
        network = VelocityMLP(3, 2, hidden=8, layers=2, frequencies=3)
        assert torch.equal(network(torch.randn(5, 3), torch.rand(5), torch.randn(5, 2)), torch.zeros(5, 3))

    def test_depends_on_point_time_and_context(self) -> None:
        network = VelocityMLP(3, 2, hidden=8, layers=2, frequencies=3)
        nn.init.normal_(network.head.weight)
        x, t, c = torch.randn(5, 3), torch.rand(5), torch.randn(5, 2)
        base = network(x, t, c)
        for changed in (network(x + 0.1, t, c), network(x, t + 0.1, c), network(x, t, c + 0.1)):
            assert ((base - changed).abs().sum(dim=1) > 0).all()

    def test_one_time_for_all_rows_is_the_time_of_every_row(self) -> None:
        network = VelocityMLP(3, 2, hidden=8, layers=2, frequencies=3)
        nn.init.normal_(network.head.weight)
        x, c = torch.randn(5, 3), torch.randn(5, 2)
        assert torch.allclose(network(x, torch.tensor(0.3), c), network(x, torch.full((5,), 0.3), c), atol=1e-6)

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


@pytest.mark.parametrize(
    ("name", "value"),
    [("path", "spiral"), ("solver", "rk45"), ("coupling", "lazy"), ("log_density", "roughly")],
)
def test_unknown_parts_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(GeneratorError, match=f"'{value}'"):
        create({"kind": "flow_matching", name: value})


@pytest.mark.parametrize("name", ["hidden", "layers", "sampling_steps", "density_steps", "probes", "tolerance"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(HyperparameterError, match=f"{name} = 0"):
        create({"kind": "flow_matching", name: 0})
