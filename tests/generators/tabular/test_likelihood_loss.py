"""What is not trained by its likelihood can not be taken for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.registry import create
from generators.tabular.base import TabularDensity, TabularGenerator
from generators.tabular.likelihood_loss import require_likelihood_loss
from generators.tabular.mixture_component import fit_component
from generators.tabular.pair_likelihood import fit_pairs

FEW: dict[str, Any] = {
    "hidden": 8,
    "bijection": "standardise",
    "training": {"epochs": None, "steps": 5, "batch_size": 64},
}


def events(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 2)), rng.uniform(1, 2, (n, 1))


FLOWS = ["gaussian_mixture", "maf", "coupling_spline", "autoregressive_spline", "linear_flow"]


@pytest.mark.parametrize("kind", [*FLOWS, "iaf", "caloflow_teacher"])
def test_flows_and_mixtures_pass_alone_and_in_an_ensemble(kind: str) -> None:
    made = create({"kind": kind})
    assert isinstance(made, TabularGenerator)
    require_likelihood_loss(made)
    ensemble = create({"kind": "ensemble", "members": 2, "generator": {"kind": kind}})
    assert isinstance(ensemble, TabularGenerator)
    require_likelihood_loss(ensemble)


@pytest.mark.parametrize("kind", FLOWS)
def test_their_loss_is_minus_the_density(kind: str) -> None:
    model = create({"kind": kind, **({} if kind == "linear_flow" else {"hidden": 8})})
    assert isinstance(model, TabularDensity)
    torch.manual_seed(1)
    network, z, c = model.build((2,), 1), torch.randn(20, 2), torch.rand(20, 1)
    lost = model.objective(network).eval()(z, c)
    torch.testing.assert_close(lost.double(), -network.log_density(z, c).double(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["flow_matching", "diffusion"])
def test_squared_errors_are_no_likelihood(kind: str) -> None:
    x, c = events(400)
    with pytest.raises(HyperparameterError, match=f"'{kind}' is not trained by its likelihood"):
        fit_component(create({"kind": kind, **FEW}), x, c, np.zeros(400), seed=1)
    base = create({"kind": kind, **FEW}).fit(x, c, seed=1)
    with pytest.raises(HyperparameterError, match="coupling_spline"):
        fit_pairs(create({"kind": "coupling_spline", **FEW}), base, x, c, seed=1)


@pytest.mark.parametrize("kind", ["vae", "caloflow_student", "calodream_energies"])
def test_neither_are_bounds_nor_distances_from_a_teacher(kind: str) -> None:
    made = create({"kind": kind})
    assert isinstance(made, TabularGenerator)
    with pytest.raises(HyperparameterError, match=f"'{kind}' is not trained by its likelihood"):
        require_likelihood_loss(made)
