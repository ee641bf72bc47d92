"""The benchmark of jets: what its tables and figures show, and which systems it takes for what."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    return {name: importlib.import_module(name) for name in ("jet_figures", "jet_systems", "jet_tables")}


def clouds(n: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.2, (n, 8, 3))
    x[..., 2] = rng.exponential(0.1, (n, 8)) * (np.arange(8) < rng.integers(3, 9, (n, 1)))
    return x.astype(np.float32)


def test_figures_show_substructure_with_ratios(modules: dict[str, Any]) -> None:
    truth = clouds(400, 1)
    figure = modules["jet_figures"].distributions({"same": truth, "other": 0.5 * clouds(400, 2)}, truth)
    tops, bottoms = np.reshape(figure.axes, (2, -1))
    labels = [axis.get_xlabel() for axis in bottoms]
    assert {"m / pT of the jet", "constituents", "τ21", "τ32"} <= set(labels)
    for top, bottom in zip(tops, bottoms, strict=True):
        ratios = [patch.get_data().values for patch in bottom.patches]
        assert np.nanmax(np.abs(ratios[0] - 1)) < 1e-12
        # All of the truth but the share beyond the axes.
        assert top.patches[0].get_data().values.sum() > 0.98
    mass = bottoms[labels.index("m / pT of the jet")].patches
    assert np.nanmax(np.abs(mass[1].get_data().values - 1)) > 0.2


def test_quality_is_drawn_against_time_and_size(modules: dict[str, Any]) -> None:
    row = {"us_at_1": 900, "us_at_100": 30, "us_at_2000": 20, "training_s": 50, "parameters": 1000}
    rows = {"a": row | {"w1m": {"over_floor": 2}, "fpd": {"over_floor": 5}}}
    figure = modules["jet_figures"].cost(rows)
    assert [axis.collections[0].get_offsets()[0].tolist() for axis in figure.axes] == [
        [20, 2], [50, 2], [1000, 2], [20, 5], [50, 5], [1000, 5],
    ]  # fmt: skip


def test_systems_with_presets_have_them_and_adversarial_ones_have_a_critic(modules: dict[str, Any]) -> None:
    systems = modules["jet_systems"]
    sized = {name for name in systems.SYSTEMS if "preset" in systems.with_preset(name, "small")}
    adversarial = {name for name in systems.SYSTEMS if systems.is_adversarial(name)}
    assert adversarial == {
        "mpgan", "mp_lfc", "epic_gan", "mdma", "igapt", "deep_tree_gan", "deep_tree_gan2", "tnf", "tf",
    }  # fmt: skip
    assert sized == adversarial | {"jet_flow", "fpcd"}
    assert set(systems.TEACHERS) <= set(systems.SYSTEMS)


def test_what_is_no_number_is_null_in_json(modules: dict[str, Any]) -> None:
    found = {"a": {"factor": float("inf"), "error": 0.5}, "rows": [float("nan"), np.float64(2), 3, "x", True]}
    text = modules["jet_tables"].as_json(found)
    assert text == '{"a": {"factor": null, "error": 0.5}, "rows": [null, 2.0, 3, "x", true]}'
