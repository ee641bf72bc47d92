"""Discrete columns: exact levels, exact probabilities, and what the noise is good for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

import generators
from generators.bijections.atoms import Atoms
from generators.bijections.chain import Chain
from generators.bijections.columns import Columns
from generators.bijections.dequantise import UniformDequantise
from generators.bijections.noise import lattice
from generators.bijections.variational import VariationalDequantise, _log_mass, _standard
from generators.errors import ConstantFeatureError, HyperparameterError, MissingContextError, ShapeError
from generators.registry import create

from .contracts import typical

KINDS = ("dequantise", "variational_dequantise")
both = pytest.mark.parametrize("kind", KINDS)

CASES: tuple[dict[str, Any], ...] = (
    {"levels": 2, "low": 0, "step": 1},
    {"levels": 2, "low": -1, "step": 2},
    {"levels": 5, "low": -7, "step": 3},
    {"levels": 40, "low": 3, "step": 1},
    {"levels": 300, "low": 1_000_000, "step": 10},
)


@st.composite
def mixed(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, list[int]]:
    """Rows (N, D), a context (N, 1), noise (N, D), and which columns are discrete: falling, rare or even levels."""
    n = draw(st.integers(4, 200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns, discrete = [], []
    for index in range(draw(st.integers(1, 3))):
        case = draw(st.sampled_from([*CASES, None]))
        if case is None:
            columns.append(rng.standard_normal(n) + 0.5)
            continue
        share = rng.random(case["levels"]) ** draw(st.sampled_from([0, 1, 8]))
        level = rng.choice(case["levels"], n, p=share / share.sum())
        level[:2] = 0, 1
        columns.append(case["low"] + case["step"] * level.astype(float))
        discrete.append(index)
    noise = rng.random((n, len(columns)))
    noise[2], noise[3] = 0, 1 - 2.0**-53
    return (
        torch.as_tensor(np.stack(columns, axis=1)),
        torch.as_tensor(rng.uniform(2000, 6000, (n, 1))),
        torch.as_tensor(noise),
        discrete,
    )


@both
class TestDequantisation:
    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(case=mixed())
    def test_levels_come_back_exactly_whatever_the_noise(
        self, kind: str, case: tuple[Tensor, Tensor, Tensor, list[int]]
    ) -> None:
        x, c, noise, discrete = case
        fitted = create({"kind": kind}).fit(x, None, c)
        assert fitted.discrete_columns == discrete
        for rows in (x, x.float()):
            for v in (noise, None):
                z, log_det = fitted.forward(rows, c, v)
                assert torch.isfinite(z).all()
                assert torch.isfinite(log_det).all()
                assert torch.equal(fitted.inverse(z, c), rows)
        others = [index for index in range(x.shape[1]) if index not in discrete]
        assert torch.equal(fitted.forward(x, c, noise)[0][:, others], x[:, others])

    @settings(max_examples=12, deadline=None, derandomize=True)
    @given(case=mixed())
    def test_log_determinant_is_that_of_autograd_by_the_noise(
        self, kind: str, case: tuple[Tensor, Tensor, Tensor, list[int]]
    ) -> None:
        x, c, noise, discrete = case
        fitted = create({"kind": kind}).fit(x, None, c)
        v = (0.01 + 0.98 * noise).requires_grad_()
        z, log_det = fitted.forward(x, c, v)
        slope = torch.autograd.grad(z[:, discrete].sum(), v)[0][:, discrete] if discrete else x[:, :0]
        # A column's z depends on its own noise alone, so the Jacobian is diagonal.
        assert torch.allclose(slope.log().sum(dim=1), log_det, rtol=0, atol=1e-7)

    @settings(max_examples=12, deadline=None, derandomize=True)
    @given(case=mixed())
    def test_intervals_of_levels_tile_the_line(self, kind: str, case: tuple[Tensor, Tensor, Tensor, list[int]]) -> None:
        x, c, _, discrete = case
        fitted = create({"kind": kind}).fit(x, None, c)
        for column in discrete:
            low, high = x[:, column].min(), x[:, column].max()
            steps = float((high - low) / fitted.step_size[column])
            z = torch.linspace(-5, steps + 6, 400, dtype=torch.float64)[:, None].expand(-1, x.shape[1])
            values = fitted.inverse(z, c[:1].expand(400, -1))[:, column]
            assert (values.diff() >= 0).all()
            assert values[0] == low
            assert values[-1] == high

    def test_probabilities_of_all_levels_are_those_of_their_intervals(self, kind: str) -> None:
        """Behind the map a normal: the lattice must find what the distribution function says, and 1 for the sum."""
        rng = np.random.default_rng(1)
        x = torch.as_tensor(rng.poisson(1.7, (4_000, 1)).astype(float))
        fitted = create({"kind": "chain", "bijections": [kind, {"kind": "affine", "shift": 2.0, "scale": 1.5}]}).fit(x)
        levels = torch.arange(int(x.max()) + 1).double()[:, None]
        p = level_probabilities(fitted, levels, None)
        borders = np.concatenate([[-np.inf], (np.arange(1, len(levels)) - 2) / 1.5, [np.inf]])
        assert np.allclose(p, np.diff(stats.norm.cdf(borders)), atol=2e-3)
        assert float(p.sum()) == pytest.approx(1, abs=2e-3)

    def test_probabilities_of_pairs_of_levels_sum_to_one(self, kind: str) -> None:
        rng = np.random.default_rng(2)
        first = rng.poisson(1.0, 4_000)
        x = torch.as_tensor(np.stack([first, first + rng.integers(0, 3, 4_000)], axis=1).astype(float))
        fitted = Chain([kind, "quantile_normal"]).fit(x)
        levels = torch.cartesian_prod(*[torch.arange(int(n) + 1).double() for n in x.amax(0)])
        assert float(level_probabilities(fitted, levels, None).sum()) == pytest.approx(1, abs=5e-3)

    def test_levels_are_as_far_apart_as_the_values_of_the_sample(self, kind: str) -> None:
        for values, step in (([-1.0, 1.0], 2), ([3.0, 9.0, 15.0], 6), ([0.0, 4.0, 6.0], 2), ([5.0, 7.0, 8.0], 1)):
            x = torch.tensor(values).double().repeat(20)[:, None]
            fitted = create({"kind": kind}).fit(x)
            assert fitted.step_size.tolist() == [step]
            drawn = fitted.inverse(torch.linspace(-3, 9, 200).double()[:, None])
            assert set(drawn.flatten().tolist()) == set(np.arange(values[0], values[-1] + 1, step))

    def test_values_that_can_not_occur_have_no_probability_and_harm_no_other(self, kind: str) -> None:
        x = torch.as_tensor(np.random.default_rng(3).integers(0, 5, (500, 1)).astype(float))
        fitted = create({"kind": kind}).fit(x)
        rows = torch.tensor([[-1.0], [2.0], [2.5], [5.0], [math.nan], [3.0]]).double()
        z, log_det = fitted.forward(rows)
        assert log_det[[0, 2, 3]].tolist() == [-math.inf] * 3
        assert torch.isfinite(z[[0, 2, 3]]).all()
        assert torch.isnan(z[4]).all()
        for index in (1, 5):
            assert torch.equal(fitted.forward(rows[index : index + 1])[0][0], z[index])

    def test_continuous_columns_pass_and_constant_ones_are_refused(self, kind: str) -> None:
        x = typical()
        z, log_det = create({"kind": kind}).fit(x).forward(x)
        assert torch.equal(z, x)
        assert torch.equal(log_det, torch.zeros(len(x)).double())
        x[:, 1] = 3
        with pytest.raises(ConstantFeatureError, match="column 1"):
            create({"kind": kind}).fit(x)

    def test_declared_columns_must_be_discrete(self, kind: str) -> None:
        x = typical()
        x[:, 2] = torch.arange(len(x)) % 4
        assert create({"kind": kind}).fit(x).discrete_columns == [2]
        assert create({"kind": kind, "columns": [2]}).fit(x).discrete_columns == [2]
        assert create({"kind": kind, "columns": []}).fit(x).discrete_columns == []
        with pytest.raises(HyperparameterError, match=r"column 0, but 400 of 400 values are not a whole number"):
            create({"kind": kind, "columns": [0, 2]}).fit(x)
        with pytest.raises(ShapeError, match="has 7, but x has 3"):
            create({"kind": kind, "columns": [7]}).fit(x)
        with pytest.raises(HyperparameterError, match="-1"):
            create({"kind": kind, "columns": [-1]})
        with pytest.raises(HyperparameterError, match="step = 0"):
            create({"kind": kind, "step": 0})
        many = torch.tensor([[0.0], [1.0], [2.0**21]]).double()
        assert create({"kind": kind}).fit(many).discrete_columns == []
        with pytest.raises(HyperparameterError, match="more than 1048576 levels"):
            create({"kind": kind, "columns": [0]}).fit(many)

    def test_a_declared_step_makes_other_lattices_discrete(self, kind: str) -> None:
        rng = np.random.default_rng(4)
        x = torch.as_tensor(0.1 + 0.25 * rng.integers(0, 9, (500, 1)))
        assert create({"kind": kind}).fit(x).discrete_columns == []
        fitted = create({"kind": kind, "columns": [0], "step": 0.25}).fit(x)
        z, log_det = fitted.forward(x, None, torch.rand(x.shape, generator=torch.Generator().manual_seed(1)))
        assert torch.isfinite(log_det).all()
        assert torch.allclose(fitted.inverse(z), x, atol=1e-12)
        with pytest.raises(HyperparameterError, match=r"not 0.1 plus a multiple of 0.2 "):
            create({"kind": kind, "columns": [0], "step": 0.2}).fit(x)

    def test_saved_and_loaded_is_the_same_map(self, kind: str) -> None:
        from safetensors.torch import load, save

        rng = np.random.default_rng(5)
        x = torch.as_tensor(np.stack([rng.normal(size=300), rng.poisson(3, 300)], axis=1))
        c = torch.as_tensor(rng.uniform(1, 2, (300, 1)))
        chain = Chain([kind, "quantile_normal"]).fit(x, None, c)
        again = create(chain.specification())
        again.load_state_dict(load(save({key: value.contiguous() for key, value in chain.state_dict().items()})))
        noise = torch.as_tensor(rng.random((300, 2)))
        for one, other in zip(chain.forward(x, c, noise), again.forward(x, c, noise), strict=True):
            assert torch.equal(one, other)
        assert again.discrete_columns == [1]
        assert torch.equal(again.inverse(again.forward(x, c, noise)[0], c)[:, 1], x[:, 1])

    def test_weights_count_rows_and_their_order_does_not_matter(self, kind: str) -> None:
        rng = np.random.default_rng(6)
        x = torch.as_tensor(rng.poisson(2, (400, 1)).astype(float))
        c = torch.as_tensor(rng.uniform(1, 2, (400, 1)))
        w, order = torch.as_tensor(rng.integers(0, 4, 400)), torch.as_tensor(rng.permutation(400))
        fits = (
            create({"kind": kind}).fit(x, 0.37 * w, c),
            create({"kind": kind}).fit(x.repeat_interleave(w, dim=0), None, c.repeat_interleave(w, dim=0)),
            create({"kind": kind}).fit(x[order], w[order].double(), c[order]),
        )
        noise = torch.as_tensor(rng.random((400, 1)))
        one, *others = (fitted.forward(x, c, noise)[0] for fitted in fits)
        for other in others:
            assert torch.allclose(one, other, atol=1e-3)

    def test_what_follows_in_a_chain_is_fitted_to_the_spread_out_values(self, kind: str) -> None:
        rng = np.random.default_rng(7)
        x = torch.as_tensor(rng.poisson(3, (5_000, 1)).astype(float))
        noise = torch.as_tensor(rng.random((5_000, 1)))
        z, _ = Chain([kind, "quantile_normal"]).fit(x).forward(x, None, noise)
        assert stats.kstest(z[:, 0].numpy(), "norm").pvalue > 0.01

    def test_maps_of_single_columns_take_their_own_noise(self, kind: str) -> None:
        rng = np.random.default_rng(8)
        n = rng.poisson(3, (300, 2)).astype(float)
        x = torch.as_tensor(np.stack([n[:, 0], rng.normal(size=300), n[:, 1]], axis=1))
        noise = torch.as_tensor(rng.random((300, 3)))
        columns = Columns({"2": [kind, "standardise"], "0": kind}).fit(x, noise=noise)
        assert columns.discrete_columns == [0, 2]
        z, log_det = columns.forward(x, None, noise)
        first, one = create({"kind": kind}).fit(x[:, :1]).forward(x[:, :1], None, noise[:, :1])
        chain = Chain([kind, "standardise"]).fit(x[:, 2:], noise=noise[:, 2:])
        last, two = chain.forward(x[:, 2:], None, noise[:, 2:])
        assert torch.equal(z, torch.cat([first, x[:, 1:2], last], dim=1))
        assert torch.allclose(log_det, one + two)


def level_probabilities(fitted: Any, levels: Tensor, context: Tensor | None) -> Tensor:
    """P of every row of `levels` when z is standard normal, by the rule that densities use."""
    terms = []
    for noise in lattice(64, fitted.discrete_columns, levels.shape[1]):
        z, log_det = fitted.forward(levels, context, noise.expand_as(levels))
        terms.append(log_det - 0.5 * (z**2 + math.log(2 * math.pi)).sum(1))
    return torch.stack(terms).exp().mean(dim=0)


class TestVariational:
    def test_noise_model_learns_the_levels_given_the_context(self) -> None:
        """With z = noise model's own quantile the bound is tight, so log|det| − log density is the log probability."""
        rng = np.random.default_rng(9)
        c = rng.uniform(2000, 8000, (20_000, 1))
        mean = 2 * (c[:, 0] / 2000) ** 1.2
        x = rng.poisson(mean).astype(float)[:, None]
        fitted = VariationalDequantise().fit(torch.as_tensor(x), None, torch.as_tensor(c))
        truth = stats.poisson.logpmf(x[:, 0], mean)
        lost = truth - noise_model_log_probability(fitted, x, c)
        assert -0.005 < lost.mean() < 0.02
        without = VariationalDequantise().fit(torch.as_tensor(x), None, None)
        assert (truth - noise_model_log_probability(without, x, None)).mean() > 0.2

    def test_bound_is_tighter_than_with_uniform_noise(self) -> None:
        """For the simplest density behind it, a normal: the loss of uniform noise is in its steps."""
        rng = np.random.default_rng(10)
        x = torch.as_tensor(rng.poisson(1.2, (20_000, 1)).astype(float))
        noise = torch.as_tensor(rng.random((20_000, 1)))
        bounds = {}
        for kind in KINDS:
            fitted = Chain([kind, {"kind": "quantile_normal", "knots": 8}]).fit(x, noise=noise)
            z, log_det = fitted.forward(x, None, noise)
            bounds[kind] = float((log_det - 0.5 * z[:, 0] ** 2).mean()) - 0.5 * math.log(2 * math.pi)
        entropy = -stats.poisson.entropy(1.2)
        assert bounds["dequantise"] < bounds["variational_dequantise"] - 0.01
        assert entropy - 0.02 < bounds["variational_dequantise"] < entropy + 0.02

    def test_context_that_tells_the_level_leaves_everything_finite(self) -> None:
        c = torch.linspace(1, 2, 500).double()[:, None]
        x = (c > 1.5).double()
        fitted = VariationalDequantise().fit(x, None, c)
        z, log_det = fitted.forward(x, c)
        assert torch.isfinite(log_det).all()
        assert torch.equal(fitted.inverse(z, c), x)
        other, log_det = fitted.forward(1 - x, c)
        assert torch.isfinite(log_det).all()
        assert torch.equal(fitted.inverse(other, c), 1 - x)

    def test_context_is_needed_where_there_was_one(self) -> None:
        rng = np.random.default_rng(11)
        x, c = torch.as_tensor(rng.poisson(2, (300, 1)).astype(float)), torch.as_tensor(rng.random((300, 1)))
        fitted = VariationalDequantise().fit(x, None, c)
        with pytest.raises(MissingContextError):
            fitted.forward(x)
        assert torch.isfinite(VariationalDequantise().fit(x).forward(x)[1]).all()
        with pytest.raises(HyperparameterError, match="order"):
            VariationalDequantise(order=-1)


def noise_model_log_probability(fitted: VariationalDequantise, x: Any, c: Any) -> Any:
    """Log probability of the levels under the density that the noise was taken from."""
    level = torch.as_tensor(x) - fitted.low
    link, centre, log_scale = fitted._noise_model(level, None if c is None else torch.as_tensor(c))
    return _log_mass(*_standard(*link.borders(level, fitted.last), centre, log_scale))[:, 0].numpy()


class TestUniform:
    def test_noise_is_uniform_within_and_exponential_at_the_ends(self) -> None:
        x = torch.arange(4).double().repeat(2_000)[:, None]
        noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)).double()
        z, _ = UniformDequantise().fit(x).forward(x, None, noise)
        for level in (1, 2):
            assert stats.kstest(z[x == level].numpy() - level, "uniform").pvalue > 0.01
        assert stats.kstest(1 - z[x == 0].numpy(), "expon").pvalue > 0.01
        assert stats.kstest(z[x == 3].numpy() - 3, "expon").pvalue > 0.01


@st.composite
def with_atoms(draw: st.DrawFn) -> tuple[Tensor, Tensor, list[float]]:
    """A column (N, 1) of any scale in which up to three values have a share of their own, its noise, and the values."""
    n = draw(st.integers(200, 400))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = 10.0 ** draw(st.integers(-4, 4))
    atoms = draw(st.lists(st.sampled_from([-999.0, -1.0, 0.0, 0.3, 50.0]), min_size=1, max_size=3, unique=True))
    x = rng.exponential(1, n)
    for atom in atoms:
        x[rng.random(n) < 0.2] = atom
        x[int(rng.integers(n))] = atom
    noise = rng.random((n, 1))
    noise[:2, 0] = 0, 1 - 2.0**-53
    present = [scale * atom for atom in atoms if (x == atom).mean() > 0.06]
    return torch.as_tensor(scale * x)[:, None], torch.as_tensor(noise), present


class TestAtoms:
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(case=with_atoms())
    def test_atoms_come_back_exactly_and_the_rest_within_rounding(
        self, case: tuple[Tensor, Tensor, list[float]]
    ) -> None:
        x, noise, atoms = case
        fitted = Atoms().fit(x)
        is_atom = torch.isin(x, torch.tensor(atoms, dtype=torch.float64))
        for rows, tolerance in ((x, 1e-9), (x.float(), 1e-4)):
            for v in (noise, None):
                z, log_det = fitted.forward(rows, None, v)
                assert torch.isfinite(z).all()
                assert torch.isfinite(log_det).all()
                back = fitted.inverse(z)
                assert torch.equal(back[is_atom], rows[is_atom])
                assert ((back - rows).abs() <= tolerance * (rows.abs() + x.std())).all()

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(case=with_atoms())
    def test_log_determinant_is_that_of_autograd_by_noise_or_value(
        self, case: tuple[Tensor, Tensor, list[float]]
    ) -> None:
        x, noise, atoms = case
        fitted = Atoms(values=atoms).fit(x)
        is_atom = torch.isin(x, torch.tensor(atoms, dtype=torch.float64))
        rows, v = x.clone().requires_grad_(), (0.01 + 0.98 * noise).requires_grad_()
        z, log_det = fitted.forward(rows, None, v)
        by_value, by_noise = torch.autograd.grad(z.sum(), (rows, v))
        assert torch.allclose(torch.where(is_atom, by_noise, by_value).log().sum(1), log_det, atol=1e-9)
        assert torch.equal(by_value[is_atom], torch.zeros_like(by_value[is_atom]))

    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(case=with_atoms())
    def test_every_z_belongs_to_one_value_in_order(self, case: tuple[Tensor, Tensor, list[float]]) -> None:
        x, _, atoms = case
        fitted = Atoms(values=atoms).fit(x)
        ends = fitted.forward(x)[0]
        z = torch.linspace(float(ends.min()) - 1, float(ends.max()) + 1, 500, dtype=torch.float64)[:, None]
        back = fitted.inverse(z)
        assert (back.diff(dim=0) >= 0).all()
        rest = ~torch.isin(back, torch.tensor(atoms, dtype=torch.float64))
        assert torch.allclose(fitted.forward(back)[0][rest], z[rest])

    def test_probability_of_atoms_and_density_of_the_rest_add_up_to_one(self) -> None:
        rng = np.random.default_rng(1)
        x = np.where(rng.random(4_000) < 0.3, 0.0, rng.exponential(1, 4_000))
        x[rng.random(4_000) < 0.1] = 2.0
        fitted = Chain(["atoms", {"kind": "affine", "shift": 1.0, "scale": 0.8}]).fit(torch.as_tensor(x)[:, None])
        p = level_probabilities(fitted, torch.tensor([[0.0], [2.0]]).double(), None)
        rest = torch.linspace(1e-9, 12, 200_001, dtype=torch.float64)[:, None]
        z, log_det = fitted.forward(rest)
        density = (log_det - 0.5 * z[:, 0] ** 2 - 0.5 * math.log(2 * math.pi)).exp()
        assert float(p.sum() + torch.trapezoid(density, rest[:, 0])) == pytest.approx(1, abs=3e-3)

    def test_what_is_no_atom_is_left_alone(self) -> None:
        rng = np.random.default_rng(2)
        x = typical(2_000)
        assert Atoms().fit(x).discrete_columns == []
        assert torch.equal(Atoms().fit(x).forward(x)[0], x)
        x[:, 2] = torch.as_tensor(rng.integers(0, 30, 2_000))
        assert Atoms().fit(x).discrete_columns == []
        x[rng.random(2_000) < 0.03, 1] = -999
        fitted = Atoms().fit(x)
        assert fitted.discrete_columns == [1]
        assert fitted.atoms[1].tolist() == [-999]
        z, log_det = fitted.forward(x)
        assert torch.equal(z[:, [0, 2]], x[:, [0, 2]])
        assert torch.equal(log_det != 0, x[:, 1] == -999)
        assert torch.allclose(fitted.inverse(z), x)
        assert Atoms(share=0.1).fit(x).discrete_columns == []
        with pytest.raises(HyperparameterError, match="share = 0"):
            Atoms(share=0)
        with pytest.raises(HyperparameterError, match="values"):
            Atoms(values=[math.nan])

    def test_weights_decide_what_is_an_atom(self) -> None:
        x = torch.linspace(0, 1, 1_000).double()[:, None]
        w = torch.ones(1_000)
        w[300] = 100
        assert Atoms().fit(x).discrete_columns == []
        assert Atoms().fit(x, w).atoms.tolist() == [[float(x[300])]]

    def test_a_quantile_map_behind_makes_all_of_it_normal(self) -> None:
        rng = np.random.default_rng(3)
        x = torch.as_tensor(np.where(rng.random(8_000) < 0.4, -1.0, rng.beta(2, 5, 8_000)))[:, None]
        noise = torch.as_tensor(rng.random((8_000, 1)))
        fitted = Chain(["atoms", "quantile_normal"]).fit(x[:4_000], noise=noise[:4_000])
        z, _ = fitted.forward(x[4_000:], None, noise[4_000:])
        assert stats.kstest(z[:, 0].numpy(), "norm").pvalue > 0.01
        without, _ = Chain(["quantile_normal"]).fit(x[:4_000]).forward(x[4_000:])
        assert stats.kstest(without[:, 0].numpy(), "norm").pvalue < 1e-9

    def test_a_density_learns_how_often_an_atom_occurs(self) -> None:
        """A second jet is missing, its mass then −1, more often at low than at high values of the context."""
        rng = np.random.default_rng(4)
        c = rng.uniform(0, 1, (6_000, 1))
        missing = rng.random(6_000) < 0.5 - 0.4 * c[:, 0]
        x = np.where(missing, -1.0, 5 + rng.standard_normal(6_000))[:, None]
        fitted = flow("atoms").fit(x, c, seed=1)
        for at in (0.1, 0.9):
            here, expected = np.full((4_000, 1), at), 0.5 - 0.4 * at
            assert (fitted.sample(here, seed=1) == -1).mean() == pytest.approx(expected, abs=0.05)
            assert np.exp(fitted.log_prob(np.array([[-1.0]]), here[:1]))[0] == pytest.approx(expected, abs=0.05)


def counts(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A Poisson count whose mean grows with the context, a feature that follows it, and their log density."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(2, 8, (n, 1))
    mean = 0.8 * (c[:, 0] / 2) ** 0.8
    count = rng.poisson(mean).astype(float)
    follower = 0.5 * count + rng.standard_normal(n)
    log_p = stats.poisson.logpmf(count, mean) + stats.norm.logpdf(follower, 0.5 * count)
    return np.stack([count, follower], axis=1), c, log_p


def flow(kind: str) -> Any:
    return create(
        {
            "kind": "autoregressive_spline",
            "bijection": {"kind": "chain", "bijections": [kind, "quantile_normal"]},
            "hidden": 32,
            "training": {"steps": 300, "batch_size": 512, "learning_rate": 5e-3, "ema_decay": None},
        }
    )


@pytest.fixture(scope="module")
def densities() -> dict[str, Any]:
    x, c, _ = counts(10_000, seed=1)
    return {kind: flow(kind).fit(x, c, seed=1) for kind in KINDS}


class TestDensity:
    @both
    def test_log_prob_is_that_of_the_truth(self, densities: dict[str, Any], kind: str) -> None:
        x, c, truth = counts(3_000, seed=2)
        log_p = densities[kind].log_prob(x, c)
        seen = np.isfinite(log_p)
        assert seen.mean() > 0.998
        assert -0.01 < (truth - log_p)[seen].mean() < 0.03

    @both
    @pytest.mark.parametrize("at", [2.5, 7.5])
    def test_probabilities_of_all_values_sum_to_one(self, densities: dict[str, Any], kind: str, at: float) -> None:
        follower, levels = np.linspace(-5, 10, 201), np.arange(-2, 15)
        rows = np.stack(np.meshgrid(levels, follower, indexing="ij"), axis=-1).reshape(-1, 2)
        density = np.exp(densities[kind].log_prob(rows, np.full((len(rows), 1), at))).reshape(len(levels), -1)
        assert np.trapezoid(density, follower, axis=1).sum() == pytest.approx(1, abs=0.01)
        assert np.array_equal(density[:2], np.zeros((2, 201)))

    @both
    def test_samples_are_levels_that_follow_the_context(self, densities: dict[str, Any], kind: str) -> None:
        for at in (2.5, 7.5):
            drawn = densities[kind].sample(np.full((4_000, 1), at), seed=3)
            assert np.array_equal(drawn[:, 0], drawn[:, 0].round())
            assert drawn[:, 0].min() == 0
            mean = 0.8 * (at / 2) ** 0.8
            assert drawn[:, 0].mean() == pytest.approx(mean, abs=0.12)
            assert (drawn[:, 0] == 0).mean() == pytest.approx(math.exp(-mean), abs=0.03)
            assert np.mean(drawn[:, 1] - 0.5 * drawn[:, 0]) == pytest.approx(0, abs=0.08)

    def test_variational_noise_costs_less_than_uniform(self, densities: dict[str, Any]) -> None:
        """Between the probability and its bound lies how far the noise is from what the flow would like it to be."""
        x, c, _ = counts(3_000, seed=4)
        gaps = {}
        for kind, density in densities.items():
            log_p = density.log_prob(x, c)
            seen = np.isfinite(log_p)
            bound = np.zeros(len(x))
            raw, mapped = density._context(c)
            for noise in lattice(64, [0], 2):
                z, log_det = density.bijection_.forward(torch.as_tensor(x), raw, noise.expand(len(x), -1))
                term = density.networks_[0].log_density(z.float(), mapped) + log_det
                bound += term.detach().numpy() / 64
            assert (log_p - bound)[seen].min() > -1e-6
            gaps[kind] = (log_p - bound)[seen].mean()
        assert gaps["variational_dequantise"] < 0.9 * gaps["dequantise"]

    @both
    def test_seed_decides_and_a_saved_model_is_the_same(
        self, densities: dict[str, Any], kind: str, tmp_path: Path
    ) -> None:
        x, c, _ = counts(500, seed=5)
        again = generators.load(generators.save(densities[kind], tmp_path / "model"))
        assert np.array_equal(again.log_prob(x, c), densities[kind].log_prob(x, c))
        assert np.array_equal(again.sample(c, seed=1), densities[kind].sample(c, seed=1))
        specification = flow(kind).hyperparameters()
        training = {"steps": 3, "batch_size": 256}
        made = [create({"kind": "autoregressive_spline", **specification, "training": training}) for _ in range(3)]
        one, two, other = (model.fit(x, c, seed=seed).state() for model, seed in zip(made, (1, 1, 2), strict=True))
        assert all(torch.equal(one[key], two[key]) for key in one)
        key = "bijection.steps.1.knots_x"
        assert not torch.equal(one[key], other[key])
