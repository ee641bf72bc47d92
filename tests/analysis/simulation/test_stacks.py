"""Stacks of plates: their depths, and which layer a deposit belongs to."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import SimulationError
from analysis.simulation.stacks import STACKS, stack


@pytest.mark.parametrize(("name", "depth"), [("ds2", 153.0), ("ds3", 153.0), ("calogan", 480.0), ("ild", 163.5)])
def test_stacks_are_as_deep_as_published(name: str, depth: float) -> None:
    assert stack(name).depth == pytest.approx(depth)
    assert stack(name).geometry.depths is not None
    assert stack(name).geometry.depths[-1] == pytest.approx(depth)


@pytest.mark.parametrize("name", STACKS)
def test_deposits_in_a_plate_belong_to_its_layer(name: str) -> None:
    plates = stack(name)
    assert len(plates.weights) == len(plates.geometry.layers)
    seen = set()
    for position, plate in enumerate(plates.plates):
        if plate.layer is None:
            continue
        low, high = plates.edges[position : position + 2]
        found = plates.layer_at(np.array([low, (low + high) / 2, high]))
        wanted = plates.geometry.layer_at(np.array([low, (low + high) / 2])) if plates.by_depth else [plate.layer] * 2
        assert list(found[:2]) == list(wanted)
        # A step that begins at the back face of a plate is taken for one of the plate.
        assert plates.by_depth or found[2] == plate.layer
        seen |= set(found.tolist())
    assert seen == set(range(len(plates.geometry.layers)))


def test_unknown_stacks_are_refused() -> None:
    with pytest.raises(SimulationError, match=r"No calorimeter 'ds1-pions'.*ds1-photons"):
        stack("ds1-pions")
