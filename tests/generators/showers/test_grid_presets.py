"""Specifications of flows on grids: published sizes where a source has them, and small ones for every calorimeter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError
from generators.registry import create
from generators.showers.grid_presets import GRID_SYSTEMS, inductive_caloflow
from generators.showers.presets import caloflow
from tests.generators.showers.test_caloflow import parameters
from tests.generators.showers.toys import PAIR


def test_inductive_caloflow_has_its_published_size() -> None:
    """Energies, first layer and the 44 that follow (CaloChallenge final report, 2410.21611)."""
    chain = inductive_caloflow("ds2", "teacher", "published")
    flows = (chain["energies"], 45, 1), (chain["shapes"]["first"], 144, 2), (chain["shapes"]["following"], 144, 191)
    found = [parameters(*flow) for flow in flows]
    assert found == [2_752_600, 8_165_248, 8_552_320]
    assert sum(found) == 19_470_168
    # Energy, that of the layer and of the last one, its voxels, and which of 44 it is.
    made = create(chain["shapes"] | {"layers": chain["layers"]})
    assert [len(part.blocks) for part in made.parts()] == [1, 44]


def test_students_and_deeper_calorimeters_have_their_published_sums() -> None:
    """Of the student those of both flows of voxels, and of all three of the teacher in CaloChallenge 3."""
    shapes = inductive_caloflow("ds2", "student", "published")["shapes"]
    both = parameters(shapes["first"], 144, 2) + parameters(shapes["following"], 144, 191)
    assert (both, both + 2_752_600) == (21_766_912, 24_519_512)
    chain = inductive_caloflow("ds3", "teacher", "published")
    flows = (chain["energies"], 45, 1), (chain["shapes"]["first"], 900, 2), (chain["shapes"]["following"], 900, 947)
    assert sum(parameters(*flow) for flow in flows) == 95_088_152


def test_inductive_caloflow_is_trained_as_published() -> None:
    def recipe(flow: dict[str, Any]) -> tuple[int, int, float, str]:
        training = create(flow).training
        return training.epochs, training.batch_size, training.learning_rate, training.schedule

    teacher, student = (inductive_caloflow("ds2", role, "published") for role in ("teacher", "student"))
    assert recipe(teacher["energies"]) == (500, 1000, 1e-4, "one_cycle")
    assert recipe(teacher["shapes"]["first"]) == (200, 1000, 1e-3, "one_cycle")
    assert recipe(teacher["shapes"]["following"]) == (60, 1000, 1e-3, "one_cycle")
    assert recipe(student["shapes"]["first"]) == (400, 1000, 1e-3, "one_cycle")
    assert recipe(student["shapes"]["following"]) == (100, 1000, 5e-4, "one_cycle")
    deeper = inductive_caloflow("ds3", "student", "published")["shapes"]["following"]
    assert recipe(deeper) == (30, 1000, 1e-4, "constant")


def test_energies_of_l2lflows_have_their_published_size() -> None:
    assert parameters(GRID_SYSTEMS["conv_l2lflows"]("ds3", "published")["energies"], 45, 1) == 447_042


@pytest.mark.parametrize(
    "chain",
    [inductive_caloflow("ds2", "teacher", "published", layers=PAIR), caloflow("calogan", "teacher", "published")],
    ids=["inductive", "calogan"],
)
def test_published_energies_know_empty_layers(chain: dict[str, Any]) -> None:
    """Shrunk in width and steps: of the shares of layers that are 0 every fifth as many are drawn, and none beyond."""
    rng = np.random.default_rng(1)
    ratios = rng.uniform(0.1, 0.9, (3_000, 2))
    empty = rng.random(3_000) < 0.2
    ratios[empty, 1] = 0
    training = {"epochs": None, "steps": 150, "batch_size": 256, "learning_rate": 5e-3}
    made = create({**chain["energies"], "blocks": 2, "hidden": 24, "training": training})
    drawn = made.fit(ratios, rng.uniform(1, 2, (3_000, 1)), seed=1).sample(np.full((5_000, 1), 1.5), seed=2)
    assert (drawn[:, 1] == 0).mean() == pytest.approx(0.2, abs=0.05)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.parametrize("system", GRID_SYSTEMS)
@pytest.mark.parametrize("size", ["published", "small"])
def test_presets_are_specifications(system: str, size: str) -> None:
    create(GRID_SYSTEMS[system]("ds1-photons", size))
    create(GRID_SYSTEMS[system]("ds2", size))
    with pytest.raises(HyperparameterError, match=system):
        GRID_SYSTEMS[system]("ds9", size)


def test_both_roles_of_inductive_caloflow() -> None:
    assert create(inductive_caloflow("ds1-photons", "student", "small")).shapes["first"]["kind"] == "caloflow_student"
    with pytest.raises(HyperparameterError, match="role"):
        inductive_caloflow("ds2", "pupil", "small")
