"""Specifications of flows on grids: published sizes where a source has them, and small ones for every calorimeter."""

from __future__ import annotations

import pytest

from generators.errors import HyperparameterError
from generators.registry import create
from generators.showers.grid_presets import GRID_SYSTEMS, inductive_caloflow
from tests.generators.showers.test_caloflow import parameters


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


def test_energies_of_l2lflows_have_their_published_size() -> None:
    assert parameters(GRID_SYSTEMS["conv_l2lflows"]("ds3", "published")["energies"], 45, 1) == 447_042


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
