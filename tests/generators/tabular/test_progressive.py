"""Progressive distillation of feature vectors: the contract, and a student that goes where its teacher does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.protocols import DensityGenerator
from generators.registry import create
from generators.tabular.progressive import HalvedSampler
from tests.generators.contracts import GeneratorContract, gaussian_events

TEACHER: dict[str, Any] = {
    "kind": "diffusion",
    "hidden": 32,
    "layers": 3,
    "schedule": "cosine",
    "training": {"steps": 1000, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": 0.98},
}
#: Few first steps make what is drawn too narrow: the first student is as far from its teacher as two Euler steps are.
SPECIFICATION: dict[str, Any] = {
    "kind": "progressive",
    "teacher": TEACHER,
    "first_steps": 16,
    "training": {"steps": 250, "batch_size": 256, "learning_rate": 4e-3, "ema_decay": 0.98},
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(6_000, 10), seed=1)


class TestContract(GeneratorContract):
    def test_has_no_density(self, fitted: Any) -> None:
        assert not isinstance(fitted, DensityGenerator)


def test_as_many_steps_as_the_flow_end_where_it_does() -> None:
    """Many turns by the field of a flow solve it, as two thousand steps of another method do."""
    torch.manual_seed(2)
    flow: Any = create({**TEACHER, "sampler": "rk4", "sampling_steps": 60}).build((2,), 1)
    noise, c = torch.randn(9, 2).double(), torch.randn(9, 1)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        found = HalvedSampler(flow, 2_000).transport(noise, c)
        torch.testing.assert_close(found, flow.transport(noise, c), rtol=2e-3, atol=2e-3)


def test_one_step_keeps_the_correlation(fitted: Any) -> None:
    x, c = gaussian_events(4_000, 30)
    drawn = fitted.sample(c, seed=5)
    assert np.cov(drawn.T) == pytest.approx(np.cov(x.T), abs=0.35)


@pytest.mark.parametrize("wrong", [{"first_steps": 6}, {"sampling_steps": 0}, {"first_steps": 1, "sampling_steps": 2}])
def test_steps_are_halved(wrong: dict[str, int]) -> None:
    with pytest.raises(HyperparameterError, match="power of two"):
        create({"kind": "progressive", **wrong})


def test_a_teacher_that_is_no_flow_in_time() -> None:
    with pytest.raises(HyperparameterError, match="'maf' is no flow in time"):
        create({"kind": "progressive", "teacher": {"kind": "maf"}})
