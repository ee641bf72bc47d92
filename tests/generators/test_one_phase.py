"""A generator with a single loss is trained in a single phase of its own name."""

from __future__ import annotations

import torch

from generators.one_phase import OnePhase
from generators.registry import create
from generators.training.batches import TrainingData


def data() -> TrainingData:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(100, 2, generator=generator)
    return TrainingData(x, torch.zeros(100, 1), torch.ones(100))


def test_its_phase_has_its_name_and_the_seed_decides_all() -> None:
    training = {"steps": 8, "batch_size": 32, "best_states": 1}
    made = create({"kind": "affine_coupling", "blocks": 1, "hidden": 4, "training": training})
    assert isinstance(made, OnePhase)
    first, again, other = (made.learn(data(), seed=seed) for seed in (1, 1, 2))
    assert list(first.losses) == ["affine_coupling"]
    assert first.train_losses == again.train_losses != other.train_losses
    for name, value in first.states[0].items():
        assert torch.equal(value, again.states[0][name])
