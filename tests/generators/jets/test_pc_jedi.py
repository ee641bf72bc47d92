"""The system pc_jedi: registered under its name, and equivariant under permutations of constituents."""

from __future__ import annotations

from generators.jets.diffusion import CloudDiffusion
from generators.jets.pc_jedi import PCJeDi

from .velocities import check_equivariant, check_registered

MADE = PCJeDi(width=8, layers=2, heads=2, hidden=8, frequencies=2)


def test_it_is_found_by_its_name_and_keeps_its_hyperparameters() -> None:
    check_registered(MADE, CloudDiffusion)


def test_its_velocity_follows_a_permutation_and_is_zero_where_nothing_is() -> None:
    check_equivariant(MADE)
