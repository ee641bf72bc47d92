"""Attributes of jets by the diffusion of FPCD: the contract of densities."""

from __future__ import annotations

from typing import Any

import pytest

from generators.errors import HyperparameterError
from generators.registry import create
from tests.generators.contracts import DensityContract, gaussian_events

SPECIFICATION: dict[str, Any] = {
    "kind": "fpcd_attributes",
    "width": 32,
    "blocks": 1,
    "training": {"steps": 900, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": 0.98},
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, seed=10), seed=1)


class TestContract(DensityContract):
    pass


@pytest.mark.parametrize("name", ["width", "blocks", "sampling_steps"])
def test_sizes_below_one(name: str) -> None:
    with pytest.raises(HyperparameterError, match=f"{name} = 0"):
        create({"kind": "fpcd_attributes", name: 0})
