"""What is not trained by its likelihood can not be taken for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.registry import create
from generators.tabular.likelihood_loss import require_likelihood_loss
from generators.tabular.mixture_component import fit_component
from generators.tabular.pair_likelihood import fit_pairs
from generators.training.batches import TrainingData

FEW: dict[str, Any] = {
    "hidden": 8,
    "bijection": "standardise",
    "training": {"epochs": None, "steps": 5, "batch_size": 64},
}


def events(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 2)), rng.uniform(1, 2, (n, 1))


@pytest.mark.parametrize("kind", ["gaussian_mixture", "maf", "coupling_spline", "autoregressive_spline", "linear_flow"])
def test_flows_and_mixtures_pass_and_leave_no_trace(kind: str) -> None:
    network = create({"kind": kind, **FEW}).build((2,), 1).train()
    before = torch.get_rng_state()
    require_likelihood_loss(network, kind, TrainingData(torch.randn(20, 2), torch.rand(20, 1), torch.ones(20)))
    torch.set_rng_state(before)
    require_likelihood_loss(network, kind, TrainingData(torch.randn(20, 2), torch.rand(20, 1), torch.ones(20)))
    assert network.training


@pytest.mark.parametrize("kind", ["flow_matching", "diffusion"])
def test_squared_errors_are_no_likelihood(kind: str) -> None:
    x, c = events(400)
    with pytest.raises(HyperparameterError, match=f"'{kind}' is not trained by its likelihood"):
        fit_component(create({"kind": kind, **FEW}), x, c, np.zeros(400), seed=1)
    base = create({"kind": kind, **FEW}).fit(x, c, seed=1)
    with pytest.raises(HyperparameterError, match="coupling_spline"):
        fit_pairs(create({"kind": "coupling_spline", **FEW}), base, x, c, seed=1)


def test_random_numbers_of_the_caller_stay() -> None:
    network = create({"kind": "flow_matching", **FEW}).build((2,), 1)
    data = TrainingData(torch.randn(20, 2), torch.rand(20, 1), torch.ones(20))
    before = torch.get_rng_state()
    with pytest.raises(HyperparameterError):
        require_likelihood_loss(network, "flow_matching", data)
    assert torch.equal(torch.get_rng_state(), before)
