"""What is shot at a calorimeter: decays keep energy, momentum and mass, and are isotropic where the scalar rests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.errors import SimulationError
from analysis.simulation.primaries import Beam, two_photons


@pytest.mark.parametrize("mass", [5.0, 0.05])
def test_two_photons_have_the_momentum_and_the_mass_of_the_scalar(mass: float) -> None:
    rng = np.random.default_rng(1)
    direction = np.array([0.6, 0.0, 0.8])
    for _ in range(50):
        first, second = two_photons(12.0, mass, direction, rng)
        energies = np.linalg.norm(first), np.linalg.norm(second)
        assert sum(energies) == pytest.approx(12.0)
        assert first + second == pytest.approx(np.sqrt(144 - mass**2) * direction)
        # m² = 2 E₁E₂ (1 − cos), whose difference cancels for a light scalar.
        assert 2 * (energies[0] * energies[1] - first @ second) == pytest.approx(mass**2, abs=1e-11)


def test_the_decay_is_isotropic() -> None:
    """A photon's share of the energy is uniform between (1 − β)/2 and (1 + β)/2, its azimuth uniform."""
    rng = np.random.default_rng(2)
    along = np.array([0.0, 0.0, 1.0])
    photons = np.array([two_photons(10.0, 6.0, along, rng)[0] for _ in range(2000)])
    shares = np.linalg.norm(photons, axis=1) / 10
    assert stats.kstest(shares, stats.uniform(0.1, 0.8).cdf).pvalue > 0.01
    turns = np.arctan2(photons[:, 1], photons[:, 0])
    assert stats.kstest(turns, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 0.01


def test_energies_are_log_uniform_or_uniform() -> None:
    rng = np.random.default_rng(3)
    drawn = [Beam("photon", (1.0, 20.0)).draw_energy(rng) for _ in range(2000)]
    assert stats.kstest(np.log(drawn) / np.log(20), "uniform").pvalue > 0.01
    drawn = [Beam("electron", (1.0, 20.0), uniform=True).draw_energy(rng) for _ in range(2000)]
    assert stats.kstest((np.array(drawn) - 1) / 19, "uniform").pvalue > 0.01
    assert Beam("photon", (3.0, 3.0)).draw_energy(rng) == 3.0


def test_lines_meet_the_front_face_where_they_aim() -> None:
    rng = np.random.default_rng(4)
    (one,) = Beam("electron", (1.0, 2.0), angle=40.0).draw(1.5, (2.0, -1.0), rng)
    at_face = one.place - one.place[2] / one.direction[2] * one.direction
    assert (one.name, one.energy) == ("e-", 1500.0)
    assert at_face == pytest.approx([2.0, -1.0, 0.0])
    assert np.degrees(np.arcsin(one.direction[2])) == pytest.approx(40)
    both = Beam("scalar", (10.0, 10.0), angle=60.0, mass=1.0, distance=-300.0).draw(10.0, (0.0, 0.0), rng)
    for photon in both:
        assert np.linalg.norm(photon.place) == pytest.approx(300)
        assert photon.place[2] == pytest.approx(-300 * np.sin(np.radians(60)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"particle": "pion"}, "No particle 'pion'"),
        ({"energies": (2.0, 1.0)}, "from 2 to 1 GeV"),
        ({"energies": (0.0, 1.0)}, "must be positive"),
        ({"energies": (float("nan"), 1.0)}, "must be positive"),
        ({"angle": 5.0}, "from 20 to 90"),
        ({"particle": "scalar", "mass": 1.0}, "mass must be positive and below"),
        ({"particle": "scalar"}, "mass must be positive and below"),
        ({"particle": "scalar", "mass": 0.1, "distance": 1e5}, "at most 5000 mm"),
        ({"mass": 0.1}, "does not decay"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, object], said: str) -> None:
    given: dict[str, object] = {"particle": "photon", "energies": (1.0, 2.0)}
    with pytest.raises(SimulationError, match=said):
        Beam(**(given | arguments))  # type: ignore[arg-type]
