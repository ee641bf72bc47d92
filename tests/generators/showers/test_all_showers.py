"""The transformer of points: registered under its name, and equivariant under permutations of points."""

from __future__ import annotations

from generators.jets.flow_matching import CloudFlowMatching
from generators.showers.all_showers import AllShowers
from tests.generators.jets.velocities import check_equivariant, check_registered

MADE = AllShowers(width=8, layers=1, heads=2, hidden=8)


def test_it_is_found_by_its_name_and_keeps_its_hyperparameters() -> None:
    check_registered(MADE, CloudFlowMatching)


def test_its_velocity_follows_a_permutation_and_is_zero_where_nothing_is() -> None:
    check_equivariant(MADE)


def test_it_takes_at_most_fifty_evaluations() -> None:
    assert AllShowers().solver == "midpoint"
    assert 2 * AllShowers().sampling_steps <= 50
