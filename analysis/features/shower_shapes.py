"""Shapes of showers from their voxels: from the low level to the features of a search."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.showers import Observables, observables
from analysis.showers.layered import Geometry
from analysis.showers.voxels import Showers


def shower_shape_names(geometry: Geometry) -> tuple[str, ...]:
    """The columns of `shower_shapes`, layer by layer: `share_0`, `radius_0`, `width_0`, `cells_0`, …, `largest`."""
    names = [f"{what}_{layer}" for what in ("share", "radius", "width", "cells") for layer in _layers(geometry)]
    names += [f"{what}_{layer}" for what in ("x_width", "y_width") for layer in _directed(geometry)]
    return (*names, "largest")


def shower_shapes(x: NDArray[np.floating[Any]], geometry: Geometry) -> NDArray[np.float32]:
    """Shapes (N, D) of showers of voxels (N, V) in GeV, below the threshold of the geometry as if empty.

    `share` is the part of a layer in the energy of the shower, `radius` and `width` its centre of energy and width in
    mm from the axis, `x_width` and `y_width` those in the plane where voxels have two coordinates, `cells` the number
    of voxels with energy, and `largest` the part of the voxel that has most. The energy itself is not among them: a
    search has it as its mass. Of an empty layer all are 0.

    Raises
    ------
    GeometryError
        If the showers are not of the geometry.
    """
    # Incident energies are not known in data, and no shape needs them.
    showers = Showers(np.ones(len(x)), np.asarray(x))
    if not len(x):
        return np.zeros((0, len(shower_shape_names(geometry))), dtype=np.float32)
    return _columns(observables([showers], geometry), geometry).astype(np.float32)


def _columns(found: Observables, geometry: Geometry) -> NDArray[np.float64]:
    sizes = np.diff(geometry.offsets)
    total = found.total
    largest = np.divide(found.largest, total, out=np.zeros_like(total), where=total > 0)
    return np.column_stack(
        [
            found.ratios,
            found.radius,
            found.radius_width,
            np.rint((1 - found.sparsity) * sizes),
            found.eta_width,
            found.phi_width,
            largest,
        ]
    )


def _layers(geometry: Geometry) -> list[int]:
    return list(range(len(geometry.layers)))


def _directed(geometry: Geometry) -> list[int]:
    return [place for place, layer in enumerate(geometry.layers) if layer.has_directions]
