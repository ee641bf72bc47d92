"""Where a particle meets the calorimeter: helices in a solenoid, straight lines for neutral ones."""

from __future__ import annotations

import numpy as np

from analysis.simulation.particles import Array, Particles

# Curvature of a track in 1/m is this times charge × field in tesla / pT in GeV.
SPEED_OF_LIGHT = 0.299792458


def to_calorimeter(particles: Particles, *, field: float, radius: float, half_length: float) -> tuple[Array, Array]:
    """Pseudorapidity and azimuth (P,) of the point where each particle leaves a cylinder around the beam.

    `field` along +z in tesla, `radius` and `half_length` in metres. NaN for particles that are produced outside or
    never leave.
    """
    pt, phi = particles.pt, particles.phi
    curvature = -SPEED_OF_LIGHT * field * particles.charge / pt
    bent = curvature != 0
    with np.errstate(divide="ignore", invalid="ignore"):
        to_wall = np.where(bent, _arc_to_wall(particles, phi, curvature, radius), _line_to_wall(particles, phi, radius))
        # Transverse path until the end cap, towards which pz points.
        to_cap = (np.sign(particles.pz) * half_length - particles.z) * pt / particles.pz
        path = np.fmin(to_wall, np.where(particles.pz == 0, np.nan, to_cap))
        turned = phi + curvature * path
        x = particles.x + np.where(bent, (np.sin(turned) - np.sin(phi)) / curvature, np.cos(phi) * path)
        y = particles.y - np.where(bent, (np.cos(turned) - np.cos(phi)) / curvature, -np.sin(phi) * path)
        z = particles.z + path * particles.pz / pt
        inside = (np.hypot(particles.x, particles.y) < radius) & (np.abs(particles.z) < half_length)
        eta = np.where(inside, np.arcsinh(z / np.hypot(x, y)), np.nan)
    return eta, np.where(np.isnan(eta), np.nan, np.arctan2(y, x))


def _line_to_wall(particles: Particles, phi: Array, radius: float) -> Array:
    """Transverse path of a straight line to the wall of the cylinder, (P,), in metres."""
    along = particles.x * np.cos(phi) + particles.y * np.sin(phi)
    across2 = particles.x**2 + particles.y**2 - along**2
    path: Array = np.sqrt(radius**2 - across2) - along
    return path


def _arc_to_wall(particles: Particles, phi: Array, curvature: Array, radius: float) -> Array:
    """Transverse path of a circle to its first crossing of the wall, (P,), in metres; NaN if it curls up inside.

    On the circle around c the direction φ determines the point c + (sin φ, -cos φ)/κ, and |point| = R is one equation
    for φ with two solutions.
    """
    centre_x = particles.x - np.sin(phi) / curvature
    centre_y = particles.y + np.cos(phi) / curvature
    distance = np.hypot(centre_x, centre_y)
    sine = curvature * (radius**2 - distance**2 - curvature**-2) / (2 * distance)
    first = np.arctan2(centre_y, centre_x) + np.arcsin(sine)
    second = 2 * np.arctan2(centre_y, centre_x) + np.pi - first
    full_turn = 2 * np.pi / np.abs(curvature)
    path: Array = np.fmin(np.mod((first - phi) / curvature, full_turn), np.mod((second - phi) / curvature, full_turn))
    return path
