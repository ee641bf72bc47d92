"""Densities of feature vectors: the contract for all kinds, then what is particular to the flows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import generators
from generators.errors import HyperparameterError
from generators.flows.coupling import Coupling, transformed_features
from generators.flows.epoch_norm import EpochNorm
from generators.flows.rational_quadratic import RationalQuadratic
from generators.networks.mlp import ParameterMLP
from generators.registry import create
from generators.tabular.composed import ComposedFlow
from generators.tabular.maf import MaskedAutoregressiveFlow

from ..contracts import DENSITIES, DensityContract, gaussian_events, log_det_by_autograd, name_of, quick

FLOWS = DENSITIES


@pytest.fixture(scope="module", params=DENSITIES, ids=name_of)
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


@pytest.mark.parametrize("kind", ["logit", "chain"])
def test_bijection_with_hyperparameters_survives_saving(kind: str, tmp_path: Path) -> None:
    bijection = {"logit": {"kind": "logit", "epsilon": 1e-3}, "chain": {"kind": "chain", "bijections": ["logit"]}}[kind]
    specification = {**DENSITIES[1], "bijection": bijection}
    x, c = gaussian_events(200, seed=31)
    fitted = quick(specification, steps=3).fit(x, c, seed=1)
    again = generators.load(generators.save(fitted, tmp_path / "model"))
    assert np.array_equal(again.log_prob(x, c), fitted.log_prob(x, c))


class TestContract(DensityContract):
    pass


def rows(n: int, d: int, c: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = 2 * torch.randn(n, d, generator=generator, dtype=torch.float64)
    return z, 2 * torch.rand(n, c, generator=generator, dtype=torch.float64) - 1


def untrained(specification: dict[str, Any], d: int, c: int, scale: float = 2.0) -> ComposedFlow:
    """A flow with arbitrary, large parameters, as after a training that went far."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        flow: ComposedFlow = create(specification).build((d,), c)
        for parameter in flow.parameters():
            parameter.data *= scale
    flow.after_epoch(*(part.float() for part in rows(500, d, c, seed=9)))
    return flow.eval()


@pytest.mark.parametrize("specification", FLOWS, ids=name_of)
@pytest.mark.parametrize(("d", "c"), [(1, 1), (2, 0), (3, 1), (4, 2)])
class TestFlow:
    def test_density_is_the_normal_times_the_jacobian(self, specification: dict[str, Any], d: int, c: int) -> None:
        flow = untrained(specification, d, c).double()
        z, context = rows(6, d, c)
        for row, at in zip(z, context, strict=True):

            def noise(x: torch.Tensor, at: torch.Tensor = at) -> torch.Tensor:
                for transform in flow.transforms:
                    x, _ = transform(x, at[None] if c else None)
                return x

            expected = (
                log_det_by_autograd(noise, row[None])
                - 0.5 * noise(row[None]).square().sum()
                - 0.5 * d * math.log(2 * math.pi)
            )
            assert torch.allclose(flow.log_density(row[None], at[None]), expected, atol=1e-7)

    def test_inverse_undoes_forward_and_its_log_determinant(
        self, specification: dict[str, Any], d: int, c: int
    ) -> None:
        flow = untrained(specification, d, c).double()
        z, context = rows(64, d, c)
        for transform in flow.transforms:
            y, log_det = transform(z, context if c else None)
            back, inverse_log_det = transform.inverse(y, context if c else None)
            assert torch.allclose(back, z, atol=1e-9)
            assert torch.allclose(log_det + inverse_log_det, torch.zeros(64).double(), atol=1e-8)

    def test_parameters_out_of_all_proportion_stay_finite(self, specification: dict[str, Any], d: int, c: int) -> None:
        flow = untrained(specification, d, c, scale=20.0 if specification["kind"] == "maf" else 60.0)
        z, context = rows(200, d, c)
        far = torch.cat([z, torch.full((2, d), 1e6).double(), torch.full((2, d), -1e6).double()])
        log_p = flow.log_density(far, torch.cat([context, context[:4]]))
        assert torch.isfinite(log_p).all()
        assert torch.isfinite(flow.draw(context, torch.Generator().manual_seed(1))).all()


class TestMaskedAutoregressiveFlow:
    def test_has_the_parameters_of_the_paper(self) -> None:
        flow = MaskedAutoregressiveFlow().build((4,), 1)
        assert sum(p.numel() for p in flow.parameters()) == 274_800

    def test_recipe_of_the_paper_is_the_default(self) -> None:
        training = MaskedAutoregressiveFlow().training
        assert (training.epochs, training.batch_size, training.learning_rate) == (100, 256, 1e-4)
        assert MaskedAutoregressiveFlow().bijection == {"kind": "chain", "bijections": ["logit", "standardise"]}
        assert (training.weight_decay, training.best_states, training.schedule) == (1e-6, 10, "constant")

    def test_is_autoregressive_within_a_block(self) -> None:
        """Feature i after the first block depends on features up to i and on no later one."""
        block = MaskedAutoregressiveFlow(hidden=16).build((4,), 1).transforms[0].double()
        z, context = rows(1, 4, 1)
        jacobian = torch.autograd.functional.jacobian(lambda r: block(r, context)[0], z)[0, :, 0]
        assert torch.equal(jacobian, jacobian.tril())
        assert (jacobian.tril(-1).abs().sum(dim=1)[1:] > 0).all()

    def test_normalisation_is_that_of_the_whole_sample_after_an_epoch(self) -> None:
        flow = MaskedAutoregressiveFlow(blocks=2, hidden=8).build((3,), 1).eval()
        z, context = (part.float() for part in rows(1_000, 3, 1))
        flow.after_epoch(3 * z + 5, context)
        y = 3 * z + 5
        for transform in flow.transforms:
            y, _ = transform(y, context)
            if isinstance(transform, EpochNorm):
                assert torch.allclose(y.mean(0), torch.zeros(3), atol=1e-5)
                assert torch.allclose(y.square().mean(0), torch.ones(3), atol=1e-3)

    def test_bad_row_poisons_no_statistics(self) -> None:
        flow = MaskedAutoregressiveFlow(blocks=2, hidden=8).build((3,), 1)
        z, context = (part.float() for part in rows(100, 3, 1))
        flow.after_epoch(z, context)
        before = {key: value.clone() for key, value in flow.state_dict().items()}
        spoilt = z.clone()
        spoilt[3, 1] = math.nan
        flow.train().log_density(spoilt, context)
        loss = flow.eval().log_density(spoilt, context)
        assert torch.isnan(loss).nonzero().flatten().tolist() == [3]
        assert all(torch.equal(before[key], value) for key, value in flow.state_dict().items())

    @pytest.mark.parametrize("name", ["blocks", "hidden", "layers"])
    def test_sizes_below_one_are_refused(self, name: str) -> None:
        with pytest.raises(HyperparameterError, match=f"{name} = 0"):
            create({"kind": "maf", name: 0})


class TestEpochNorm:
    def test_batch_has_unit_moments_in_training_and_its_own_log_determinant(self) -> None:
        norm = EpochNorm(2).double()
        x, _ = rows(50, 2, 0)
        y, log_det = norm.train()(x)
        assert torch.allclose(y.mean(0), torch.zeros(2).double(), atol=1e-12)
        assert torch.allclose(log_det, -x.var(0, unbiased=False).add(1e-5).log().sum() / 2)

    def test_single_row_in_training_uses_what_is_known(self) -> None:
        norm = EpochNorm(2).train()
        assert torch.equal(norm(torch.ones(1, 2))[0], torch.ones(1, 2))


class TestSplines:
    @pytest.mark.parametrize("features", range(2, 13))
    def test_coupling_halves_separate_every_pair_of_features(self, features: int) -> None:
        layers = 2 * (features - 1).bit_length()
        masks = np.array([transformed_features(layer, features) for layer in range(layers)])
        assert ((masks.sum(axis=1) > 0) & (masks.sum(axis=1) < features)).all()
        for i in range(features):
            for j in range(features):
                if i != j:
                    assert ((masks[:, i] == 1) & (masks[:, j] == 0)).any()

    def test_coupling_layer_leaves_the_other_half_alone(self) -> None:
        torch.manual_seed(0)
        net = ParameterMLP(1, 1, hidden=8, layers=1, numbers=2, parameters=11, activation=torch.relu)
        layer = Coupling([1, 0, 1], net, RationalQuadratic(4, 4.0)).double()
        z, context = rows(20, 3, 1)
        y, _ = layer(z, context)
        assert torch.equal(y[:, 1], z[:, 1])
        assert not torch.allclose(y[:, 0], z[:, 0])

    @pytest.mark.parametrize("kind", ["autoregressive_spline", "coupling_spline"])
    def test_settings_out_of_range_are_refused(self, kind: str) -> None:
        for name, value in (("blocks", 0), ("bins", 1), ("bins", 501), ("tail_bound", 0.0)):
            with pytest.raises(HyperparameterError, match=f"{name} = {value}"):
                create({"kind": kind, name: value})
