"""Histograms of showers by the conventions of the CaloChallenge, and how far two samples are apart in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from analysis.errors import MetricError
from analysis.metrics.showers import Observables, cut
from analysis.showers.layered import Geometry
from analysis.showers.layers import Float, FloatArray
from analysis.showers.voxels import Showers

#: A sample of at most so many incident energies, each several times, is one of single energies.
_SINGLE = 20


@dataclass(frozen=True, eq=False)
class Comparison:
    """One observable in two samples.

    Attributes
    ----------
    group, name : such as "layer energy" and "layer 3".
    unit : of the edges; "" for a ratio.
    edges : (B + 1,).
    generated, reference : (B,) showers, or voxels, in bins.
    logarithmic : whether edges are equal in the logarithm.
    """

    group: str
    name: str
    unit: str
    edges: Float
    generated: Float
    reference: Float
    logarithmic: bool = False

    @property
    def separation(self) -> float:
        """Separation power of the two histograms."""
        return separation_power(self.generated, self.reference)


def separation_power(first: FloatArray, second: FloatArray) -> float:
    """½ Σ (h₁ − h₂)²/(h₁ + h₂) of histograms (B,) normalised to 1 (2009.03796): 0 for equal, 1 for disjoint ones.

    What lies outside of the range is invisible. A histogram without entries is as far from any other as can be, and not
    from another one without.

    >>> round(separation_power([1, 1, 0], [0, 1, 1]), 12)
    0.5
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise MetricError(f"histograms of {a.shape} and {b.shape} bins can not be compared.")
    if not a.sum() or not b.sum():
        return float(bool(a.sum()) != bool(b.sum()))
    a, b = a / a.sum(), b / b.sum()
    return float(0.5 * ((a - b) ** 2 / (a + b + 1e-16)).sum())


def comparisons(generated: Observables, reference: Observables, geometry: Geometry) -> Iterator[Comparison]:
    """All observables of the challenge but the voxels; ranges are fixed, or those of the reference.

    Response (100 bins in 0.5–1.5, and 20 for every energy of a sample of single ones), share and energy of layers (39
    equal bins in the logarithm, from the threshold to the largest of the reference), centres of energy, widths and
    sparsity by layer. A calorimeter that is not one of the challenge's has the response around its median, and lengths
    up to the extent of its layers.
    """
    yield from _responses(generated, reference, geometry)
    directed = [i for i, layer in enumerate(geometry.layers) if layer.has_directions]
    for place, layer in enumerate(geometry.layers):
        edges = _logarithmic(geometry.threshold, float(reference.layers[:, place].max()), 39)
        columns = generated.layers[:, place], reference.layers[:, place]
        yield _histogram("layer energy", f"layer {layer.id}", "GeV", edges, *columns, logarithmic=True)
        ratios = generated.ratios[:, place], reference.ratios[:, place]
        yield _histogram("layer share", f"layer {layer.id}", "", np.linspace(0, 1, 101), *ratios)
    for group, attribute, places in (
        ("centre in η", "eta", directed),
        ("centre in φ", "phi", directed),
        ("width in η", "eta_width", directed),
        ("width in φ", "phi_width", directed),
        ("centre in r", "radius", range(len(geometry.layers))),
        ("width in r", "radius_width", range(len(geometry.layers))),
    ):
        for column, place in enumerate(places):
            low, high = _reach(geometry, place, attribute)
            values = (getattr(sample, attribute)[:, column] for sample in (generated, reference))
            name = f"layer {geometry.layers[place].id}"
            yield _histogram(group, name, "mm", np.linspace(low, high, 101), *values)
    for place, layer in enumerate(geometry.layers):
        sparsity = generated.sparsity[:, place], reference.sparsity[:, place]
        yield _histogram("sparsity", f"layer {layer.id}", "", np.linspace(0, 1, 21), *sparsity)


def voxel_spectrum(
    generated: Iterable[Showers], reference: Iterable[Showers], geometry: Geometry, largest: float
) -> Comparison:
    """Energies of all voxels above the threshold in 49 equal bins of the logarithm, up to `largest` GeV."""
    edges = _logarithmic(geometry.threshold, largest, 49)

    def counts(chunks: Iterable[Showers]) -> Float:
        total = np.zeros(len(edges) - 1)
        for chunk in chunks:
            energies = cut(chunk, geometry).energies
            total += np.histogram(energies[energies > 0], edges)[0]
        return total

    return Comparison("voxel energy", "all voxels", "GeV", edges, counts(generated), counts(reference), True)


def _responses(generated: Observables, reference: Observables, geometry: Geometry) -> Iterator[Comparison]:
    challenge = geometry.name.startswith("ds")
    middle = 1.0 if challenge else float(np.median(reference.response))
    edges = middle * np.linspace(0.5, 1.5, 101)
    yield _histogram("response", "all energies", "", edges, generated.response, reference.response)
    energies = np.unique(reference.incident)
    if not 1 < len(energies) <= min(_SINGLE, len(reference) // 2):
        return
    for number, energy in enumerate(energies):
        narrow = geometry.name == "ds1-photons" and number >= 4
        edges = middle * (np.linspace(0.9, 1.1, 21) if narrow else np.linspace(0.4, 1.4, 21))
        values = (sample.response[np.isclose(sample.incident, energy)] for sample in (generated, reference))
        yield _histogram("response by energy", f"{energy:.4g} GeV", "", edges, *values)


def _histogram(
    group: str, name: str, unit: str, edges: Float, generated: Float, reference: Float, *, logarithmic: bool = False
) -> Comparison:
    first, second = (np.histogram(values, edges)[0].astype(np.float64) for values in (generated, reference))
    return Comparison(group, name, unit, edges, first, second, logarithmic)


def _logarithmic(low: float, high: float, bins: int) -> Float:
    """Edges equal in the logarithm; of an order of magnitude where the reference is empty above the threshold."""
    low = low or 1e-9
    edges: Float = np.geomspace(low, high if high > low else 10 * low, bins + 1)
    # The largest value of the reference itself is inside.
    edges[-1] *= 1 + 1e-12
    return edges


def _reach(geometry: Geometry, place: int, attribute: str) -> tuple[float, float]:
    """Range of a length in a layer, mm."""
    layer, radial, width = geometry.layers[place], attribute.startswith("radius"), attribute.endswith("width")
    if geometry.name in ("ds2", "ds3"):
        high = (20.0 if width else 42.0) if radial else 30.0
    elif geometry.name in ("ds1-photons", "ds1-pions"):
        tiles = layer.id in ((12, 13, 14) if radial else (12, 13))
        high = (1500.0 if tiles else 500.0) if radial else ((400.0 if width else 500.0) if tiles else 100.0)
    else:
        high = layer.extent / 2 if width else layer.extent * (2**0.5 if radial else 1)
    return (0.0 if radial or width else -high), high
