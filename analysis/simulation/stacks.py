"""Calorimeters as stacks of plates along the axis: what showers go through, and which plates measure.

"ds1-photons" is in the manner of the barrel of ATLAS, flat; "ds2" is that of Geant4's example Par04, whose pairs of
plates are read out together; "calogan" counts the energy in lead and argon alike (Paganini et al., 1705.02355); "ild"
counts silicon alone. Binnings and thresholds are those of `analysis.showers.geometry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from analysis.errors import SimulationError, nearest
from analysis.showers.detectors import geometry
from analysis.showers.layered import Geometry
from analysis.showers.layers import Float, Index


@dataclass(frozen=True)
class Mixture:
    """A material that is in no list of Geant4: density in g/cm³ and number of atoms of each element."""

    density: float
    atoms: tuple[tuple[str, int], ...]


#: Materials that Geant4 has no name for; all others are `G4_…`.
MIXTURES: Mapping[str, Mixture] = MappingProxyType(
    {
        "scintillator": Mixture(1.032, (("C", 9), ("H", 10))),
        "board": Mixture(1.85, (("Si", 3), ("O", 9), ("C", 6), ("H", 8))),
    }
)


@dataclass(frozen=True)
class Plate:
    """A plate of a material, `thickness` in mm; `layer` is the place of the layer that it measures for, or None."""

    material: str
    thickness: float
    layer: int | None = None


@dataclass(frozen=True, eq=False)
class Stack:
    """Plates from the front, at z = 0, to the back, of a square of 2 × `half_width` mm.

    Attributes
    ----------
    name : of the geometry that the showers are binned in.
    weights : of every layer; deposits times these are the energies of voxels.
    cell : mm; points enter uniformly in a square of this size around the axis, and deposits of a plate are joined in
        cells of a sixth of it, where the showers are points. 0 for showers in voxels, which enter on the axis.
    by_depth : whether layers are ranges of depth, as the geometry has them, and not those of the plates.
    """

    name: str
    plates: tuple[Plate, ...]
    half_width: float
    weights: tuple[float, ...]
    cell: float = 0.0
    by_depth: bool = False

    @property
    def geometry(self) -> Geometry:
        """Layers and voxels."""
        return geometry(self.name)

    @property
    def depth(self) -> float:
        """Of all plates, in mm."""
        return float(self.edges[-1])

    @cached_property
    def edges(self) -> Float:
        """Depths of the faces of all plates, in mm."""
        return np.cumsum([0.0, *(plate.thickness for plate in self.plates)])

    def layer_at(self, z: Float) -> Index:
        """Place of the layer of deposits at depths z, in mm; a deposit is in a plate that measures, or at its face."""
        if self.by_depth:
            # The back face belongs to the last layer.
            return self.geometry.layer_at(np.clip(z, 0, np.nextafter(self.depth, 0)))
        measuring = [i for i, plate in enumerate(self.plates) if plate.layer is not None]
        middles = (self.edges[measuring][1:] + self.edges[np.array(measuring) + 1][:-1]) / 2
        layers = np.array([plate.layer for plate in self.plates if plate.layer is not None], dtype=np.int64)
        found: Index = layers[np.searchsorted(middles, z)]
        return found


def _atlas() -> Stack:
    plates = [
        # 1.4 radiation lengths of cryostat and coil.
        Plate("Al", 100),
        Plate("lAr", 40),
        Plate("Fe", 5),
        Plate("lAr", 11, 0),
        Plate("lAr", 15),
    ]
    for number, layer in ((15, 1), (52, 2), (7, 3)):
        plates += number * [Plate("Fe", 0.3), Plate("Pb", 1.53), Plate("lAr", 4.2, layer)]
    plates += [Plate("Al", 60), Plate("lAr", 30)]
    plates += 8 * [Plate("Fe", 14), Plate("scintillator", 3, 4)]
    # Fitted so that the sum is the energy of a photon.
    weights = (11.66449312, 4.68693103, 4.68693103, 4.68693103, 29.41176471)
    return Stack("ds1-photons", tuple(plates), 2000, weights)


def _par04(name: str) -> Stack:
    plates = [plate for i in range(90) for plate in (Plate("W", 1.4), Plate("Si", 0.3, i // 2))]
    return Stack(name, tuple(plates), 250, (1 / 0.033,) * 45)


def _calogan() -> Stack:
    plates = [plate for _ in range(80) for plate in (Plate("Pb", 2, 0), Plate("lAr", 4, 0))]
    return Stack("calogan", tuple(plates), 500, (1.0,) * 3, by_depth=True)


def _ild() -> Stack:
    behind = (Plate("board", 1.2), Plate("Cu", 0.3), Plate("AIR", 0.65))
    plates = [
        plate
        for layer in range(30)
        for plate in (Plate("W", 2.1 if layer < 20 else 4.2), Plate("Si", 0.5, layer), *behind)
    ]
    return Stack("ild", tuple(plates), 400, (1.0,) * 30, cell=5.1)


#: Makers of the stacks, by the name of the geometry.
STACKS: Mapping[str, Callable[[], Stack]] = MappingProxyType(
    {
        "ds1-photons": _atlas,
        "ds2": lambda: _par04("ds2"),
        "ds3": lambda: _par04("ds3"),
        "calogan": _calogan,
        "ild": _ild,
    }
)


def stack(name: str) -> Stack:
    """The stack of a geometry's name.

    Raises
    ------
    SimulationError
        If the geometry can not be simulated; names the nearest that can.
    """
    if name not in STACKS:
        raise SimulationError(f"No calorimeter '{name}' to simulate. {nearest(name, STACKS)}")
    return STACKS[name]()
