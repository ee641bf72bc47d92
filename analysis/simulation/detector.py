"""A fast detector response: tracker and calorimeters in a magnetic field, combined by energy flow.

The numbers are those of the CMS card of Delphes 3.4 (de Favereau et al., arXiv:1307.6346), with which the LHC Olympics
samples were made; the code is our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from analysis.simulation.calorimeter import Calorimeter, Deposits, Towers
from analysis.simulation.particles import ELECTRON, K_SHORT, LAMBDA, MUON, PHOTON, Array, IntArray, Particles
from analysis.simulation.propagation import to_calorimeter
from analysis.simulation.tracker import Tracker

MINIMUM_PT = 1e-3
#: What energy flow makes: an excess of one of the calorimeters, or a track.
ECAL, HCAL, TRACK = 0, 1, 2


@dataclass(frozen=True, eq=False)
class FlowObjects:
    """Massless energy-flow objects of many events in flat arrays, (F,).

    `event` is the index of their event, pt in GeV; `made_by` is ECAL, HCAL or TRACK. `particle` is the place of what
    made a track among the particles that the detector was given, and -1 for an excess in a calorimeter.
    """

    event: IntArray
    pt: Array
    eta: Array
    phi: Array
    made_by: IntArray
    particle: IntArray


@dataclass(frozen=True, eq=False)
class Detector:
    """A solenoid of `field` tesla, `radius` and `half_length` metres around a tracker, with two calorimeters behind."""

    field: float
    radius: float
    half_length: float
    tracker: Tracker
    ecal: Calorimeter
    hcal: Calorimeter

    def respond(self, particles: Particles, n_events: int, rng: np.random.Generator) -> ak.Array:
        """Massless energy-flow objects (n_events, var) with the fields pt (GeV), eta, phi, as `reconstruct` does."""
        found = self.reconstruct(particles, rng)
        return jagged(n_events, found.event, {"pt": found.pt, "eta": found.eta, "phi": found.phi})

    def reconstruct(self, particles: Particles, rng: np.random.Generator) -> FlowObjects:
        """What is seen of the particles.

        Every particle but neutrinos is followed to the calorimeters. Tracks keep the direction at the vertex; neutral
        towers point from the origin to a random place in their cell.
        """
        given = np.flatnonzero(particles.visible & (particles.pt > MINIMUM_PT))
        particles = particles[given]
        eta, phi = to_calorimeter(particles, field=self.field, radius=self.radius, half_length=self.half_length)
        arrived = ~np.isnan(eta)
        given, particles, eta, phi = given[arrived], particles[arrived], eta[arrived], phi[arrived]

        tracks = self.tracker.track(particles, rng)
        track_pt = tracks.pt.copy()
        track_energy = tracks.pt * np.cosh(particles.eta[tracks.source])
        track_error = tracks.relative_error * track_energy
        track_pdg = np.abs(particles.pdg[tracks.source])

        fraction = electromagnetic_fraction(particles.pdg)
        parts: list[FlowObjects] = []
        for made_by, calorimeter, share, seen in (
            (ECAL, self.ecal, fraction, track_pdg == ELECTRON),
            (
                HCAL,
                self.hcal,
                np.where(np.abs(particles.pdg) == MUON, 0.0, 1.0 - fraction),
                ~np.isin(track_pdg, (ELECTRON, MUON)),
            ),
        ):
            hit, source = np.flatnonzero(share > 0), tracks.source[seen]
            flow = calorimeter.energy_flow(
                Deposits(particles.event[hit], eta[hit], phi[hit], (share * particles.energy)[hit], np.zeros(len(hit))),
                Deposits(particles.event[source], eta[source], phi[source], track_energy[seen], track_error[seen]),
                rng,
            )
            track_pt[seen] *= flow.track_scale
            none = np.full(len(flow.event), -1)
            pt = flow.energy / np.cosh(flow.eta)
            parts.append(FlowObjects(flow.event, pt, flow.eta, flow.phi, np.full_like(none, made_by), none))

        source = tracks.source
        directions = particles.eta[source], particles.phi[source]
        kind = np.full(len(source), TRACK)
        parts.append(FlowObjects(particles.event[source], track_pt, *directions, kind, given[source]))
        return FlowObjects(
            *(np.concatenate([getattr(part, name.name) for part in parts]) for name in fields(FlowObjects))
        )


def electromagnetic_fraction(pdg: IntArray) -> Array:
    """Share of the energy that stays in the electromagnetic calorimeter, (P,)."""
    pdg = np.abs(pdg)
    return np.select([np.isin(pdg, (ELECTRON, PHOTON)), np.isin(pdg, (K_SHORT, LAMBDA))], [1.0, 0.3], default=0.0)


def cms_like() -> Detector:
    """The detector of the LHC Olympics samples."""
    tracker = Tracker(
        acceptance=2.5,
        minimum_pt=0.1,
        efficiency={
            "electron": [[0.73, 0.95, 0.99], [0.50, 0.83, 0.90]],
            "muon": [[0.75, 0.99, 0.99], [0.70, 0.98, 0.98]],
            "hadron": [[0.70, 0.95, 0.95], [0.60, 0.85, 0.85]],
        },
        efficiency_eta=[1.5],
        efficiency_pt=[1.0, 100.0],
        resolution={
            "electron": [[0.03, 1.3e-3], [0.05, 1.7e-3], [0.15, 3.1e-3]],
            "muon": [[0.01, 1.0e-4], [0.015, 1.5e-4], [0.025, 3.5e-4]],
            "hadron": [[0.06, 1.3e-3], [0.10, 1.7e-3], [0.25, 3.1e-3]],
        },
        resolution_eta=[0.5, 1.5],
    )
    ecal = Calorimeter(_ecal_towers(), _ecal_resolution, minimum_energy=0.5, minimum_significance=2.0)
    hcal = Calorimeter(_hcal_towers(), _hcal_resolution, minimum_energy=1.0, minimum_significance=1.0)
    return Detector(field=3.8, radius=1.29, half_length=3.0, tracker=tracker, ecal=ecal, hcal=hcal)


FORWARD_EDGES = (3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525, 4.7, 5.0)


def _ecal_towers() -> Towers:
    """Crystals of 0.0174 × 1° up to |η| = 2.958, then forward cells of 10°."""
    edges = [*np.arange(171) * 0.0174, *FORWARD_EDGES]
    return _mirrored(edges, [360] * 170 + [36] * 11)


def _hcal_towers() -> Towers:
    """Towers of 0.087 × 5° up to |η| = 1.653, growing ones of 10° behind, and 20° at the rim."""
    growing = (1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95)
    edges = [*np.arange(20) * 0.087, *growing, *FORWARD_EDGES]
    return _mirrored(edges, [72] * 19 + [36] * 19 + [18] * 2)


def _mirrored(edges: list[float], n_phi: list[int]) -> Towers:
    """Towers on both sides of η = 0 from the edges, beginning with 0, on one side."""
    positive = np.array(edges)
    return Towers(np.concatenate([-positive[:0:-1], positive]), np.array(n_phi[::-1] + n_phi))


def _ecal_resolution(eta: Array, energy: Array) -> Array:
    a = np.abs(eta)
    central = np.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
    forward = np.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)
    return np.select(
        [a <= 1.5, a <= 2.5], [(1 + 0.64 * a**2) * central, (2.16 + 5.6 * (a - 2) ** 2) * central], forward
    )


def _hcal_resolution(eta: Array, energy: Array) -> Array:
    central = np.sqrt((0.05 * energy) ** 2 + 1.5**2 * energy)
    forward = np.sqrt((0.13 * energy) ** 2 + 2.7**2 * energy)
    return np.where(np.abs(eta) <= 3.0, central, forward)


def jagged(n_events: int, event: IntArray, columns: Mapping[str, NDArray[Any]]) -> ak.Array:
    """Flat columns of objects as records (n_events, var) by their event, in the order that they have."""
    order = np.argsort(event, kind="stable")
    objects = ak.zip({name: column[order] for name, column in columns.items()})
    return ak.unflatten(objects, np.bincount(event, minlength=n_events))
