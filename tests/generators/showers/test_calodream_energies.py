"""Numbers one after another by flow matching: published size, contract, density, and both passes as one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.registry import create
from generators.testing.gaussian import gaussian_events
from tests.generators.contracts import EventContract
from tests.generators.showers.test_caloflow import parameters

SPECIFICATION: dict[str, Any] = {
    "kind": "calodream_energies",
    "width": 16,
    "heads": 2,
    "layers": 1,
    "feed": 24,
    "times": 8,
    "hidden": 32,
    "head_layers": 3,
    "steps": 6,
    "training": {"epochs": None, "steps": 60, "batch_size": 256, "learning_rate": 8e-3},
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(1_000, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 1_000
    events = staticmethod(gaussian_events)


def test_published_size() -> None:
    assert parameters({"kind": "calodream_energies"}, 45, 1) == 2_384_705


def test_density_integrates_to_one(fitted: Any) -> None:
    first, second = np.linspace(1, 11, 41), np.linspace(-13, 1, 41)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(fitted.log_prob(grid, np.full((len(grid), 1), 3.0)))
    assert density.sum() * (first[1] - first[0]) * (second[1] - second[0]) == pytest.approx(1, abs=0.03)


def test_one_pass_for_all_numbers_is_a_pass_for_each() -> None:
    """What is known of a number is the same if those after it are there, and if they are not yet."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = create(SPECIFICATION).build((4,), 2).eval()
    random = torch.Generator().manual_seed(2)
    z, c = (torch.randn(5, n, generator=random) for n in (4, 2))
    with torch.no_grad():
        together = network.reader(z[:, :-1], c)
        for feature in range(4):
            alone = network.reader(z[:, :feature], c)[:, -1]
            assert torch.allclose(alone, together[:, feature], atol=1e-5)


def test_numbers_go_through_the_network_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the rows, and as before if they are few."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = create({**SPECIFICATION, "steps": 1}).build((4,), 2).eval()
    random = torch.Generator().manual_seed(2)
    z, c = (torch.randn(3_000, n, generator=random) for n in (4, 2))
    seen: list[int] = []
    network.head.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    monkeypatch.setattr(type(network.reader), "forward", _recorded(type(network.reader).forward, seen))
    with torch.no_grad():
        whole = network.log_density(z, c)
        few = network.log_density(z[1_020:1_028], c[1_020:1_028])
        assert network.log_density(z[:0], c[:0]).shape == (0,)
    assert 0 < max(seen) <= 4_096
    assert torch.allclose(few, whole[1_020:1_028], atol=1e-5)


def _recorded(forward: Any, seen: list[int]) -> Any:
    def recorded(self: Any, z: Any, c: Any) -> Any:
        seen.append(len(z) * (z.shape[1] + 1))
        return forward(self, z, c)

    return recorded


def test_draws_have_the_density(fitted: Any) -> None:
    """The mean log-density of draws is minus the entropy that the density says."""
    own = fitted.log_prob(fitted.sample(np.full((1_500, 1), 3.0), seed=6).astype(float), np.full((1_500, 1), 3.0))
    first, second = np.linspace(1, 11, 41), np.linspace(-13, 1, 41)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    log_p = fitted.log_prob(grid, np.full((len(grid), 1), 3.0))
    entropy = -(np.exp(log_p) * log_p).sum() * (first[1] - first[0]) * (second[1] - second[0])
    assert own.mean() == pytest.approx(-entropy, abs=0.1)


def test_every_number_needs_a_column() -> None:
    with pytest.raises(HyperparameterError, match="width"):
        create(SPECIFICATION).build((16,), 1)
    with pytest.raises(HyperparameterError, match="heads"):
        create({**SPECIFICATION, "heads": 3})
