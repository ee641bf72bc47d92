"""CaloClouds II: registered under its name, and equivariant under permutations of points."""

from __future__ import annotations

import pytest

from generators.errors import HyperparameterError
from generators.jets.diffusion import CloudDiffusion
from generators.registry import create
from generators.showers.calo_clouds_2 import CaloClouds2
from tests.generators.jets.velocities import check_equivariant, check_registered

MADE = CaloClouds2(widths=[8, 8], frequencies=4)


def test_it_is_found_by_its_name_and_keeps_its_hyperparameters() -> None:
    check_registered(MADE, CloudDiffusion)


def test_its_velocity_follows_a_permutation_and_is_zero_where_nothing_is() -> None:
    check_equivariant(MADE)


def test_published_steps_and_sizes() -> None:
    made = create({"kind": "calo_clouds_2", "preset": "published"})
    assert 2 * made.sampling_steps <= 50
    with pytest.raises(HyperparameterError, match="frequencies"):
        CaloClouds2(frequencies=3).velocity(4, 2)
