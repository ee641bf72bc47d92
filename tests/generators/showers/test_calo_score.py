"""CaloScore: a diffusion of showers in one step, by the contract of generators without a density."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError
from generators.protocols import DensityGenerator
from generators.registry import create
from tests.generators.contracts import EventContract
from tests.generators.showers.test_calo_diffusion import FLOW
from tests.generators.showers.toys import LAYERS, patterns, with_layers

STUDENT: dict[str, Any] = {
    "kind": "progressive",
    "teacher": {**FLOW, "training": {**FLOW["training"], "steps": 40, "batch_size": 64}},
    "first_steps": 1,
    "training": {"steps": 15, "batch_size": 64, "learning_rate": 3e-3, "ema_decay": 0.9},
}
SPECIFICATION: dict[str, Any] = {"kind": "calo_score", "layers": LAYERS, "flow": STUDENT}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*with_layers(600, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 600
    events = staticmethod(with_layers)


def test_one_step_has_given_energies_and_empty_voxels(fitted: Any) -> None:
    x, c = with_layers(2_000, 12)
    drawn = fitted.sample(c, seed=1).astype(np.float64)
    assert not isinstance(fitted, DensityGenerator)
    assert drawn[:, 2:].sum(axis=1) == pytest.approx(c[:, 2], rel=1e-5, abs=1e-8)
    # Of showers without an empty voxel it were 0.76.
    assert 0.5 * np.abs(patterns(drawn) - patterns(x)).sum() < 0.45


def test_consistency_in_its_place() -> None:
    x, c = with_layers(300, 12)
    training = {**STUDENT["training"], "epochs": None, "steps": 5}
    flow = {"kind": "consistency", "teacher": {**FLOW, "training": training}, "training": training}
    drawn = create({**SPECIFICATION, "flow": flow}).fit(x, c, seed=1).sample(c[:10], seed=1)
    assert np.isfinite(drawn).all()
    patches = {"kind": "patch_flow", "patch": [1, 1, 1], "width": 6, "depth": 1, "heads": 1, "training": training}
    assert create({**SPECIFICATION, "flow": {**STUDENT, "teacher": patches}}).flow["teacher"]["layers"] == LAYERS


def test_what_is_no_distillation_is_refused() -> None:
    for wrong in ({"kind": "maf"}, {**STUDENT, "teacher": {"kind": "diffusion"}}):
        with pytest.raises(HyperparameterError, match="progressive, consistency"):
            create({**SPECIFICATION, "flow": wrong})
