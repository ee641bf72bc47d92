"""Flows of zuko behind our base class: the contract for several, then what the adapter adds."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import generators
from generators.errors import DivergedError, HyperparameterError, MissingExtraError
from generators.registry import create
from generators.tabular.zuko import _apart, _Flow, _together

from ..contracts import DensityContract, gaussian_events, gaussian_log_prob, log_det_by_autograd, quick

pytest.importorskip("zuko")

SMALL = {"hidden_features": [16, 16], "activation": "ELU"}
TRAINING = {"steps": 150, "batch_size": 256, "learning_rate": 2e-2, "ema_decay": None}
NETWORK = {"signal": 4, "network": {"hidden_features": [8]}}

SPECIFICATIONS: tuple[dict[str, Any], ...] = (
    {"kind": "zuko", "flow": "NSF", "arguments": {**SMALL, "transforms": 1}, "training": TRAINING},
    {"kind": "zuko", "flow": "BPF", "arguments": {**SMALL, "transforms": 2, "degree": 8}, "training": TRAINING},
    {
        "kind": "zuko",
        "flow": "SOSPF",
        "arguments": {**SMALL, "transforms": 1, "degree": 2, "polynomials": 2},
        "training": TRAINING,
    },
    {
        "kind": "zuko",
        "flow": "NAF",
        "arguments": {**SMALL, **NETWORK, "transforms": 2},
        "training": {**TRAINING, "steps": 200},
    },
    {"kind": "zuko", "flow": "GF", "arguments": {**SMALL, "transforms": 2, "components": 4}, "training": TRAINING},
)


@pytest.fixture(scope="module", params=SPECIFICATIONS, ids=lambda specification: specification["flow"])
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(DensityContract):
    """All of it, but two tests train for longer: flows of zuko start at a random function, ours at the identity.

    An untrained flow has a density far from normal, and that of an untrained neural autoregressive flow need not have
    a preimage of all noise, which makes sampling fail by name.
    """

    @pytest.mark.parametrize(("features", "context"), [(1, 0), (3, 2)])
    def test_any_number_of_features_and_contexts(
        self, specification: dict[str, Any], features: int, context: int
    ) -> None:
        rng = np.random.default_rng(15)
        x, c = rng.standard_normal((200, features)), rng.standard_normal((200, context))
        fitted = quick(specification, steps=50, learning_rate=3e-2).fit(x, c, seed=1)
        assert fitted.sample(c, seed=1).shape == x.shape
        log_p = fitted.log_prob(x, c)
        assert np.isfinite(log_p).all()
        assert log_p.mean() == pytest.approx(-1.42 * features, rel=0.5)

    def test_density_counts_every_feature_once(self) -> None:
        """Part of the test above."""


class TestFlow:
    @pytest.mark.parametrize("steps", [30])
    def test_transport_is_the_inverse_of_the_flow(self, specification: dict[str, Any], steps: int) -> None:
        """Bisection ends within 1e-6 of the root, the others with rounding."""
        x, c = gaussian_events(400, seed=21)
        network = quick(specification, steps=steps).fit(x, c, seed=1).networks_[0]
        generator = torch.Generator().manual_seed(1)
        noise = torch.randn(100, 2, generator=generator, dtype=torch.float64).clamp(-2, 2)
        context = torch.rand(100, 1, generator=generator, dtype=torch.float64)
        z = network.transport(noise, context)
        inside = (z.abs() < 9).all(dim=1)
        assert inside.double().mean() > 0.7
        near = _together(z)[0] if network.within_ten else z
        back = network.flow(context).transform(near)
        tolerance = 1e-9 if specification["flow"] == "NSF" else 1e-3
        assert (back - noise)[inside].abs().max() < tolerance

    def test_log_density_is_the_normal_times_the_jacobian(self, specification: dict[str, Any], fitted: Any) -> None:
        network = fitted.networks_[0]
        z = torch.tensor([[0.3, -1.0], [2.0, 2.0], [-7.0, 6.5], [12.0, 0.0]], dtype=torch.float64)
        c = torch.tensor([[0.1], [-0.9], [0.5], [1.0]], dtype=torch.float64)
        for row, at in zip(z, c, strict=True):

            def noise(r: Tensor, at: Tensor = at) -> Tensor:
                near = _together(r)[0] if network.within_ten else r
                into: Tensor = network.flow(at[None]).transform(near)
                return into

            found = network.log_density(row[None], at[None])
            normal = -0.5 * (noise(row[None]) ** 2 + np.log(2 * np.pi)).sum()
            assert torch.allclose(found, log_det_by_autograd(noise, row[None]) + normal, atol=1e-6)

    def test_names_in_the_arguments_survive_saving(self, fitted: Any, tmp_path: Path) -> None:
        again = generators.load(generators.save(fitted, tmp_path / "model"))
        assert again.arguments == fitted.arguments
        assert again.arguments["activation"] == "ELU"
        assert any(isinstance(module, nn.ELU) for module in again.networks_[0].modules())


class TestDomain:
    def test_the_line_is_drawn_together_exactly(self) -> None:
        z = torch.cat([torch.linspace(-40, 40, 801), torch.tensor([-1e30, -1e4, 6.0, 1e4, 1e30])]).double()[:, None]
        near, log_det = _together(z)
        assert torch.equal(near[z.abs() <= 6], z[z.abs() <= 6])
        assert near.abs().max() <= 9.9
        assert torch.isfinite(log_det).all()
        assert torch.allclose(log_det[:801], log_det_by_autograd(lambda row: _together(row)[0], z[:801]), atol=1e-12)
        assert torch.allclose(_apart(near)[:801], z[:801], rtol=1e-12)

    def test_noise_without_a_preimage_is_drawn_again(self) -> None:
        network = _Flow(Stub(reach=1.0), 2, within_ten=True)
        z = network.draw(torch.zeros(5_000, 1), torch.Generator().manual_seed(1))
        # Noise beyond 1 has no preimage, so that what is left is a normal distribution cut there.
        assert z.abs().max() < 1
        assert float(z.std()) == pytest.approx(0.5396, abs=0.02)

    def test_a_flow_that_reaches_almost_nothing_is_named(self) -> None:
        network = _Flow(Stub(reach=1e-3), 2, within_ten=True)
        with pytest.raises(DivergedError, match="Stub: 50 of 50 draws"):
            network.draw(torch.zeros(50, 1), torch.Generator().manual_seed(1))


class Stub(nn.Module):
    """The identity on [−reach, reach]; bisection for noise beyond that ends at ±10."""

    def __init__(self, reach: float) -> None:
        super().__init__()
        self.reach = reach

    def forward(self, c: Tensor | None) -> Any:
        def inverse(noise: Tensor) -> Tensor:
            return torch.where(noise.abs() < self.reach, noise, 10 * noise.sign())

        return SimpleNamespace(transform=SimpleNamespace(inv=inverse))


@pytest.mark.parametrize(
    ("flow", "arguments"),
    [
        ("MAF", {**SMALL, "transforms": 2}),
        ("NICE", {**SMALL, "transforms": 3}),
        ("GMM", {"components": 3, "hidden_features": [16]}),
        ("UNAF", {**SMALL, **NETWORK, "transforms": 1}),
        ("CNF", {"hidden_features": [8], "atol": 1e-2, "rtol": 1e-2}),
    ],
)
class TestOtherFlows:
    def test_a_short_training_makes_a_density_with_samples(
        self, flow: str, arguments: dict[str, Any], tmp_path: Path
    ) -> None:
        x, c = gaussian_events(1_000, seed=22)
        training = {"steps": 4 if flow == "CNF" else 100, "batch_size": 256, "learning_rate": 2e-2}
        fitted = create({"kind": "zuko", "flow": flow, "arguments": arguments, "training": training}).fit(x, c, seed=1)
        lost = gaussian_log_prob(x, c) - fitted.log_prob(x, c)
        assert -0.05 < lost.mean() < (2.0 if flow == "CNF" else 0.8)
        torch.manual_seed(1)
        state = torch.get_rng_state()
        drawn = fitted.sample(c[:300], seed=3)
        assert torch.equal(state, torch.get_rng_state())
        assert np.isfinite(drawn).all()
        assert np.corrcoef(drawn[:, 0], c[:300, 0])[0, 1] > (0 if flow == "CNF" else 0.5)
        torch.manual_seed(2)
        again = generators.load(generators.save(fitted, tmp_path / "model"))
        assert np.array_equal(again.sample(c[:300], seed=3), drawn)
        assert not np.array_equal(again.sample(c[:300], seed=4), drawn)
        assert again.sample(c[:0], seed=1).shape == (0, 2)
        assert again.log_prob(x[:0], c[:0]).shape == (0,)

    def test_a_context_is_not_needed(self, flow: str, arguments: dict[str, Any]) -> None:
        x, c = np.random.default_rng(1).standard_normal((200, 2)), np.empty((200, 0))
        training = {"steps": 2, "batch_size": 64, "learning_rate": 1e-3}
        fitted = create({"kind": "zuko", "flow": flow, "arguments": arguments, "training": training}).fit(x, c, seed=1)
        assert np.isfinite(fitted.log_prob(x, c)).all()
        if flow != "UNAF":  # without training it has no preimage of all noise
            assert fitted.sample(c, seed=1).shape == (200, 2)


class TestErrors:
    def test_unknown_flows_name_the_nearest(self) -> None:
        with pytest.raises(HyperparameterError, match=r"zuko has no flow 'NFS'. Nearest: .*NSF"):
            create({"kind": "zuko", "flow": "NFS"})
        with pytest.raises(HyperparameterError, match=r"no flow 'Flow'"):
            create({"kind": "zuko", "flow": "Flow"})

    def test_a_flow_on_the_circle_is_refused_with_a_way_out(self) -> None:
        with pytest.raises(HyperparameterError, match="bijection 'periodic'"):
            create({"kind": "zuko", "flow": "NCSF"})

    def test_arguments_that_do_not_fit_are_named(self) -> None:
        x, c = gaussian_events(200, seed=1)
        with pytest.raises(HyperparameterError, match=r"NSF.*'hiden_features'"):
            create({"kind": "zuko", "arguments": {"hiden_features": [3]}}).fit(x, c, seed=1)
        with pytest.raises(HyperparameterError, match="activation 'Elu'"):
            create({"kind": "zuko", "arguments": {"activation": "Elu"}}).fit(x, c, seed=1)

    def test_without_zuko_the_remedy_is_named_and_nothing_else_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "zuko", None)
        unfitted = create({"kind": "zuko", "flow": "NSF"})
        assert unfitted.hyperparameters()["flow"] == "NSF"
        with pytest.raises(MissingExtraError, match=r"pip install 'cathode-hep\[flows\]'"):
            unfitted.fit(*gaussian_events(200, seed=1), seed=1)


@pytest.mark.parametrize("arguments", [{"binz": 8}, {"transforms": "three"}, {"hidden_features": "64"}])
def test_arguments_that_the_flow_does_not_take_are_refused_at_once(arguments: dict[str, Any]) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    with pytest.raises(HyperparameterError, match="do not suit the flow NSF"):
        create({"kind": "zuko", "flow": "NSF", "arguments": arguments})
    create({"kind": "zuko", "flow": "NSF", "arguments": {"bins": 4, "transforms": 1, "hidden_features": [8]}})
    assert torch.equal(torch.get_rng_state(), state)
