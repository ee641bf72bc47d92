"""Diffusion of feature vectors: samplers with a perfect denoiser, then the contract."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from generators.continuous.samplers import SAMPLERS, Ancestral, Euler, Heun, Sampler, StochasticHeun, noise_levels
from generators.continuous.velocities import AngularVelocity, by_angle
from generators.errors import HyperparameterError
from generators.registry import create
from generators.tabular.diffusion import SCHEDULES, Diffusion

from ..contracts import DensityContract, gaussian_events, name_of
from ..gaussian_field import BestField, one_gaussian, seeded, two_gaussians

TRAINING = {"steps": 900, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": 0.98}

SPECIFICATIONS: tuple[dict[str, Any], ...] = (
    {
        "kind": "diffusion",
        "hidden": 32,
        "layers": 3,
        "density_steps": 8,
        "training": {**TRAINING, "best_states": 2},
    },
    {
        "kind": "diffusion",
        "schedule": "vp",
        "sampler": "heun",
        "sampling_steps": 24,
        "hidden": 32,
        "layers": 2,
        "density_steps": 8,
        "training": TRAINING,
    },
)

#: Steps with which a sampler is accurate to the statistics of the tests.
STEPS = {"euler": 100, "heun": 24, "dpm++2m": 60, "stochastic_heun": 32, "ancestral": 100}

ORDERS = {"euler": 1, "heun": 2, "dpm++2m": 2}


@pytest.fixture(scope="module", params=SPECIFICATIONS, ids=name_of)
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(DensityContract):
    pass


def angle_of_log_noise(t: Tensor) -> Tensor:
    """The inverse of the time embedding of diffusion."""
    return torch.atan2(torch.ones_like(t), torch.exp(14 * (0.5 - t)))


class TestSamplers:
    def test_all_are_covered(self) -> None:
        assert STEPS.keys() == SAMPLERS.keys()

    @pytest.mark.parametrize("schedule", SCHEDULES)
    @pytest.mark.parametrize("name", SAMPLERS)
    def test_mixture_of_two_peaks(self, name: str, schedule: str) -> None:
        """Shares, places and widths of two separate peaks, from a denoiser that knows them."""
        truth, n = two_gaussians(), 4_000
        levels = noise_levels(SCHEDULES[schedule], STEPS[name])
        field = AngularVelocity(BestField(truth), torch.empty(n, 0), by_angle)
        start = math.hypot(1.0, levels[0]) * seeded(n, 2, seed=1)
        drawn = SAMPLERS[name]()(field.denoised, start, levels, iter(seeded(len(levels), n, 2, seed=2)))
        first = (drawn - truth.means[0]).norm(dim=1) < (drawn - truth.means[1]).norm(dim=1)
        assert float(first.double().mean()) == pytest.approx(0.7, abs=0.03)
        for peak, mean, covariance in zip((drawn[first], drawn[~first]), truth.means, truth.covariances, strict=True):
            assert torch.allclose(peak.mean(0), mean, atol=0.05)
            assert torch.allclose(torch.cov(peak.T), covariance, rtol=0.15, atol=0.02)

    @pytest.mark.parametrize("name", ORDERS)
    def test_error_of_the_probability_flow_falls_with_the_order(self, name: str) -> None:
        """In one dimension the flow of normal data of width w keeps (y − mean) / √(w² + σ²)."""
        mean, width, y = 0.4, 0.7, seeded(9, 1)

        def denoiser(y: Tensor, sigma: float) -> Tensor:
            return mean + (y - mean) * width**2 / (width**2 + sigma**2)

        exact = mean + (y - mean) * math.hypot(width, 0.1) / math.hypot(width, 5.0)

        def error(steps: int) -> float:
            levels = torch.logspace(math.log10(5.0), -1, steps + 1, dtype=torch.float64).tolist()
            end = SAMPLERS[name]()(denoiser, y, levels, iter(()))
            return float((end - exact).abs().max())

        assert math.log2(error(40) / error(80)) == pytest.approx(ORDERS[name], abs=0.2)
        assert error(80) < 0.02

    @pytest.mark.parametrize("name", SAMPLERS)
    def test_data_that_are_one_point_are_found_exactly(self, name: str) -> None:
        point = seeded(1, 2, 3)
        levels = noise_levels(SCHEDULES["edm"], 5)
        start = point + levels[0] * seeded(4, 2, 3, seed=2)
        end = SAMPLERS[name]()(lambda y, sigma: point.expand_as(y), start, levels, iter(seeded(5, 4, 2, 3)))
        assert torch.allclose(end, point.expand_as(end), atol=1e-10)

    def test_without_churn_the_stochastic_sampler_is_heun(self) -> None:
        field = AngularVelocity(BestField(one_gaussian(2)), torch.empty(10, 0))
        levels = noise_levels(SCHEDULES["edm"], 8)
        start = levels[0] * seeded(10, 2)
        samplers: tuple[Sampler, ...] = (StochasticHeun(churn=0.0), Heun())
        one, two = (sampler(field.denoised, start, levels, iter(seeded(8, 10, 2, seed=3))) for sampler in samplers)
        assert torch.allclose(one, two)

    def test_noise_of_the_ancestral_sampler_is_that_of_the_posterior(self) -> None:
        """For one step from the joint distribution of data and y, the result has the variance of the lower level."""
        n = 200_000
        data = 0.5 * seeded(n, 1)
        y = data + 2.0 * seeded(n, 1, seed=2)
        end, _ = Ancestral().step(lambda y, sigma: data, y, 2.0, 1.2, None, iter(seeded(1, n, 1, seed=3)))
        assert float((end - data).var()) == pytest.approx(1.2**2, rel=0.02)
        assert float(((end - data) * (y - data)).mean()) == pytest.approx(1.2**2, rel=0.02)
        least, _ = Euler().step(lambda y, sigma: data, y, 2.0, 1.2, None, iter(()))
        assert float((least - data).var()) == pytest.approx(1.2**2, rel=0.02)

    @pytest.mark.parametrize("schedule", SCHEDULES)
    def test_levels_fall_to_zero(self, schedule: str) -> None:
        levels = noise_levels(SCHEDULES[schedule], 7)
        assert len(levels) == 8
        assert levels[-1] == 0
        assert (torch.tensor(levels).diff() < 0).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
class TestDensity:
    def test_with_the_best_field_is_that_of_the_data(self, schedule: str) -> None:
        truth = two_gaussians()
        network: Any = Diffusion(schedule=schedule, density_steps=60).build((2,), 0)
        network.network = BestField(truth, angle_of_log_noise)
        rows = truth.draw(40, seed=2)
        found = network.log_density(rows, torch.empty(40, 0, dtype=torch.float64))
        # The least noise of the schedules widens the peaks of width 0.3 by as much as 0.01 does.
        assert torch.allclose(found, truth.log_prob(rows), atol=0.03)

    def test_samples_of_the_best_field_are_the_data(self, schedule: str) -> None:
        truth = one_gaussian(2)
        network: Any = Diffusion(schedule=schedule).build((2,), 0)
        network.network = BestField(truth, angle_of_log_noise)
        drawn = network.draw(torch.empty(20_000, 0, dtype=torch.float64), torch.Generator().manual_seed(1))
        error = 5 * float(truth.covariances.max() / 20_000) ** 0.5
        # The highest level of noise leaves some trace of the mean of the data.
        assert torch.allclose(drawn.mean(0), truth.means[0], atol=error + 0.02)
        assert torch.allclose(torch.cov(drawn.T), truth.covariances[0], rtol=0.05, atol=0.03)

    def test_loss_of_a_field_at_rest(self, schedule: str) -> None:
        """For data of unit variance the rate of change on the circle has unit variance at every angle."""
        model = Diffusion(schedule=schedule, hidden=4, layers=1)
        objective = model.objective(model.build((2,), 1).requires_grad_(False))
        torch.manual_seed(1)
        loss = objective(seeded(40_000, 2).float(), torch.zeros(40_000, 1))
        assert loss.shape == (40_000,)
        assert float(loss.mean()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("name", "value"), [("schedule", "linear"), ("sampler", "ddim"), ("log_density", "roughly"), ("sampling_steps", 0)]
)
def test_unknown_parts_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(HyperparameterError, match=str(value)):
        create({"kind": "diffusion", name: value})
