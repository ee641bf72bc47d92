"""Simulated showers in calorimeters: `simulate_showers`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.atomic import atomic_path
from analysis.errors import SimulationError
from analysis.outputs import check_output_file
from analysis.simulation.parts import folder_beside, in_order
from analysis.simulation.primaries import Beam
from analysis.simulation.stacks import Stack, stack
from analysis.tasks import Task, task

SHOWERS_PER_CHUNK = 50
#: As `analysis.simulation.generation`: seeds of Geant4's generator.
_LARGEST_SEED = 900_000_000
#: Parts of the side of a cell in which deposits become one point, as the clouds of CaloClouds have them (2305.04847).
_POINTS_PER_CELL = 6
_PART = "showers.npz"

Arrays = dict[str, NDArray[Any]]

logger = logging.getLogger(__name__)


def simulate_showers(
    n_showers: int,
    *,
    geometry: str,
    seed: int,
    output: str | os.PathLike[str],
    particle: str = "photon",
    energies: tuple[float, float] = (1.0, 20.0),
    uniform: bool = False,
    angle: float = 90.0,
    mass: float = 0.0,
    distance: float = 0.0,
    workers: int = 1,
    call_backs: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate showers with Geant4 and write them as an HDF5 file that `analysis.datasets.open_showers` reads.

    Geometries of voxels give the layout of the CaloChallenge, "calogan" that of CaloGAN, "ild" points. Beside them are
    `cpu_s`, the seconds of a core that Geant4 took for each shower, and of scalars `scalar_mass` (in MeV, as all
    energies of the layout); attributes tell how the file was made. Electromagnetic physics alone, so that energies are
    those of photons and electrons. An interrupted call is continued by the same one.

    Parameters
    ----------
    geometry : one of `analysis.simulation.stacks.STACKS`.
    particle : "photon", "electron", or "scalar" that decays to two photons (Krause, Nachman, Pang, Shih, Zhu,
        2312.11618).
    energies, uniform, angle, mass, distance : see `analysis.simulation.primaries.Beam`; GeV, degrees and mm.
    workers : processes to use. The content of the file, but for `cpu_s`, depends on the seed and not on this number.
    call_backs : hand deposits to Python. Without, showers are empty and `cpu_s` is the time of Geant4 alone.
    progress : called as progress(showers done, n_showers).

    Raises
    ------
    SimulationError
        If Geant4 is not installed, there is no such geometry or particle, or a number makes no sense.
    OutputError
        If the file can not be written.
    """
    from analysis.tasks.local import LocalProcesses

    check_output_file(output)
    plates = stack(geometry)
    beam = Beam(particle, energies, uniform, angle, mass, distance)
    _require(n_showers, workers)
    numbers = [particle, *energies, uniform, angle, mass, distance]
    chunks = _chunks(n_showers, geometry=geometry, beam=numbers, seed=seed, call_backs=call_backs)
    parts: list[Arrays] = []
    done = 0
    with folder_beside(Path(output), chunks) as folder:
        # Geant4 keeps one geometry in a process, and this one may be anything.
        for part in in_order(folder, LocalProcesses(workers), _read):
            parts.append(part)
            done += len(part["incident_energies"])
            logger.info("%s in %s: %d of %d showers", particle, geometry, done, n_showers)
            if progress is not None:
                progress(done, n_showers)
        _write(Path(output), plates, _joined(parts), _description(plates, beam, n_showers, seed))
    return Path(output)


def _require(n_showers: int, workers: int) -> None:
    """Refuse numbers without a meaning and a machine without Geant4; get its data, if they are not there."""
    from analysis.simulation import extras, geant4

    if n_showers < 1 or workers < 1:
        raise SimulationError(f"{n_showers} showers with {workers} workers: both must be at least 1.")
    if not extras.has_geant4():
        raise extras.missing("geant4-pybind", extras.GEANT4)
    # Before there are processes that would all write them.
    geant4.electromagnetic_data()


def _chunks(n_showers: int, **settings: Any) -> list[Task]:
    """The tasks that simulate so many showers, a limited number each."""
    return [
        Task.of(simulate_chunk, showers=min(SHOWERS_PER_CHUNK, n_showers - start), chunk=number, **settings)
        for number, start in enumerate(range(0, n_showers, SHOWERS_PER_CHUNK))
    ]


@task
def simulate_chunk(
    place: Path, *, geometry: str, beam: Sequence[Any], showers: int, seed: int, chunk: int, call_backs: bool
) -> float:
    """Simulate a part of a sample on its own, write its arrays, and return the CPU seconds of Geant4."""
    from analysis.simulation.geant4 import simulation_of

    particle, low, high, uniform, angle, mass, distance = beam
    shot = Beam(particle, (low, high), uniform, angle, mass, distance)
    simulation = simulation_of(geometry)
    plates = simulation.stack
    stream = np.random.SeedSequence(seed, spawn_key=(chunk,))
    simulation.seed(1 + int(stream.generate_state(1)[0]) % _LARGEST_SEED)
    simulation.deposits_to_python(call_backs)
    rng = np.random.default_rng(stream)
    made = []
    for _ in range(showers):
        energy = shot.draw_energy(rng)
        x, y = plates.cell * (rng.random(2) - 0.5)
        deposits, seconds = simulation.shoot(shot.draw(energy, (x, y), rng))
        one = _points(deposits, plates) if plates.cell else _voxels(deposits, plates)
        made.append(one | {"incident_energies": np.array([[energy * 1e3]]), "cpu_s": np.array([seconds])})
    arrays = _joined(made)
    if particle == "scalar":
        arrays["scalar_mass"] = np.full(showers, mass * 1e3)
    np.savez_compressed(place / _PART, **arrays)  # type: ignore[arg-type]
    return float(arrays["cpu_s"].sum())


def _voxels(deposits: NDArray[np.float64], plates: Stack) -> Arrays:
    """Energies of all voxels, (1, V) MeV."""
    x, y, z, energy = deposits.T
    layer = plates.layer_at(z)
    voxel = plates.geometry.locate(x, y, layer)
    inside = voxel >= 0
    weights = (energy * np.array(plates.weights)[layer])[inside]
    sums = np.bincount(voxel[inside], weights=weights, minlength=plates.geometry.voxels)
    return {"showers": sums[None].astype(np.float32)}


def _points(deposits: NDArray[np.float64], plates: Stack) -> Arrays:
    """Deposits in a small cell of a layer as one point at their centre of energy: x, y, layer, e and their number."""
    x, y, z, energy = deposits.T
    layer = plates.layer_at(z)
    cells = np.floor(np.stack([x, y]) * _POINTS_PER_CELL / plates.cell).astype(np.int64)
    _, point = np.unique(np.stack([layer, *cells]), axis=1, return_inverse=True)
    sums = np.bincount(point, energy)
    order = np.zeros(len(sums), dtype=np.uint8)
    order[point] = layer
    return {
        "x": (np.bincount(point, x * energy) / sums).astype(np.float32),
        "y": (np.bincount(point, y * energy) / sums).astype(np.float32),
        "layer": order,
        "e": (sums * np.array(plates.weights)[order]).astype(np.float32),
        "counts": np.array([len(sums)]),
    }


def _joined(parts: Sequence[Mapping[str, NDArray[Any]]]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _description(plates: Stack, beam: Beam, showers: int, seed: int) -> dict[str, Any]:
    from analysis.simulation.geant4 import PHYSICS

    spectrum = "uniform" if beam.uniform else "log-uniform"
    low, high = beam.energies
    shot = f"{beam.particle}s of {low:g} to {high:g} GeV, {spectrum}, at {beam.angle:g}° to the front face"
    decay = f", mass {beam.mass:g} GeV, decaying {beam.distance:g} mm behind the front" if beam.mass else ""
    return {
        "title": f"Geant4 showers in {plates.name}: {showers} {shot}{decay}; seed {seed}",
        "physics": PHYSICS,
        "plates": json.dumps([[plate.material, plate.thickness, plate.layer] for plate in plates.plates]),
        "layer_weights": np.array(plates.weights),
    }


def _write(output: Path, plates: Stack, arrays: Arrays, attributes: Mapping[str, Any]) -> None:
    if "counts" in arrays:
        arrays["offsets"] = np.concatenate([[0], np.cumsum(arrays.pop("counts"))]).astype(np.int64)
    if plates.name == "calogan":
        arrays = _as_calogan(arrays, plates)
    with atomic_path(output) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(attributes)
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip", compression_opts=4, shuffle=True)


def _as_calogan(arrays: Arrays, plates: Stack) -> Arrays:
    """Images of the layers in MeV and the incident energy in GeV."""
    showers = arrays.pop("showers")
    images = {
        f"layer_{number}": showers[:, part].reshape(len(showers), *layer.shape)
        for number, (part, layer) in enumerate(zip(plates.geometry.slices, plates.geometry.layers, strict=True))
    }
    return images | {"energy": arrays.pop("incident_energies") / 1e3} | arrays


def _read(place: Path) -> Arrays:
    with np.load(place / _PART, allow_pickle=False) as part:
        return dict(part)
