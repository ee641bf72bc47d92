"""Which epochs of a network are kept: those of the lowest cross-entropy, or of the largest ARGOS."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cathode.classifiers.mlp import Mlp
from cathode.classifiers.network_ensemble import selection_rule
from cathode.errors import ConfigError
from generators.training.batches import TrainingData
from generators.training.rules import BestLoss, Epoch


def rows(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(4000) % 2
    x = rng.standard_normal((4000, 2))
    x[(y == 1) & (rng.random(4000) < 0.03)] += 3.0
    return x, y


def test_the_rule_of_argos_prefers_the_better_score() -> None:
    """Of two networks, the one that looks at the feature with the signal."""
    x, y = rows()
    x[:, 1] = np.random.default_rng(2).standard_normal(4000)
    held_out = TrainingData(
        torch.tensor(x, dtype=torch.float32), torch.tensor(y[:, None], dtype=torch.float32), torch.ones(4000)
    )
    scores = []
    for weights in ([1.0, 0.0], [0.0, 1.0]):
        network = torch.nn.Linear(2, 1).requires_grad_(False)
        network.weight.data = torch.tensor([weights])
        epoch = Epoch(1, {"mlp": torch.tensor(0.0)}, network, held_out)
        scores += selection_rule("argos").scores(epoch)
    assert scores[0] < scores[1] - 0.05


def test_selection_is_recorded_and_decides_the_epochs() -> None:
    x, y = rows()
    found = {
        selection: Mlp(epochs=8, best_epochs=1, batch_size=256, selection=selection).fit(x, y, seed=1)
        for selection in ("bce", "argos")
    }
    assert found["argos"].hyperparameters()["selection"] == "argos"
    assert found["bce"].validation_losses_ == found["argos"].validation_losses_
    assert isinstance(selection_rule("bce"), BestLoss)
    assert not np.array_equal(*(each.score(x) for each in found.values()))


def test_another_selection_is_refused() -> None:
    with pytest.raises(ConfigError, match="selection 'loss' is not one of bce, argos"):
        Mlp(selection="loss")
