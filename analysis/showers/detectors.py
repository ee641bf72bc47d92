"""Calorimeters that public samples of showers are made for.

Binnings of the CaloChallenge (Krause et al., 2410.21611): photons and pions in a slice of ATLAS ("ds1-photons",
"ds1-pions"), electrons in a stack of silicon and tungsten of coarse and fine voxels ("ds2", "ds3"). "calogan" is the
lead and liquid argon of CaloGAN (Paganini, de Oliveira, Nachman, 1705.02355), "ild" the silicon and tungsten of
30 × 30 × 30 cells of 5.1 mm (Buhmann et al., 2005.05334).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

import numpy as np

from analysis.errors import GeometryError, nearest
from analysis.showers.layered import Geometry
from analysis.showers.layers import CartesianLayer, PolarLayer

_PRESAMPLER = (0, 5, 10, 30, 50, 100, 200, 400, 600)
_BACK = (0, 50, 100, 200, 400, 600)
_FINE_TILES = (0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400)

#: Number of the layer, radii in mm, number of angles.
_DS1_PHOTONS = (
    (0, _PRESAMPLER, 1),
    (1, (0, 2, 4, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 90, 120, 150, 200), 10),
    (2, (0, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400), 10),
    (3, _BACK, 1),
    (12, (0, 100, 200, 400, 1000, 2000), 1),
)
_DS1_PIONS = (
    (0, _PRESAMPLER, 1),
    (1, (0, 1, 4, 7, 10, 15, 30, 50, 90, 150, 200), 10),
    (2, (0, 5, 10, 20, 30, 50, 80, 130, 200, 300, 400), 10),
    (3, _BACK, 1),
    (12, (*_FINE_TILES, 1000, 2000), 10),
    (13, (*_FINE_TILES, 600, 1000, 2000), 10),
    (14, (0, 50, 100, 150, 200, 250, 300, 400, 600, 1000, 2000), 1),
)

#: 1 MeV, and half a keV in silicon over its share of 3.3 % of the energy; both in GeV.
_DS1_THRESHOLD, _SILICON_THRESHOLD = 1e-3, 0.5e-6 / 0.033


def _atlas(name: str, particle: str, layers: tuple[tuple[int, tuple[float, ...], int], ...]) -> Geometry:
    rings = tuple(PolarLayer(number, tuple(map(float, radii)), angles) for number, radii, angles in layers)
    return Geometry(name, rings, particle, _DS1_THRESHOLD)


def _silicon_tungsten(name: str, rings: int, angles: int) -> Geometry:
    radii = tuple(float(r) for r in np.linspace(0, 41.85, rings + 1))
    depths = tuple(float(z) for z in np.linspace(0, 153, 46))
    layers = tuple(PolarLayer(number, radii, angles) for number in range(45))
    return Geometry(name, layers, "electron", _SILICON_THRESHOLD, depths=depths)


def _calogan() -> Geometry:
    layers = tuple(
        CartesianLayer(number, _equal(-240, 240, nx), _equal(-240, 240, ny))
        for number, (nx, ny) in enumerate(((3, 96), (12, 12), (12, 6)))
    )
    return Geometry("calogan", layers, "photon", depths=(0.0, 90.0, 437.0, 480.0))


def _ild() -> Geometry:
    edges = _equal(-76.5, 76.5, 30)
    # Twenty thin absorbers of 2.1 mm and ten thick ones of 4.2 mm, each before 2.65 mm of silicon, board and air.
    depths = tuple(float(z) for z in np.cumsum([0, *[4.75] * 20, *[6.85] * 10]))
    layers = tuple(CartesianLayer(number, edges, edges) for number in range(30))
    # Half of what a minimum ionising particle leaves in a cell.
    return Geometry("ild", layers, "photon", 1e-4, sampling=True, depths=depths)


def _equal(low: float, high: float, bins: int) -> tuple[float, ...]:
    return tuple(float(edge) for edge in np.linspace(low, high, bins + 1))


#: Makers of the known geometries, by name.
GEOMETRIES: Mapping[str, Callable[[], Geometry]] = MappingProxyType(
    {
        "ds1-photons": lambda: _atlas("ds1-photons", "photon", _DS1_PHOTONS),
        "ds1-pions": lambda: _atlas("ds1-pions", "pion", _DS1_PIONS),
        "ds2": lambda: _silicon_tungsten("ds2", 9, 16),
        "ds3": lambda: _silicon_tungsten("ds3", 18, 50),
        "calogan": _calogan,
        "ild": _ild,
    }
)


@cache
def geometry(name: str) -> Geometry:
    """The geometry of a name, out of `GEOMETRIES`.

    Raises
    ------
    GeometryError
        If there is none; names the nearest.

    >>> [geometry(name).voxels for name in GEOMETRIES]
    [368, 533, 6480, 40500, 504, 27000]
    """
    if name not in GEOMETRIES:
        raise GeometryError(f"No geometry '{name}'. {nearest(name, GEOMETRIES)}")
    return GEOMETRIES[name]()
