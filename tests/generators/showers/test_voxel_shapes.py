"""Shapes of showers in layers of known energy, by other generators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import ExportError, HyperparameterError, ShapeError
from generators.export.onnx import export_sampler
from generators.protocols import DensityGenerator
from generators.registry import create
from generators.training.batches import TrainingData
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


def test_showers_are_learned_turned_and_mirrored_and_as_they_are() -> None:
    x, c = with_layers(300, 14)
    filled = c[:, 2] > 0
    x, c = x[filled], c[filled]
    # All three angles differ, so that every turn is another shower.
    x[:, 2:] = c[:, 2:] * np.array([0.6, 0.3, 0.1])
    c[:, 2] = x[:, 2:].sum(axis=1)
    heard: list[Any] = []

    class Listener:
        kind = "listener"

        def fit(self, z: Any, context: Any, *, weights: Any, **_: Any) -> Listener:
            heard.extend([z, context, weights])
            return self

    made = create({**SPECIFICATIONS[1], "turns": 40, "threshold": 1e-9, "noise": 1e-12})
    made.unfitted = Listener()
    weights = np.arange(len(x)) % 3.0
    made.fit(x, c, weights=weights, seed=2)
    z, context, w = heard
    used = weights > 0
    assert len(z) == len(context) == len(w) == 40 * used.sum()
    np.testing.assert_array_equal(w.reshape(40, -1), np.tile(weights[used], (40, 1)))
    np.testing.assert_array_equal(context.reshape(40, used.sum(), -1)[7], context[: used.sum()])
    shares = 1 / (1 + np.exp(-z.reshape(40, used.sum(), 5)[:, :, 2:]))
    np.testing.assert_allclose(shares[0], np.tile([0.6, 0.3, 0.1], (used.sum(), 1)), atol=1e-3)
    orders, counts = np.unique(shares[1:].reshape(-1, 3).argsort(axis=1), axis=0, return_counts=True)
    assert len(orders) == 6
    assert counts.min() > 0.8 * counts.mean()


def test_no_shower_is_held_out_that_is_learned_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    x, c = with_layers(300, 14)
    parts: list[tuple[set[float], set[float], int]] = []
    split = TrainingData.split

    def recorded(data: TrainingData, fraction: float, *, seed: int) -> tuple[TrainingData, TrainingData]:
        learned, held_out = split(data, fraction, seed=seed)
        parts.append((*(set(part.whole().context[:, 0].tolist()) for part in (learned, held_out)), len(held_out)))
        return learned, held_out

    monkeypatch.setattr(TrainingData, "split", recorded)
    quick({**SPECIFICATIONS[1], "turns": 4}, steps=1).fit(x, c, seed=2)
    ((learned, held_out, rows),) = parts
    # The incident energy of every shower is its own.
    assert not learned & held_out
    assert (len(learned), len(held_out), rows) == (270, 30, 120)


def test_turns_are_counted_from_one() -> None:
    with pytest.raises(HyperparameterError, match="turns = 0"):
        create({**SPECIFICATIONS[1], "turns": 0})
