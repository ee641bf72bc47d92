"""Shapes of showers in layers of known energy, by other generators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import ExportError, HyperparameterError, ShapeError
from generators.export.onnx import export_sampler
from generators.protocols import DensityGenerator
from generators.registry import create
from tests.generators.contracts import EventContract, name_of, quick
from tests.generators.showers.toys import LAYERS, THRESHOLD, patterns, with_layers

SPECIFICATIONS: tuple[dict[str, Any], ...] = (
    {
        "kind": "voxel_shapes",
        "layers": LAYERS,
        "generator": {
            "kind": "caloflow_teacher",
            "blocks": 3,
            "hidden": 24,
            "training": {"epochs": 12, "batch_size": 200, "learning_rate": 4e-3},
        },
    },
    {
        "kind": "voxel_shapes",
        "layers": LAYERS,
        "generator": {
            "kind": "coupling_spline",
            "blocks": 4,
            "hidden": 24,
            "training": {"steps": 250, "batch_size": 256, "learning_rate": 8e-3, "ema_decay": None},
        },
    },
)


@pytest.fixture(scope="module", params=SPECIFICATIONS, ids=[each["generator"]["kind"] for each in SPECIFICATIONS])
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*with_layers(2_000, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 2_000
    events = staticmethod(with_layers)


def test_energies_are_those_of_the_context(fitted: Any) -> None:
    x, c = with_layers(2_000, 11)
    drawn = fitted.sample(c, seed=1).astype(np.float64)
    sums = np.stack([drawn[:, :2].sum(axis=1), drawn[:, 2:].sum(axis=1)], axis=1)
    assert sums == pytest.approx(c[:, 1:], rel=1e-5)
    assert drawn[drawn > 0].min() >= THRESHOLD * (1 - 1e-6)
    assert drawn.mean(axis=0) == pytest.approx(x.mean(axis=0), rel=0.1)
    assert np.abs(patterns(drawn) - patterns(x)).max() < 0.2


def test_score_is_no_density(fitted: Any) -> None:
    x, c = with_layers(300, 12)
    assert not isinstance(fitted, DensityGenerator)
    assert np.isfinite(fitted.score(x, c)).all()


def test_export_is_refused_by_name(fitted: Any, tmp_path: Any) -> None:
    with pytest.raises(ExportError, match="voxel_shapes"):
        export_sampler(fitted, tmp_path / "sampler.onnx")


def test_what_does_not_fit_is_named() -> None:
    x, c = with_layers(300, 12)
    made = quick(SPECIFICATIONS[1])
    with pytest.raises(ShapeError, match="energies of layers"):
        made.fit(x, c + np.array([0, 0, 0.01]), seed=1)
    with pytest.raises(ShapeError, match="5"):
        made.fit(x[:, :3], c, seed=1)
    with pytest.raises(HyperparameterError, match="given"):
        create({**SPECIFICATIONS[1], "given": [1]})
    without = {**SPECIFICATIONS[1], "generator": {"kind": "gan", "training": {"steps": 2, "batch_size": 64}}}
    fitted = create(without).fit(x, c, seed=1)
    with pytest.raises(HyperparameterError, match="no density"):
        fitted.score(x, c)


def test_groups_of_a_teacher_are_the_layers() -> None:
    assert create(SPECIFICATIONS[0]).generator["groups"] == [2, 3]
    assert name_of({"kind": "voxel_shapes"}) == "voxel_shapes"
