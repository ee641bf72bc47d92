"""Maps of energies: sums and shares with exact densities, empty cells with exact probabilities."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from generators.bijections.chain import Chain
from generators.bijections.layer_ratios import LayerRatios
from generators.bijections.logarithm import Logarithm
from generators.bijections.readout import Readout
from generators.bijections.stick_breaking import StickBreaking
from generators.bijections.threshold import Threshold
from generators.bijections.unit_logit import UnitLogit
from generators.errors import (
    ConstantFeatureError,
    HyperparameterError,
    MissingContextError,
    NonFiniteInputError,
    NotFittedError,
    ShapeError,
)
from generators.registry import create

from .contracts import log_det_by_autograd, name_of

SPECIFICATIONS: tuple[dict[str, Any], ...] = (
    {"kind": "stick_breaking"},
    {"kind": "stick_breaking", "sizes": [2, 1, 3]},
    {"kind": "layer_ratios"},
    {"kind": "layer_ratios", "scale": 2.42, "order": [4, 3, 0, 1, 2, 5]},
    {"kind": "layer_ratios", "incident": None, "scale": 40.0},
    {"kind": "layer_ratios", "incident": 1},
    {"kind": "unit_logit"},
    {"kind": "unit_logit", "epsilon": 1e-2},
    {"kind": "logarithm"},
    {"kind": "logarithm", "offset": 0.1},
    {"kind": "threshold", "threshold": 1e-3},
)


def energies(n: int = 300, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Positive rows (N, 6) over many orders, below 1, and a context (N, 2) of energies."""
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(math.log(2e-3), -0.01, (n, 6)))
    return torch.as_tensor(x), torch.as_tensor(rng.uniform(1, 50, (n, 2)))


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=name_of)
class TestMapsOfEnergies:
    def test_inverse_undoes_forward(self, specification: dict[str, Any]) -> None:
        x, c = energies()
        fitted = create(specification).fit(x, context=c)
        for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
            rows = x.to(dtype)
            z, log_det = fitted.forward(rows, c)
            assert z.dtype == log_det.dtype == dtype
            assert torch.allclose(fitted.inverse(z, c), rows, rtol=tolerance, atol=tolerance)

    def test_log_determinant_is_that_of_autograd(self, specification: dict[str, Any]) -> None:
        x, c = energies()
        fitted = create(specification).fit(x, context=c)
        for row, given in zip(x[:6], c[:6], strict=True):
            _, log_det = fitted.forward(row[None], given[None])
            expected = log_det_by_autograd(lambda r, given=given: fitted.forward(r, given[None])[0], row[None])
            assert torch.allclose(log_det, expected, rtol=0, atol=1e-9)

    def test_saved_and_loaded_is_the_same_map(self, specification: dict[str, Any]) -> None:
        from safetensors.torch import load, save

        x, c = energies()
        fitted = create(specification).fit(x, context=c)
        again = create(fitted.specification())
        again.load_state_dict(load(save(fitted.state_dict())))
        assert again.features == 6
        for one, other in zip(fitted.forward(x, c), again.forward(x, c), strict=True):
            assert torch.equal(one, other)

    def test_one_bad_row_harms_no_other(self, specification: dict[str, Any]) -> None:
        x, c = energies()
        fitted = create(specification).fit(x, context=c)
        spoilt = x.clone()
        spoilt[4, 2], spoilt[6, 3] = math.nan, -3
        z, log_det = fitted.forward(spoilt, c)
        assert torch.isnan(z[4]).any()
        rest = (torch.arange(len(x)) != 4) & (torch.arange(len(x)) != 6)
        assert torch.equal(z[rest], fitted.forward(x, c)[0][rest])
        assert torch.isfinite(log_det[rest]).all()

    def test_what_can_not_be_used_is_named(self, specification: dict[str, Any]) -> None:
        x, c = energies()
        with pytest.raises(NotFittedError):
            create(specification).forward(x, c)
        fitted = create(specification).fit(x, context=c)
        with pytest.raises(ShapeError, match=r"\(N, 6\)"):
            fitted.forward(x[:, :4], c)
        for column, value, error in ((3, math.inf, NonFiniteInputError), (2, None, ConstantFeatureError)):
            spoilt = x.clone()
            spoilt[:, column] = 0.5 if value is None else value
            with pytest.raises(error, match=f"column {column}"):
                create(specification).fit(spoilt, context=c)
        empty = fitted.forward(x[:0], c[:0])
        assert empty[0].shape == (0, 6)
        assert empty[1].shape == (0,)


def simplex_grid(n: int) -> Tensor:
    """Middles of cells over x + y < 1."""
    middles = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return torch.cartesian_prod(middles, middles)


class TestSticks:
    def test_energies_come_first_and_sums_are_exact(self) -> None:
        x, _ = energies()
        fitted = StickBreaking(sizes=[2, 1, 3]).fit(x)
        z, _ = fitted.forward(x)
        assert torch.allclose(z[:, :3], torch.stack([x[:, :2].sum(1), x[:, 2], x[:, 3:].sum(1)], dim=1))
        assert torch.allclose(z[:, 3], x[:, 0] / (x[:, 0] + x[:, 1]))
        assert torch.allclose(z[:, 5], x[:, 4] / (x[:, 4] + x[:, 5]))
        other = z.clone()
        other[:, :3] *= 7
        assert torch.allclose(fitted.inverse(other), 7 * x)

    def test_density_on_the_simplex_integrates_to_one(self) -> None:
        """Sum known, two shares: uniform shares have the density 1/(1 − x₁) over the triangle, whose integral is 1."""
        x, _ = energies()
        fitted = StickBreaking().fit(x[:, :3])
        first, second = simplex_grid(1_000).T
        inside = first + second < 1
        rows = torch.stack([first, second, 1 - first - second], dim=1)[inside]
        z, log_det = fitted.forward(rows)
        assert torch.allclose(z[:, 0], torch.ones(len(rows)).double())
        assert torch.allclose(log_det, -(1 - rows[:, 0]).log())
        assert float(log_det.exp().sum()) / 1_000**2 == pytest.approx(1, abs=6e-3)

    def test_density_of_a_dirichlet_distribution_is_found(self) -> None:
        """Gamma energies: the sum is gamma, the shares are beta, all independent, and the densities agree."""
        rng = np.random.default_rng(1)
        shape = np.array([0.7, 1.5, 3.0])
        x = rng.gamma(shape, size=(50, 3))
        z, log_det = StickBreaking().fit(torch.as_tensor(x)).forward(torch.as_tensor(x))
        total, first, second = z.numpy().T
        model = stats.gamma(shape.sum()).logpdf(total) + stats.beta(0.7, 4.5).logpdf(first)
        model = model + stats.beta(1.5, 3.0).logpdf(second) + log_det.numpy()
        assert np.allclose(model, stats.gamma(shape).logpdf(x).sum(axis=1))

    def test_empty_groups_are_finite_and_come_back_empty(self) -> None:
        x, _ = energies()
        fitted = StickBreaking(sizes=[3, 3]).fit(x)
        x[0] = 0
        x[1, 3:] = 0
        z, log_det = fitted.forward(x)
        assert torch.isfinite(z).all()
        assert torch.isfinite(log_det).all()
        assert torch.allclose(fitted.inverse(z), x)

    def test_no_generated_energy_is_negative_and_no_sum_is_missed(self) -> None:
        x, _ = energies()
        fitted = StickBreaking(sizes=[6]).fit(x)
        z = 3 * torch.randn(500, 6, generator=torch.Generator().manual_seed(1)).double()
        z[:, 0] = z[:, 0].abs()
        drawn = fitted.inverse(z)
        assert (drawn >= 0).all()
        assert torch.allclose(drawn.sum(1), z[:, 0])

    def test_negative_energies_can_not_occur(self) -> None:
        x, c = energies()
        for fitted in (StickBreaking().fit(x), LayerRatios().fit(x, context=c), Logarithm().fit(x)):
            rows = x[:3].clone()
            rows[1, 2] = -0.01
            assert fitted.forward(rows, c[:3])[1].isneginf().tolist() == [False, True, False]

    def test_sizes_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(ShapeError, match="hold 5 columns, but x has 6"):
            StickBreaking(sizes=[2, 3]).fit(energies()[0])
        for sizes in ([0, 6], [-1], [2.5], [True]):
            with pytest.raises(HyperparameterError, match="sizes"):
                StickBreaking(sizes=sizes)


class TestLayerRatios:
    def test_are_those_of_the_definition(self) -> None:
        x = torch.tensor([[2.0, 3.0, 5.0], [1.0, 1.0, 2.0]]).double()
        c = torch.tensor([[20.0], [8.0]]).double()
        u, log_det = LayerRatios(scale=2.0).fit(x, context=c).forward(x, c)
        assert torch.allclose(u, torch.tensor([[10 / 40, 2 / 10, 3 / 8], [4 / 16, 1 / 4, 1 / 3]]).double())
        assert log_det.tolist() == pytest.approx([-math.log(40 * 10 * 8), -math.log(16 * 4 * 3)])

    def test_order_says_which_layer_is_taken_first(self) -> None:
        x, c = energies()
        for order in itertools.permutations(range(3)):
            fitted = LayerRatios(order=order).fit(x[:, :3], context=c)
            u, _ = fitted.forward(x[:, :3], c)
            assert torch.allclose(u[:, 1], x[:, order[0]] / x[:, :3].sum(1))
            assert torch.allclose(fitted.inverse(u, c), x[:, :3])

    def test_what_does_not_fit_is_refused(self) -> None:
        x, c = energies()
        with pytest.raises(MissingContextError, match="LayerRatios"):
            LayerRatios().fit(x)
        with pytest.raises(ShapeError, match="incident = 2"):
            LayerRatios(incident=2).fit(x, context=c)
        with pytest.raises(ShapeError, match="names 2 layers"):
            LayerRatios(order=[1, 0]).fit(x, context=c)
        for bad in ({"scale": 0.0}, {"scale": math.nan}, {"incident": -1}, {"order": [0, 0]}, {"order": [1, 2]}):
            with pytest.raises(HyperparameterError, match=next(iter(bad))):
                LayerRatios(**bad)


class TestUnitLogit:
    def test_is_the_published_formula_whatever_the_training_range(self) -> None:
        x = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
        fitted = UnitLogit(epsilon=1e-6).fit(x[3:5])
        z, log_det = fitted.forward(x)
        regular = 1e-6 + (1 - 2e-6) * x
        assert torch.allclose(z, (regular / (1 - regular)).log(), rtol=1e-9)
        assert torch.allclose(log_det, ((1 - 2e-6) / (regular * (1 - regular)))[:, 0].log(), rtol=1e-9)


class TestLogarithm:
    def test_values_without_a_logarithm_are_refused(self) -> None:
        x, _ = energies()
        x[3, 1] = 0
        with pytest.raises(HyperparameterError, match="column 1 goes down to 0"):
            Logarithm().fit(x)
        assert torch.isfinite(Logarithm(offset=1e-8).fit(x).forward(x)[0]).all()
        with pytest.raises(HyperparameterError, match="offset"):
            Logarithm(offset=-1.0)


class TestThreshold:
    def sample(self) -> Tensor:
        """Cells of which the second is empty in two of three rows and the first never."""
        rng = np.random.default_rng(2)
        x = 1 + rng.exponential(size=(900, 2))
        x[:600, 1] = np.where(rng.random(600) < 0.5, 0, rng.random(600))
        return torch.as_tensor(x)

    def test_empty_cells_come_back_empty_and_others_unchanged(self) -> None:
        x = self.sample()
        fitted = Threshold(threshold=1.0).fit(x)
        assert fitted.discrete_columns == [1]
        for noise in (torch.zeros_like(x), torch.ones_like(x), torch.rand_like(x), None):
            z, log_det = fitted.forward(x, noise=noise)
            assert ((z > 0) & ((z < 1) == (x < 1))).all()
            assert torch.equal(fitted.inverse(z), torch.where(x < 1, 0, x))
            assert torch.equal(log_det, torch.zeros(900).double())

    def test_probability_of_an_empty_cell_is_the_integral_below_the_threshold(self) -> None:
        """Behind the map a logarithm and a normal: ∫ p |det| dv over the noise is Φ at the threshold."""
        x = self.sample()[:, 1:] / 50
        chain = Chain([{"kind": "threshold", "threshold": 0.02}, "logarithm", {"kind": "affine", "shift": -4.0}]).fit(x)
        noise = ((torch.arange(100_000) + 0.5) / 100_000).double()[:, None]
        z, log_det = chain.forward(torch.zeros(100_000, 1).double(), noise=noise)
        probability = (torch.distributions.Normal(0, 1).log_prob(z[:, 0]) + log_det).exp().mean()
        assert float(probability) == pytest.approx(stats.norm.cdf(math.log(0.02) + 4.0), abs=1e-4)
        # And the full cells have the rest.
        edges = torch.exp(torch.linspace(math.log(0.02), math.log(20), 20_001).double())
        middles = (edges[1:] + edges[:-1]) / 2
        z, log_det = chain.forward(middles[:, None])
        density = (torch.distributions.Normal(0, 1).log_prob(z[:, 0]) + log_det).exp()
        assert float((density * edges.diff()).sum() + probability) == pytest.approx(1, abs=1e-4)

    def test_whole_showers_through_the_whole_chain(self) -> None:
        """Threshold, layers and sticks, logits: empty layers, empty cells, and the density of what is not empty."""
        rng = np.random.default_rng(3)
        x = torch.as_tensor(np.where(rng.random((400, 6)) < 0.4, 0.0, 0.01 + rng.exponential(size=(400, 6))))
        x[:20, :3] = 0
        c = x.sum(1, keepdim=True) * 1.1 + 1
        sticks = [{"kind": "threshold", "threshold": 0.01}, {"kind": "stick_breaking", "sizes": [3, 3]}]
        ratios = {"kind": "columns", "maps": {"0,1": "layer_ratios"}}
        chain = Chain([*sticks, ratios, "unit_logit", "standardise"]).fit(x, context=c)
        noise = torch.as_tensor(rng.random((400, 6)))
        z, log_det = chain.forward(x, c, noise)
        assert torch.isfinite(z).all()
        assert torch.isfinite(log_det).all()
        assert torch.allclose(chain.inverse(z, c), x, rtol=1e-6)

    @pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan, math.inf])
    def test_thresholds_that_are_none_are_refused(self, threshold: float) -> None:
        with pytest.raises(HyperparameterError, match="threshold"):
            Threshold(threshold=threshold)


class TestReadout:
    def test_cells_with_energy_alone_have_a_volume(self) -> None:
        x = torch.tensor([[0.0, 2.0, 0.4], [1.0, 3.0, 0.5]], dtype=torch.float64)
        fitted = Readout(threshold=0.5).fit(x)
        z, log_det = fitted.forward(x)
        assert z.tolist() == [[0, 4, 0], [2, 6, 1]]
        assert torch.allclose(log_det, torch.tensor([1.0, 3.0], dtype=torch.float64) * math.log(2))
        assert fitted.inverse(z).tolist() == [[0, 2, 0], [1, 3, 0.5]]

    def test_a_cell_that_no_shower_hits_is_no_obstacle_and_a_negative_one_can_not_be(self) -> None:
        x = torch.tensor([[0.0, 2.0], [0.0, 3.0]], dtype=torch.float64)
        fitted = Readout(threshold=1.0).fit(x)
        assert torch.equal(fitted.inverse(fitted.forward(x)[0]), x)
        _, log_det = fitted.forward(torch.tensor([[-1.0, 2.0]], dtype=torch.float64))
        assert log_det.tolist() == [-math.inf]
        with pytest.raises(HyperparameterError, match="threshold"):
            Readout(threshold=0.0)
