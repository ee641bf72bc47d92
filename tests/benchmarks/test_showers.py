"""The benchmark of showers: which numbers are parameters, and which showers are compared with which."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from generators.registry import create
from tests.generators.showers.test_caloflow import parameters
from tests.generators.showers.toys import LAYERS, showers

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("showers")


def test_parameters_are_those_of_the_networks_without_their_masks(benchmark: Any) -> None:
    training = {"epochs": None, "steps": 1, "batch_size": 64}
    flow = {"kind": "caloflow_teacher", "blocks": 2, "hidden": 8, "groups": [2, 3], "training": training}
    energies = {"kind": "autoregressive_spline", "hidden": 8, "blocks": 1, "training": training}
    chain = {"kind": "showers", "layers": LAYERS, "energies": energies}
    made = create({**chain, "shapes": {"kind": "voxel_shapes", "generator": flow}}).fit(*showers(300, 1), seed=1)
    assert benchmark.parameters(made) == parameters(flow, 5, 3) + parameters(energies, 2, 1)
    blocks = {"kind": "l2lflows", "generator": {**flow, "groups": []}}
    made = create({**chain, "shapes": blocks}).fit(*showers(300, 1), seed=1)
    networks = [each.networks_[0] for each in made.fitted_[1].fitted_]
    assert len(networks) == 2
    due = sum(each.numel() for network in networks for each in network.parameters())
    assert benchmark.parameters(made) == due + parameters(energies, 2, 1)


@dataclass
class Seen:
    """What the response is made of."""

    incident: NDArray[np.float64]
    response: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.incident)


@pytest.mark.parametrize("energies", [[1.0, 2.0, 4.0, 8.0], np.geomspace(1, 10, 40)])
def test_showers_in_another_order_are_compared_at_their_own_energy(benchmark: Any, energies: Any) -> None:
    def seen(seed: int) -> Seen:
        incident = np.random.default_rng(seed).permutation(np.repeat(energies, 50))
        return Seen(incident, incident / 10)

    comparer = benchmark.Comparer.__new__(benchmark.Comparer)
    comparer.due = seen(1)
    for found in (seen(2), comparer.due):
        rows = comparer.response(found)
        assert len(rows) > 3
        assert [row["mean"] for row in rows] == pytest.approx([row["reference"] for row in rows])
        assert [row["mean"] for row in rows] == pytest.approx([row["energy"] / 10 for row in rows])
