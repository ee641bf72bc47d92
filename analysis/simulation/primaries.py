"""What is shot at a calorimeter: photons, electrons, and scalars that decay to two photons."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import SimulationError, nearest

Array = NDArray[np.float64]

PARTICLES = ("photon", "electron", "scalar")
#: Geant4's names.
_NAMES = {"photon": "gamma", "electron": "e-"}
#: mm before the front face that particles which do not decay start at.
_START = 1.0
#: mm before the front face that a decay may be; the world ends behind.
FARTHEST_DECAY = 5_000.0


@dataclass(frozen=True, eq=False)
class Primary:
    """A particle of Geant4: its name there, kinetic energy in MeV, place in mm (z = 0 is the front), direction."""

    name: str
    energy: float
    place: Array
    direction: Array


@dataclass(frozen=True)
class Beam:
    """Particles of one kind that aim at the middle of the front face.

    Attributes
    ----------
    particle : one of `PARTICLES`.
    energies : lowest and highest energy in GeV, log-uniform between, or uniform with `uniform`; equal ones are one.
    angle : degrees between the direction and the front face; 90 is along the axis. It tilts towards +x.
    mass : of the scalar, GeV.
    distance : mm along the direction from the front face to the decay of the scalar; negative is before the face.

    Raises
    ------
    SimulationError
        If a number makes no sense, with the value and what it has to be.
    """

    particle: str
    energies: tuple[float, float]
    uniform: bool = False
    angle: float = 90.0
    mass: float = 0.0
    distance: float = 0.0

    def __post_init__(self) -> None:
        if self.particle not in PARTICLES:
            raise SimulationError(f"No particle '{self.particle}' to shoot. {nearest(self.particle, PARTICLES)}")
        low, high = self.energies
        if not (0 < low <= high < math.inf):
            raise SimulationError(f"Energies from {low:g} to {high:g} GeV: they must be positive, the first the lower.")
        if not 20 <= self.angle <= 90:
            raise SimulationError(f"An angle of {self.angle:g}° to the front face: it must be from 20 to 90.")
        if self.particle == "scalar":
            if not 0 < self.mass < low:
                raise SimulationError(
                    f"A scalar of {self.mass:g} GeV, energies from {low:g} GeV: its mass must be positive and below."
                )
            if not abs(self.distance) <= FARTHEST_DECAY:
                raise SimulationError(
                    f"A decay {self.distance:g} mm from the front face: at most {FARTHEST_DECAY:g} mm are simulated."
                )
        elif self.mass or self.distance:
            raise SimulationError(f"A {self.particle} does not decay: mass and distance are of the scalar.")

    @property
    def direction(self) -> Array:
        """Unit vector of the flight, (3,)."""
        radians = math.radians(self.angle)
        return np.array([math.cos(radians), 0.0, math.sin(radians)])

    def draw_energy(self, rng: np.random.Generator) -> float:
        """An energy in GeV."""
        low, high = self.energies
        if self.uniform:
            return float(rng.uniform(low, high))
        return float(low * (high / low) ** rng.random())

    def draw(self, energy: float, entry: tuple[float, float], rng: np.random.Generator) -> list[Primary]:
        """The particles of one shower of an energy in GeV whose line meets the front face at `entry`, in mm."""
        aimed = np.array([*entry, 0.0])
        if self.particle == "scalar":
            place = aimed + self.distance * self.direction
            return [
                Primary("gamma", 1e3 * float(np.linalg.norm(k)), place, k / np.linalg.norm(k))
                for k in two_photons(energy, self.mass, self.direction, rng)
            ]
        return [Primary(_NAMES[self.particle], 1e3 * energy, aimed - _START * self.direction, self.direction)]


def two_photons(energy: float, mass: float, direction: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Momenta (3,) in GeV of the photons of a scalar's decay, isotropic where it rests."""
    cosine, turn = rng.uniform(-1, 1), rng.uniform(0, 2 * math.pi)
    momentum = math.sqrt(energy**2 - mass**2)
    across = mass / 2 * math.sqrt(1 - cosine**2)
    first, second = _perpendicular(direction)
    sideways = across * (math.cos(turn) * first + math.sin(turn) * second)
    # p*∥ = ± m cosθ/2, boosted by γβ = p/m and γ = E/m.
    along = momentum / 2 + energy / 2 * cosine, momentum / 2 - energy / 2 * cosine
    return along[0] * direction + sideways, along[1] * direction - sideways


def _perpendicular(direction: Array) -> tuple[Array, Array]:
    """Two unit vectors that are perpendicular to a third and to each other."""
    helper = np.array([0.0, 1.0, 0.0])
    first = np.cross(helper, direction)
    first /= np.linalg.norm(first)
    return first, np.cross(direction, first)
