"""Impact parameters: how far from the collision a track passes by, and how well that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.simulation.particles import Array, Particles
from analysis.simulation.propagation import SPEED_OF_LIGHT

_MM = 1e3


def closest_approach(particles: Particles, *, field: float) -> tuple[Array, Array]:
    """d0 and z (P,), mm, of charged particles where their helix is closest to the beam line x = y = 0.

    `field` along +z in tesla. d0 has the sign of (x p_y − y p_x) there, as in Delphes (arXiv:1307.6346).
    """
    pt, phi = particles.pt, particles.phi
    curvature = -SPEED_OF_LIGHT * field * particles.charge / pt
    centre_x = particles.x - np.sin(phi) / curvature
    centre_y = particles.y + np.cos(phi) / curvature
    # The circle is closest on the line from the beam to its centre.
    shrunk = 1 - 1 / (np.abs(curvature) * np.hypot(centre_x, centre_y))
    x, y = centre_x * shrunk, centre_y * shrunk
    there = np.arctan2(curvature * (x - centre_x), -curvature * (y - centre_y))
    turned = np.mod(there - phi + np.pi, 2 * np.pi) - np.pi
    z = particles.z + turned / curvature * particles.pz / pt
    return _MM * (x * np.sin(there) - y * np.cos(there)), _MM * z


@dataclass(frozen=True)
class Resolution:
    """σ = constant ⊕ scattering / (pT · sinθ^power), mm for pT in GeV: what the hits allow, and what the material adds.

    What a fit says of a single track scatters around it by the share `scatter`, because not all have the same hits.
    """

    constant: float
    scattering: float
    power: float
    scatter: float = 0.1

    def errors(self, pt: Array, eta: Array, rng: np.random.Generator) -> Array:
        """σ of every track (T,), mm."""
        material = self.scattering / pt * np.cosh(eta) ** self.power
        fit: Array = np.hypot(self.constant, material) * np.exp(self.scatter * rng.standard_normal(len(pt)))
        return fit


#: Of d0 and z of a tracker with pixels of silicon, such as that of CMS (arXiv:1405.6569).
TRANSVERSE = Resolution(constant=0.015, scattering=0.075, power=0.5)
LONGITUDINAL = Resolution(constant=0.03, scattering=0.1, power=1.5)
