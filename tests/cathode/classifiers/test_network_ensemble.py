"""Networks of several seeds: the mean of their probabilities, kept and restored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cathode.classifiers.network_ensemble import CrossEntropy, NetworkEnsemble
from generators.errors import ArtifactError
from generators.training.batches import TrainingData
from generators.training.settings import TrainingSettings

SETTINGS = TrainingSettings(epochs=2, batch_size=64, best_states=2)


def linear(_: int = 0, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(2, 1)


@pytest.fixture(scope="module")
def trained() -> NetworkEnsemble:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 2, generator=generator)
    data = TrainingData(x, (x[:, :1] > 0).float(), torch.ones(300))
    return NetworkEnsemble.trained("toy", linear, CrossEntropy, data, SETTINGS, members=2, seed=1, monitor=None)


def test_the_probability_is_the_mean_over_all_states_whatever_the_parts(trained: NetworkEnsemble) -> None:
    x = torch.randn(7, 2)
    states = [state for member in trained.states for state in member]
    assert len(states) == 4
    each = [torch.sigmoid(x.double() @ s["weight"].double().T + s["bias"].double())[:, 0] for s in states]
    expected = torch.stack(each).mean(dim=0).numpy()
    for chunk in (3, 100):
        np.testing.assert_allclose(trained.probability(linear(), x, chunk=chunk), expected, atol=1e-6)


def test_members_differ_and_come_back_from_their_arrays(trained: NetworkEnsemble) -> None:
    assert not torch.equal(trained.states[0][0]["weight"], trained.states[1][0]["weight"])
    again = NetworkEnsemble.from_arrays(trained.to_arrays(), 2)
    assert again.train_losses == trained.train_losses
    for before, after in zip(trained.states, again.states, strict=True):
        for a, b in zip(before, after, strict=True):
            assert all(torch.equal(a[name], b[name]) for name in a)


def test_missing_members_and_other_tensors_are_refused(trained: NetworkEnsemble) -> None:
    with pytest.raises(KeyError, match="network"):
        NetworkEnsemble.from_arrays(trained.to_arrays(), 3)
    trained.require_fit_to(linear)
    with pytest.raises(ValueError, match="not those of such a network"):
        trained.require_fit_to(lambda: nn.Linear(2, 2))
    with pytest.raises((ValueError, ArtifactError)):
        trained.require_fit_to(lambda: nn.Linear(20_000, 2_000))


def test_epochs_of_all_members_are_reported() -> None:
    told: list[tuple[int, int]] = []
    x = torch.randn(100, 2)
    data = TrainingData(x, (x[:, :1] > 0).float(), torch.ones(100))
    NetworkEnsemble.trained(
        "toy", linear, CrossEntropy, data, SETTINGS, members=2, seed=1, monitor=lambda *now: told.append(now)
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_loss_is_the_cross_entropy_and_further_context_goes_to_the_network() -> None:
    class Both(nn.Module):
        def forward(self, x: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
            return x[:, :1] + more

    x, context = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.5]])
    expected = np.log1p(np.exp(-2.5))
    assert float(CrossEntropy(Both())(x, context)) == pytest.approx(expected, rel=1e-6)
