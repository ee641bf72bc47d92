"""Binnings as the CaloChallenge writes them: `Bins > Bin(pid, name, …) > Layer(id, r_edges, n_bin_alpha)` in XML."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

from analysis.atomic import write_text
from analysis.errors import GeometryError, InputFileError, nearest
from analysis.outputs import check_output_file
from analysis.showers.layered import Geometry
from analysis.showers.layers import PolarLayer

#: A file of 45 layers has a few kilobytes.
_LARGEST = 1_000_000

_NUMBERS = {"photon": "22", "electron": "11", "pion": "211"}


def read_binning_xml(
    path: str | os.PathLike[str], particle: str | None = None, *, name: str = "", threshold: float = 0.0
) -> Geometry:
    """Geometry of a particle, by its name or number in the file; without one the file must have a single particle.

    Layers without rings, which the file lists as well, are left out. `name` is that of the geometry, by default that
    of the file, `threshold` in GeV is not in the file.

    Raises
    ------
    InputFileError
        If the file is missing or no XML.
    GeometryError
        If it has no such particle, or a layer is no list of rings; names the layer.
    """
    root = _parsed(Path(path))
    bins = {each.get("name", each.get("pid", "")): each for each in root.iter("Bin")}
    numbers = {each.get("pid", ""): label for label, each in bins.items()}
    if particle is None and len(bins) != 1:
        raise GeometryError(f"'{path}' has the particles {sorted(bins)}; name one.")
    label = next(iter(bins)) if particle is None else numbers.get(particle, particle)
    if label not in bins:
        raise GeometryError(f"'{path}' has no particle '{particle}'. {nearest(str(particle), bins)}")
    layers = (_layer(element, f"'{path}', {label}") for element in bins[label].iter("Layer"))
    return Geometry(name or Path(path).stem, tuple(layer for layer in layers if layer is not None), label, threshold)


def write_binning_xml(geometry: Geometry, path: str | os.PathLike[str]) -> None:
    """Write a geometry of rings so that `read_binning_xml` and the CaloChallenge's own code read it.

    Raises
    ------
    GeometryError
        If a layer has no rings but rectangles, or angles that do not begin at −π, which the format can not say.
    OutputError
        If the file can not be written.
    """
    check_output_file(path)
    root = ElementTree.Element("Bins")
    pid = _NUMBERS.get(geometry.particle, "0")
    parent = ElementTree.SubElement(root, "Bin", {"pid": pid, "name": geometry.particle or "particle"})
    for layer in geometry.layers:
        if not isinstance(layer, PolarLayer) or layer != PolarLayer(layer.id, layer.radii, layer.angles):
            raise GeometryError(f"{geometry.name}: layer {layer.id} has no rings whose angles begin at −π.")
        edges = ",".join(repr(float(r)).removesuffix(".0") for r in layer.radii)
        ElementTree.SubElement(
            parent, "Layer", {"id": str(layer.id), "r_edges": edges, "n_bin_alpha": str(layer.angles)}
        )
    ElementTree.indent(root)
    write_text(Path(path), ElementTree.tostring(root, encoding="unicode") + "\n")


def _parsed(path: Path) -> ElementTree.Element:
    if not path.is_file():
        raise InputFileError(f"There is no file '{path}'.")
    if path.stat().st_size > _LARGEST:
        raise InputFileError(f"'{path}' has {path.stat().st_size:,} bytes and is no binning of a calorimeter.")
    text = path.read_bytes()
    # Entities can be nested until they fill the memory; a binning has none.
    if b"<!" in text.replace(b"<!--", b""):
        raise InputFileError(f"'{path}' declares a document type or entities; a binning has neither.")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputFileError(f"'{path}' is no XML: {error}.") from error


def _layer(element: ElementTree.Element, place: str) -> PolarLayer | None:
    """The layer of an element, or None if it has no rings."""
    number, text, angles = (element.get(key, "") for key in ("id", "r_edges", "n_bin_alpha"))
    try:
        radii = tuple(float(part) for part in text.split(","))
        layer = int(number)
        count = int(angles or "1")
    except ValueError:
        raise GeometryError(
            f"{place}: layer id='{number}' r_edges='{text}' n_bin_alpha='{angles}' are no numbers."
        ) from None
    return None if len(radii) < 2 else PolarLayer(layer, radii, count)
