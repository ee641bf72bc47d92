"""Showers in calorimeters: geometries, voxels and points.

>>> from analysis.showers import geometry
>>> geometry("ds2").voxels
6480
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.showers.binning_xml import read_binning_xml as read_binning_xml
    from analysis.showers.binning_xml import write_binning_xml as write_binning_xml
    from analysis.showers.detectors import GEOMETRIES as GEOMETRIES
    from analysis.showers.detectors import geometry as geometry
    from analysis.showers.layered import Geometry as Geometry
    from analysis.showers.layers import CartesianLayer as CartesianLayer
    from analysis.showers.layers import PolarLayer as PolarLayer
    from analysis.showers.points import PointShowers as PointShowers
    from analysis.showers.points import at_centres as at_centres
    from analysis.showers.points import spread_in_voxels as spread_in_voxels
    from analysis.showers.points import voxelise as voxelise
    from analysis.showers.shared_area import overlap as overlap
    from analysis.showers.voxels import Showers as Showers
    from analysis.showers.voxels import SparseShowers as SparseShowers

_WHERE = {
    "CartesianLayer": "layers",
    "GEOMETRIES": "detectors",
    "Geometry": "layered",
    "PointShowers": "points",
    "PolarLayer": "layers",
    "Showers": "voxels",
    "SparseShowers": "voxels",
    "at_centres": "points",
    "geometry": "detectors",
    "overlap": "shared_area",
    "read_binning_xml": "binning_xml",
    "spread_in_voxels": "points",
    "voxelise": "points",
    "write_binning_xml": "binning_xml",
}

__all__ = [
    "CartesianLayer",
    "GEOMETRIES",
    "Geometry",
    "PointShowers",
    "PolarLayer",
    "Showers",
    "SparseShowers",
    "at_centres",
    "geometry",
    "overlap",
    "read_binning_xml",
    "spread_in_voxels",
    "voxelise",
    "write_binning_xml",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use."""
    if name in _WHERE:
        return getattr(import_module(f"analysis.showers.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'analysis.showers' has no attribute '{name}'")
