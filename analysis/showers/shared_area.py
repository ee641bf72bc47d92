"""From one binning to another by shared area, as GLaM begins (Amram & Pedro, 2308.03876)."""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse import block_diag, csr_array, kron

from analysis.errors import GeometryError
from analysis.showers.layered import Geometry
from analysis.showers.layers import CartesianLayer, Float, Layer, PolarLayer

#: Edges that differ by less than this share of the layer are the same edge written in other digits.
_SAME = 1e-9


def overlap(source: Geometry, target: Geometry) -> csr_array:
    """Share (V of target, V of source) of the area of each source voxel that lies in each target voxel.

    `overlap(source, target) @ energies.T` spreads the energy of a voxel evenly over its area: every column sums to 1,
    so no energy is lost, and between equal binnings the matrix is the identity.

    Raises
    ------
    GeometryError
        If the numbers of layers differ, layers are of different kinds, or a target layer does not cover its source.
    """
    if len(source.layers) != len(target.layers):
        raise GeometryError(
            f"{source.name} has {len(source.layers)} layers and {target.name} {len(target.layers)}: no layer to layer."
        )
    pairs = zip(source.layers, target.layers, strict=True)
    return csr_array(block_diag([_between(a, b) for a, b in pairs], format="csr"))


def common_rings(geometry: Geometry) -> tuple[float, ...]:
    """Edges of all rings of all layers: the coarsest radii that divide no ring of any layer.

    Raises
    ------
    GeometryError
        If a layer has no rings.
    """
    edges: set[float] = set()
    for layer in geometry.layers:
        if not isinstance(layer, PolarLayer):
            raise GeometryError(f"{geometry.name}: layer {layer.id} has no rings.")
        edges |= set(layer.radii)
    return tuple(sorted(edges))


def _between(source: Layer, target: Layer) -> csr_array:
    if isinstance(source, PolarLayer) and isinstance(target, PolarLayer):
        rows = _turned(source, target)
        columns = _shares(np.square(source.radii), np.square(target.radii), f"radii of layer {target.id}")
    elif isinstance(source, CartesianLayer) and isinstance(target, CartesianLayer):
        rows = _shares(np.array(source.x_edges), np.array(target.x_edges), f"x edges of layer {target.id}")
        columns = _shares(np.array(source.y_edges), np.array(target.y_edges), f"y edges of layer {target.id}")
    else:
        raise GeometryError(f"layer {target.id}: rings and rectangles share areas that are not computed.")
    return csr_array(kron(csr_array(rows), csr_array(columns), format="csr"))


def _shares(source: Float, target: Float, what: str) -> Float:
    """Share (T, S) of each interval of the source in each one of the target."""
    slack = _SAME * (source[-1] - source[0])
    if target[0] > source[0] + slack or target[-1] < source[-1] - slack:
        raise GeometryError(f"{what} do not cover what they are to hold; energy would be lost. Add a bin to them.")
    return _normalised(source, target, slack)


def _turned(source: PolarLayer, target: PolarLayer) -> Float:
    """Share (T, S) of each angle of the source in each one of the target; both go once around."""
    period = 2 * math.pi
    ours = source.start + period * np.arange(source.angles + 1) / source.angles
    shift = period * math.floor((ours[0] - target.start) / period)
    theirs = target.start + shift + period * np.arange(target.angles + 1) / target.angles
    # An angle of the target that begins before the source's start comes again at its end.
    both = np.concatenate([theirs[:-1], theirs + period])
    twice = _normalised(ours, both, _SAME * period)
    return twice[: target.angles] + twice[target.angles :]


def _normalised(source: Float, target: Float, slack: float) -> Float:
    low = np.maximum(source[None, :-1], target[:-1, None])
    high = np.minimum(source[None, 1:], target[1:, None])
    length = np.where(high - low > slack, high - low, 0.0)
    # Of what was found and not of the width: the shares of an interval add up to 1 in all digits.
    shares: Float = length / length.sum(axis=0)
    return shares
