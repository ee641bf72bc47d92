"""Observables, histograms and separation powers of showers against their definitions, voxel by voxel."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from analysis.errors import GeometryError, MetricError, TooFewEventsError
from analysis.metrics.frechet import FrechetSampling, frechet_physics_distance
from analysis.metrics.shower_histograms import comparisons, separation_power, voxel_spectrum
from analysis.metrics.showers import Observables, cut, high_level, low_level, low_level_normed, observables
from analysis.showers import GEOMETRIES, Geometry, Showers, geometry


def showers(of: Geometry, n: int = 6, seed: int = 1) -> Showers:
    """Showers on both sides of the threshold, one empty and one with a single voxel."""
    rng = np.random.default_rng(seed)
    scale = 2 * (of.threshold or 1e-3)
    energies = np.where(rng.random((n, of.voxels)) < 0.3, scale * rng.exponential(size=(n, of.voxels)), 0)
    energies[0] = 0
    energies[1] = 0
    energies[1, of.voxels // 2] = 5 * (of.threshold or 1e-3)
    return Showers(energies.sum(axis=1) / 0.9 + 1, energies)


def by_definition(shower: np.ndarray, of: Geometry, place: int) -> dict[str, float]:
    """Observables of a layer in MeV and mm, voxel by voxel."""
    layer = of.layers[place]
    rows, columns = layer.shape
    w, x, y, r = [], [], [], []
    for row in range(rows):
        for column in range(columns):
            energy = shower[int(of.offsets[place]) + row * columns + column] * 1000
            w.append(energy if energy >= of.threshold * 1000 else 0.0)
            if hasattr(layer, "radii"):
                radius = (layer.radii[column] + layer.radii[column + 1]) / 2
                alpha = -math.pi + 2 * math.pi * (row + 0.5) / rows
                x.append(radius * math.cos(alpha))
                y.append(radius * math.sin(alpha))
                r.append(radius)
            else:
                x.append((layer.x_edges[row] + layer.x_edges[row + 1]) / 2)
                y.append((layer.y_edges[column] + layer.y_edges[column + 1]) / 2)
                r.append(math.hypot(x[-1], y[-1]))
    total = math.fsum(w)
    found = {"layers": total / 1000, "sparsity": 1 - sum(each > 0 for each in w) / len(w)}
    for name, at in (("eta", x), ("phi", y), ("radius", r)):
        mean = math.fsum(a * b for a, b in zip(w, at, strict=True)) / (total + 1e-16)
        square = math.fsum(a * b * b for a, b in zip(w, at, strict=True)) / (total + 1e-16)
        found[name], found[f"{name}_width"] = mean, math.sqrt(max(square - mean**2, 0))
    return found


@pytest.mark.parametrize("name", ["ds1-photons", "ds1-pions", "calogan"])
def test_observables_are_those_of_the_definition(name: str) -> None:
    of = geometry(name)
    sample = showers(of)
    found = observables([sample.rows(0, 2), sample.rows(2, 6)], of)
    directed = [i for i, layer in enumerate(of.layers) if layer.has_directions]
    for shower, energies in enumerate(sample.energies):
        for place in range(len(of.layers)):
            for key, value in by_definition(energies, of, place).items():
                everywhere = key in ("layers", "sparsity", "radius", "radius_width")
                if not everywhere and place not in directed:
                    continue
                column = place if everywhere else directed.index(place)
                assert getattr(found, key)[shower, column] == pytest.approx(value, abs=2e-5), (key, place)
        above = energies[energies >= of.threshold]
        assert found.total[shower] == pytest.approx(above.sum())
        assert found.largest[shower] == pytest.approx(above.max() if len(above) else 0)
    assert np.allclose(found.ratios.sum(axis=1), [0, *[1] * 5])
    assert np.allclose(found.response, found.total / sample.incident)


@pytest.mark.parametrize(("name", "features"), [("ds1-photons", 30), ("ds1-pions", 46), ("ds2", 362), ("ds3", 362)])
def test_high_level_vectors_have_the_published_length(name: str, features: int) -> None:
    vectors = high_level(observables([showers(geometry(name))], geometry(name)))
    assert vectors.shape == (6, features)
    assert np.isfinite(vectors).all()


def test_vectors_are_in_mev_and_cut() -> None:
    of = geometry("ds1-photons")
    energies = np.zeros((1, 368))
    energies[0, [0, 1, 200]] = [0.5, 0.0009, 1.5]
    sample = Showers(np.array([4.0]), energies)
    vectors = high_level(observables([sample], of))[0]
    assert vectors[:6] == pytest.approx([math.log10(4000), math.log10(500), -8, math.log10(1500), -8, -8])
    low = low_level(sample, of)[0]
    assert low[0] == pytest.approx(math.log10(4000))
    assert (low[1], low[2], low[201]) == pytest.approx((0.5 / 4, 0, 1.5 / 4))
    normed = low_level_normed(sample, of)[0]
    assert (normed[1], normed[2], normed[201]) == pytest.approx((1, 0, 1))
    assert normed[-5:] == pytest.approx([math.log10(500), -8, math.log10(1500), -8, -8])
    assert len(normed) == 1 + 368 + 5


def test_cut_keeps_the_threshold_itself_and_changes_no_input() -> None:
    of = geometry("ds1-photons")
    energies = np.zeros((1, 368), np.float32)
    energies[0, :3] = [0.00099, 0.002, 0.0005]
    before = energies.copy()
    assert np.flatnonzero(cut(Showers(np.ones(1), energies), of).energies).tolist() == [1]
    assert np.array_equal(energies, before)


def test_showers_of_another_geometry_and_none_are_refused() -> None:
    with pytest.raises(GeometryError, match="533"):
        observables([showers(geometry("ds1-photons"))], geometry("ds1-pions"))
    with pytest.raises(TooFewEventsError):
        observables([], geometry("ds2"))


class TestSeparation:
    def test_is_the_published_formula(self) -> None:
        rng = np.random.default_rng(2)
        a, b = rng.integers(0, 50, 30), rng.integers(0, 50, 30)
        a[3] = b[3] = 0
        expected = 0.0
        for p, q in zip(a / a.sum(), b / b.sum(), strict=True):
            expected += 0.5 * (p - q) ** 2 / (p + q) if p + q else 0
        assert separation_power(a, b) == pytest.approx(expected)
        assert separation_power(3 * a, b) == pytest.approx(expected)

    def test_limits(self) -> None:
        assert separation_power([1, 2, 3], [2, 4, 6]) == 0
        assert separation_power([5, 0], [0, 7]) == pytest.approx(1)
        assert separation_power([0, 0], [0, 7]) == 1
        assert separation_power([0, 0], [0, 0]) == 0
        with pytest.raises(MetricError, match="compared"):
            separation_power([1, 2], [1, 2, 3])


def gaussian(of: Geometry, n: int, seed: int, *, energy: float | None = None) -> Observables:
    """Showers of the geometry whose layers hold equal shares."""
    rng = np.random.default_rng(seed)
    incident = np.full(n, energy) if energy else rng.uniform(5, 50, n)
    energies = rng.exponential(size=(n, of.voxels)).astype(np.float32)
    energies *= (incident / energies.sum(axis=1))[:, None].astype(np.float32)
    return observables([Showers(incident, energies)], of)


class TestHistograms:
    @pytest.mark.parametrize("name", GEOMETRIES)
    def test_every_observable_of_every_layer_has_one(self, name: str) -> None:
        of = geometry(name)
        sample = gaussian(of, 12, 3)
        found = list(comparisons(sample, sample, of))
        layers, directed = len(of.layers), sum(layer.has_directions for layer in of.layers)
        assert len(found) == 1 + 2 * layers + 4 * directed + 2 * layers + layers
        assert all(each.separation == 0 for each in found)
        assert all((np.diff(each.edges) > 0).all() for each in found)

    def test_ranges_of_the_challenge(self) -> None:
        def edges(name: str, group: str, layer: int) -> tuple[float, float, int]:
            of = geometry(name)
            sample = gaussian(of, 5, 4)
            (one,) = (
                each for each in comparisons(sample, sample, of) if (each.group, each.name) == (group, f"layer {layer}")
            )
            return float(one.edges[0]), float(one.edges[-1]), len(one.edges) - 1

        assert edges("ds2", "centre in η", 7) == (-30, 30, 100)
        assert edges("ds3", "width in φ", 7) == (0, 30, 100)
        assert edges("ds2", "centre in r", 0) == (0, 42, 100)
        assert edges("ds2", "width in r", 0) == (0, 20, 100)
        assert edges("ds1-pions", "centre in φ", 13) == (-500, 500, 100)
        assert edges("ds1-pions", "width in η", 12) == (0, 400, 100)
        assert edges("ds1-photons", "centre in η", 2) == (-100, 100, 100)
        assert edges("ds1-photons", "width in η", 2) == (0, 100, 100)
        assert edges("ds1-photons", "width in r", 12) == (0, 1500, 100)
        assert edges("ds1-pions", "centre in r", 3) == (0, 500, 100)
        assert edges("ds2", "sparsity", 3) == (0, 1, 20)
        low, high, bins = edges("ds1-photons", "layer energy", 1)
        assert (low, bins) == (pytest.approx(1e-3), 39)
        assert high == pytest.approx(gaussian(geometry("ds1-photons"), 5, 4).layers[:, 1].max())

    def test_counts_are_those_of_the_sample(self) -> None:
        of = geometry("ds1-photons")
        a, b = gaussian(of, 300, 5), gaussian(of, 200, 6)
        first = next(comparisons(a, b, of))
        assert first.group == "response"
        assert np.array_equal(first.generated, np.histogram(a.response, np.linspace(0.5, 1.5, 101))[0])
        assert first.reference.sum() == 200

    def test_single_energies_are_looked_at_one_by_one(self) -> None:
        of = geometry("ds1-photons")
        parts = [gaussian(of, 10, k, energy=0.256 * 2**k) for k in range(6)]
        joined = Observables(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Observables)))
        found = [each for each in comparisons(joined, joined, of) if each.group == "response by energy"]
        assert [(round(each.edges[0], 3), len(each.edges)) for each in found] == [(0.4, 21)] * 4 + [(0.9, 21)] * 2
        assert [each.reference.sum() for each in found] == [10] * 6

    def test_a_shift_is_seen_where_it_is(self) -> None:
        of = geometry("ds2")
        sample = gaussian(of, 400, 7)
        moved = replace(sample, eta=sample.eta + np.where(np.arange(45) == 11, 6.0, 0.0))
        far = {(c.group, c.name) for c in comparisons(moved, sample, of) if c.separation > 0}
        assert far == {("centre in η", "layer 11")}

    def test_voxel_spectrum_counts_all_voxels_above_the_threshold(self) -> None:
        of = geometry("ds1-photons")
        one, other = showers(of, 40, 8), showers(of, 30, 9)
        largest = float(other.energies.max())
        found = voxel_spectrum([one.rows(0, 7), one.rows(7, 40)], [other], of, largest)
        assert (len(found.edges), found.edges[0]) == (50, pytest.approx(1e-3))
        assert found.reference.sum() == (other.energies >= 1e-3).sum()
        assert found.generated.sum() == ((one.energies >= 1e-3) & (one.energies <= largest)).sum()

    def test_an_empty_reference_has_histograms_too(self) -> None:
        of = geometry("ds1-photons")
        nothing = observables([Showers(np.ones(3), np.zeros((3, 368)))], of)
        assert all(np.isfinite(each.separation) for each in comparisons(gaussian(of, 5, 1), nothing, of))


def test_frechet_distance_of_high_level_vectors_sees_a_scale() -> None:
    of = geometry("ds1-photons")
    a, b = gaussian(of, 1_500, 10), gaussian(of, 1_500, 11)
    sampling = FrechetSampling(batches=3, sizes=4).at_most(1_500)
    same = frechet_physics_distance(high_level(a), high_level(b), sampling=sampling, seed=1)
    wider = replace(a, eta_width=1.2 * a.eta_width)
    other = frechet_physics_distance(high_level(wider), high_level(b), sampling=sampling, seed=1)
    assert other.value > 5 * same.value
