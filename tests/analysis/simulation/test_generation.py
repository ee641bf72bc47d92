"""Particles out of event records, as Pythia's arrays have them."""

from __future__ import annotations

import subprocess
import sys

import awkward as ak
import numpy as np

from analysis.simulation.generation import stable_particles


def record(events: list[list[tuple[int, int, float, float, float, float, float]]]) -> ak.Array:
    """(status, pdg, px, py, pz, energy, x of the vertex in mm) of particles by event."""

    def field(i: int) -> ak.Array:
        return ak.Array([[particle[i] for particle in event] for event in events])

    p = ak.zip({"px": field(2), "py": field(3), "pz": field(4), "e": field(5)})
    zero = field(6) * 0
    vertex = ak.zip({"px": field(6), "py": zero, "pz": zero, "e": zero})
    return ak.zip(
        {"prt": ak.zip({"status": field(0), "id": field(1), "p": p, "vProd": vertex}, depth_limit=2)}, depth_limit=1
    )


def test_final_particles_of_every_event_in_metres() -> None:
    batch = record(
        [
            [(-21, 21, 0, 0, 9, 9, 0), (1, 211, 1, 2, 3, 4, 5.0), (2, 22, 4, 3, 2, 6, 0)],
            [(-21, 21, 0, 0, 9, 9, 0)],
            [(1, -11, 7, 0, 0, 7, 1000.0)],
        ]
    )
    particles, number = stable_particles(batch)
    assert number == 3
    assert particles.event.tolist() == [0, 0, 2]
    assert particles.pdg.tolist() == [211, 22, -11]
    np.testing.assert_allclose(particles.px, [1, 4, 7])
    np.testing.assert_allclose(particles.energy, [4, 6, 7])
    np.testing.assert_allclose(particles.x, [0.005, 0, 1.0])
    np.testing.assert_allclose(particles.pt, np.hypot([1, 4, 7], [2, 3, 0]))


def test_what_a_library_prints_does_not_spoil_the_output() -> None:
    script = (
        "import ctypes\n"
        "from analysis.simulation.generation import on_stderr\n"
        "say = ctypes.CDLL(None).puts\n"
        "say(b'before')\n"
        "with on_stderr():\n"
        "    say(b'banner')\n"
        "say(b'after')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["before", "after"]
    assert done.stderr.split() == ["banner"]
