"""Fréchet ParticleNet distance: weights in the layout of jetnet, scaling of the input, identities, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from analysis.errors import TooFewEventsError
from analysis.metrics.sampling import Sampling
from cathode.comparison.fpnd import (
    activation_moments,
    fpnd,
    load_particle_net,
    network_input,
    particle_net,
    published_moments,
)
from cathode.errors import FpndError
from generators.networks.particle_net import ParticleNet

Array = NDArray[np.floating[Any]]


def jets(n: int, *, seed: int, width: float = 0.1) -> Array:
    """Clouds (n, 30, 3) that keep nine tenths of the momentum, padded where the jet has fewer constituents."""
    rng = np.random.default_rng(seed)
    pt = -np.sort(-(rng.exponential(size=(n, 30)) ** 2), axis=1)
    pt[np.arange(30) >= rng.integers(20, 40, size=(n, 1))] = 0
    pt *= rng.normal(0.9, 0.03, size=(n, 1)) / pt.sum(axis=1, keepdims=True)
    clouds = np.concatenate([rng.normal(0, width, size=(n, 30, 2)), pt[..., None]], axis=2)
    return np.where(pt[..., None] > 0, clouds, 0).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> ParticleNet:
    torch.manual_seed(1)
    network = ParticleNet()
    for seed in range(3):
        network(torch.as_tensor(network_input(jets(20, seed=seed))))
    return network.eval().requires_grad_(False)


@pytest.fixture
def published(network: ParticleNet) -> dict[str, Tensor]:
    """The weights under the names that torch_geometric gives them in jetnet."""
    named: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "edges":
            block, layer = rest.split(".layers.")
            named[f"edge_nets.{block}.model.{layer}"] = tensor
            named[f"edge_convs.{block}.nn.model.{layer}"] = tensor.clone()
        else:
            named[{"activate": "fc1.0", "classify": "fc2"}[part] + f".{rest}"] = tensor
    return named


class TestWeights:
    def test_of_the_layout_of_jetnet_give_the_same_network(
        self, network: ParticleNet, published: dict[str, Tensor], tmp_path: Path
    ) -> None:
        save_file(published, tmp_path / "weights.safetensors")
        loaded = load_particle_net(tmp_path / "weights.safetensors")
        x = torch.as_tensor(network_input(jets(5, seed=9)))
        torch.testing.assert_close(loaded(x), network(x), rtol=0, atol=0)
        assert not loaded.training

    def test_of_our_own_layout(self, network: ParticleNet) -> None:
        x = torch.as_tensor(network_input(jets(5, seed=9)))
        torch.testing.assert_close(particle_net(network.state_dict())(x), network(x), rtol=0, atol=0)

    def test_that_are_not_all_of_the_network_are_refused(self, published: dict[str, Tensor]) -> None:
        lacking = {k: v for k, v in published.items() if "edge_nets.2" not in k}
        with pytest.raises(FpndError, match="21 tensors are missing"):
            particle_net(lacking)
        with pytest.raises(FpndError, match="'fc9"):
            particle_net(published | {"fc9.weight": torch.zeros(2)})
        with pytest.raises(FpndError, match=r"\(3, 256\) instead of \(5, 256\)"):
            particle_net(published | {"fc2.weight": torch.zeros(3, 256)})

    def test_in_a_missing_or_other_file_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FpndError, match="does not exist"):
            load_particle_net(tmp_path / "nothing.safetensors")
        (tmp_path / "weights.pt").write_bytes(b"PK\x03\x04 something else altogether")
        with pytest.raises(FpndError, match="converted"):
            load_particle_net(tmp_path / "weights.pt")


class TestInput:
    def test_largest_features_become_one_and_absent_constituents_half_below_zero(self) -> None:
        x = np.array([[[1.6212, 0.5207, 0.8935], [0, 0, 0]]], dtype=np.float32)
        np.testing.assert_allclose(network_input(x), [[[1, 1, 0.5], [0, 0, -0.5]]], atol=1e-4)
        assert network_input(x).dtype == np.float32

    def test_momenta_relative_to_what_was_kept_are_refused(self, network: ParticleNet) -> None:
        x = jets(50, seed=4)
        x[..., 2] /= x[..., 2].sum(axis=1, keepdims=True)
        with pytest.raises(FpndError, match="whole jet"):
            activation_moments(x, network)

    def test_other_jets_are_refused(self, network: ParticleNet) -> None:
        x = jets(50, seed=5)
        with pytest.raises(FpndError, match="thirty hardest"):
            activation_moments(x[:, :20], network)
        x[3, 0, 0], x[4, 0, 2] = np.nan, -1
        with pytest.raises(FpndError, match="2 of 50 jets are invalid"):
            activation_moments(x, network)


class TestDistance:
    def test_grows_from_none_of_the_same_jets_to_that_of_others(self, network: ParticleNet) -> None:
        truth = activation_moments(jets(60, seed=6), network)
        scale = np.trace(truth.covariance)
        assert fpnd(jets(60, seed=6), truth, network, seed=1).value == pytest.approx(0, abs=1e-4 * scale)
        same, wide = (fpnd(jets(60, seed=7, width=w), truth, network, seed=1).value for w in (0.1, 0.2))
        assert 0 <= same < wide / 5

    def test_over_batches(self, network: ParticleNet) -> None:
        x = jets(40, seed=8)
        truth = activation_moments(x, network)
        halves = fpnd(x, truth, network, sampling=Sampling(20, 2, replacement=False), seed=1)
        assert halves.value > 0
        assert halves.error > 0
        with pytest.raises(TooFewEventsError, match="40 jets"):
            fpnd(x, truth, network, sampling=Sampling(30, 2, replacement=False), seed=1)

    def test_batches_do_not_matter(self, network: ParticleNet) -> None:
        x = jets(30, seed=8)
        one, many = (activation_moments(x, network, batch_size=size) for size in (30, 7))
        np.testing.assert_allclose(many.mean, one.mean, atol=1e-5)

    def test_published_moments_are_read(self, tmp_path: Path) -> None:
        mean, covariance = np.arange(4.0), np.diag([1.0, 2, 3, 4])
        np.savetxt(tmp_path / "t_mu.txt", mean)
        np.savetxt(tmp_path / "t_sigma.txt", covariance)
        found = published_moments(tmp_path / "t_mu.txt", tmp_path / "t_sigma.txt")
        np.testing.assert_array_equal(found.mean, mean)
        np.testing.assert_array_equal(found.covariance, covariance)
        with pytest.raises(FpndError, match=r"\(4, 4\) and \(4,\)"):
            published_moments(tmp_path / "t_sigma.txt", tmp_path / "t_mu.txt")
        with pytest.raises(FpndError, match=r"g_mu\.txt"):
            published_moments(tmp_path / "g_mu.txt", tmp_path / "t_sigma.txt")
