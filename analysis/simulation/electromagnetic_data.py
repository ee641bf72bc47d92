"""Cross sections that Geant4's electromagnetic physics reads, made from tables of two Python packages.

Geant4 wants its data set G4EMLOW in the folder that G4LEDATA names. Where nobody has it, what electrons, positrons and
photons need is written here: bremsstrahlung of Seltzer and Berger from `xpecgen`, photoelectric effect and Rayleigh
scattering from `xraylib`. Fluorescence and Auger electrons are missing; `analysis.simulation.geant4` leaves them out.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterable
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import OutputError
from analysis.simulation.extras import GEANT4, missing, xraylib

Array = NDArray[np.float64]

#: Of the materials in `analysis.simulation.stacks`: H, C, N, O, Al, Si, Ar, Fe, Cu, W and Pb.
ELEMENTS = (1, 6, 7, 8, 13, 14, 18, 26, 29, 74, 82)

_FINE_STRUCTURE, _ELECTRON_MASS, _THOMSON = 1 / 137.035999, 0.51099895, 0.66524587  # 1, MeV, barn
#: MeV; where the tables of xraylib end, and where its shells do.
_LAST, _LAST_OF_SHELLS = 0.799, 0.199
_KEV = 1e3
_SHELLS = range(24)
_PHOTOELECTRIC = ("epics2017/phot", "livermore/phot_epics2014")
_RAYLEIGH = ("epics2017/rayl", "livermore/rayl")
#: Barn in Geant4's mm².
_BARN = 1e-22


def write_electromagnetic_data(folder: str | os.PathLike[str], elements: Iterable[int] = ELEMENTS) -> Path:
    """Write the tables of some elements, by their atomic number, in the layout of G4EMLOW.

    Raises
    ------
    SimulationError
        If one of the two packages is not installed.
    OutputError
        If the folder can not be written.
    """
    library = xraylib()
    energies, fractions, tables = _seltzer_berger()
    target = Path(folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        for name in ("brem_SB", "ensdf", *_PHOTOELECTRIC, *_RAYLEIGH):
            (place / name).mkdir(parents=True)
        # Geant4 looks for levels of nuclei when it starts, and never reads one here.
        (place / "ensdf" / "ENSDFSTATE.dat").touch()
        for z in elements:
            _write_bremsstrahlung(place, z, np.loadtxt(tables / f"{z:02d}.csv", delimiter=","), energies, fractions)
            _write_photoelectric(place, z, library)
            _write_rayleigh(place, z, library)
        # Whoever was faster wrote the same.
        if target.is_dir():
            shutil.rmtree(place)
        else:
            place.chmod(0o755)
            place.rename(target)
    except OSError as error:
        raise OutputError(f"{target} can not be written ({error}). Set G4LEDATA to a folder of G4EMLOW.") from error
    return target


def _seltzer_berger() -> tuple[Array, Array, Path]:
    """Electron energies (57,) in MeV, photon energy over electron energy (32,), and the folder of the tables."""
    # The package itself imports what nobody needs here; its tables are files beside it.
    found = util.find_spec("xpecgen")
    if found is None or found.origin is None:
        raise missing("xpecgen", GEANT4)
    folder = Path(found.origin).parent / "data" / "cs"
    first, second = (folder / "grid.csv").read_text(encoding="utf-8").split()
    energies, fractions = (np.array([float(v) for v in line.split(",") if v]) for line in (first, second))
    return energies / _KEV, fractions, folder


def _write_bremsstrahlung(place: Path, z: int, table: Array, energies: Array, fractions: Array) -> None:
    """Scaled differential cross sections (β²/Z²) k dσ/dk in mb, by electron energy and photon fraction."""
    lines = [f"0 {len(fractions)} {len(energies)}", _row(fractions), _row(np.log(energies)), *map(_row, table)]
    (place / "brem_SB" / f"br{z}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_photoelectric(place: Path, z: int, library: Any) -> None:
    """Cross sections times E³ above and below the K edge, and those of every shell."""
    edges = _edges(z, library)
    bindings = [binding for _, binding in edges]
    around = [binding * factor for binding in bindings for factor in (1 - 1e-6, 1 + 1e-6)]
    grid = np.unique(np.concatenate([np.geomspace(1e-4, 0.8, 500), np.geomspace(0.8, 1e8, 200)[1:], around]))
    total = _photoelectric(z, grid, library) * grid**3
    above, below = grid > bindings[0], grid < bindings[0]
    # A threshold of 1e9 MeV: the parameterisation is never used; its rows tell the lowest energies of the shells.
    rows = [f"{binding:.8g} 0 0 0 0 0 0" for binding in bindings]
    parameters = "\n".join([f"{len(rows)} {len(rows)} 1e9", *rows]) + "\n"
    files = {
        f"pe-cs-{z}.dat": _vector(grid[above], total[above]),
        f"pe-high-{z}.dat": parameters,
        f"pe-low-{z}.dat": parameters,
    }
    if len(edges) > 1:
        files[f"pe-le-cs-{z}.dat"] = _vector(grid[below], total[below])
        files[f"pe-ss-cs-{z}.dat"] = _of_shells(z, edges, grid, total, library)
    for folder in _PHOTOELECTRIC:
        for name, text in files.items():
            (place / folder / name).write_text(text, encoding="utf-8")


def _edges(z: int, library: Any) -> list[tuple[int, float]]:
    """Shells and their binding energies in MeV, the strongest first."""
    found = []
    for shell in _SHELLS:
        try:
            binding = library.EdgeEnergy(z, shell) / _KEV
            library.CSb_Photo_Partial(z, shell, max(1.3 * binding * _KEV, 0.11))
        except ValueError:
            continue
        if binding > 1.2e-4:
            found.append((shell, binding))
    # Hydrogen has no shell in the tables.
    return sorted(found, key=lambda each: -each[1]) or [(0, 1.36e-5)]


def _photoelectric(z: int, energies: Array, library: Any) -> Array:
    """Cross section in barn of an atom at energies in MeV; beyond the tables σE = A + B/E + C/E².

    A is Pratt's limit at high energies, its normalisation adjusted to EPDL97.
    """
    xi = z * _FINE_STRUCTURE
    limit = 1.5 * _THOMSON * _FINE_STRUCTURE**4 * z**5 * _ELECTRON_MASS * 1.15 / (1.14 + 0.01 * z)
    limit *= math.exp(-math.pi * xi + 2 * xi**2 * (1 - math.log(xi)))
    fitted = np.linspace(0.45, _LAST, 30)
    known = np.array([library.CSb_Photo(z, energy * _KEV) for energy in fitted])
    inverse = np.stack([1 / fitted, 1 / fitted**2], axis=1) / (known * fitted)[:, None]
    (b, c), *_ = np.linalg.lstsq(inverse, (known * fitted - limit) / (known * fitted))

    def beyond(energy: Array) -> Array:
        found: Array = (limit + b / energy + c / energy**2) / energy
        return found

    jump = library.CSb_Photo(z, _LAST * _KEV) / float(beyond(np.array(_LAST)))
    within = np.array([library.CSb_Photo(z, min(max(e, 1.0001e-4), _LAST) * _KEV) for e in energies])
    joined = beyond(energies) * (1 + (jump - 1) * np.exp(-np.maximum(energies - _LAST, 0)))
    return np.where(energies > _LAST, joined, within)


def _of_shells(z: int, edges: list[tuple[int, float]], grid: Array, total: Array, library: Any) -> str:
    """Tables of the shells, which add up to the total."""
    parts = np.zeros((len(edges), len(grid)))
    for row, (shell, binding) in enumerate(edges):
        for column in np.flatnonzero(grid > binding):
            try:
                parts[row, column] = library.CSb_Photo_Partial(z, shell, min(grid[column], _LAST_OF_SHELLS) * _KEV)
            except ValueError:
                parts[row, column] = parts[row, column - 1] if column else 0.0
    sums = parts.sum(axis=0)
    shares = np.divide(parts, sums, out=np.zeros_like(parts), where=sums > 0)
    texts = []
    for row, (_, binding) in enumerate(edges):
        there = grid > binding
        energies, values = grid[there], (shares[row] * total)[there]
        texts.append(f"{energies[0]:.8g} {energies[-1]:.8g} {len(energies)} {row}\n" + _pairs(energies, values))
    return "".join(texts)


def _write_rayleigh(place: Path, z: int, library: Any) -> None:
    """Cross sections times E², in MeV² mm²; beyond its end Geant4 lets them fall as 1/E²."""
    energies = np.geomspace(1.0001e-4, 0.7999, 300)
    values = np.array([library.CSb_Rayl(z, energy * _KEV) for energy in energies]) * energies**2 * _BARN
    for folder in _RAYLEIGH:
        (place / folder / f"re-cs-{z}.dat").write_text(_vector(energies, values), encoding="utf-8")


def _row(values: Array) -> str:
    return " ".join(f"{value:.8g}" for value in values)


def _vector(x: Array, y: Array) -> str:
    return f"{x[0]:.8g} {x[-1]:.8g} {len(x)}\n{len(x)}\n" + _pairs(x, y)


def _pairs(x: Array, y: Array) -> str:
    return "".join(f"{a:.9g} {b:.7g}\n" for a, b in zip(x, y, strict=True))
