"""Cells of showers as points, in the form that constituents of jets have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import GeometryError
from analysis.showers.layered import Geometry

#: mm that are one unit of pseudorapidity or azimuth: points of a shower are then as far apart as those of a jet.
_UNIT = 1_000.0

SHOWER_CELLS = ("energy", "across", "around")


def shower_cells(x: NDArray[np.floating[Any]], geometry: Geometry, *, leading: int) -> NDArray[np.float32]:
    """The voxels with most energy of every layer as points: (N, V) in GeV to (N, layers, leading, 3).

    A point is (energy in GeV, x, y) at the middle of its voxel, in metres; what is absent has zeros, and so have voxels
    below the threshold of the geometry. A layer takes the place of a jet, so whatever learns from constituents learns
    from showers: y of layer l of L is turned by 2π l/L, by which networks that know no order of jets tell layers apart.

    Raises
    ------
    GeometryError
        If the showers are not of the geometry, or no point is asked for.
    """
    if x.ndim != 2 or x.shape[1] != geometry.voxels:
        raise GeometryError(f"showers {x.shape} are not of {geometry.name}, which has {geometry.voxels} voxels.")
    if leading < 1:
        raise GeometryError(f"{leading} points of a layer are none; ask for at least 1.")
    layers = len(geometry.layers)
    points = np.zeros((len(x), layers, leading, 3), dtype=np.float32)
    across, along = (place / _UNIT for place in geometry.centres)
    for number, part in enumerate(geometry.slices):
        energies = np.where(x[:, part] < geometry.threshold, 0, x[:, part])
        # Stable, so that equal energies keep the order of the voxels whatever their number is.
        order = np.argsort(-energies, axis=1, kind="stable")[:, :leading]
        kept = np.take_along_axis(energies, order, axis=1)
        turn = 2 * math.pi * number / layers - math.pi
        columns = np.stack([kept, across[part][order], along[part][order] + turn], axis=-1)
        points[:, number, : order.shape[1]] = np.where(kept[..., None] > 0, columns, 0)
    return points
