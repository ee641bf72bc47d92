"""Geometries of calorimeters: counts, places computed by hand, ways there and back."""

import math

import numpy as np
import pytest

from analysis.errors import GeometryError, InputFileError
from analysis.showers import (
    GEOMETRIES,
    CartesianLayer,
    Geometry,
    PointShowers,
    PolarLayer,
    Showers,
    SparseShowers,
    at_centres,
    geometry,
    overlap,
    read_binning_xml,
    spread_in_voxels,
    voxelise,
    write_binning_xml,
)
from analysis.showers.shared_area import common_rings

VOXELS = {"ds1-photons": 368, "ds1-pions": 533, "ds2": 6_480, "ds3": 40_500, "calogan": 504, "ild": 27_000}


@pytest.fixture(params=GEOMETRIES)
def known(request: pytest.FixtureRequest) -> Geometry:
    return geometry(request.param)


def showers(of: Geometry, n: int = 5, seed: int = 1) -> SparseShowers:
    rng = np.random.default_rng(seed)
    energies = np.where(rng.random((n, of.voxels)) < 0.1, rng.exponential(size=(n, of.voxels)), 0.0)
    energies[1] = 0
    return Showers(rng.uniform(1, 100, n), energies).sparse()


class TestCounts:
    def test_all_are_there(self) -> None:
        assert set(GEOMETRIES) == set(VOXELS)

    def test_number_of_voxels(self, known: Geometry) -> None:
        assert known.voxels == VOXELS[known.name] == sum(len(layer.areas()) for layer in known.layers)

    def test_layers_of_the_challenge(self) -> None:
        assert [layer.shape for layer in geometry("ds1-photons").layers] == [(1, 8), (10, 16), (10, 19), (1, 5), (1, 5)]
        assert [layer.id for layer in geometry("ds1-pions").layers] == [0, 1, 2, 3, 12, 13, 14]
        assert {layer.shape for layer in geometry("ds2").layers} == {(16, 9)}
        assert {layer.shape for layer in geometry("ds3").layers} == {(50, 18)}

    def test_common_rings_of_the_published_embedding(self) -> None:
        assert len(common_rings(geometry("ds1-photons"))) - 1 == 30
        assert len(common_rings(geometry("ds1-pions"))) - 1 == 23

    def test_an_unknown_name_is_answered(self) -> None:
        with pytest.raises(GeometryError, match="'ds2'"):
            geometry("ds22")


class TestPlaces:
    def test_ring_is_fastest_then_angle_then_layer(self) -> None:
        layer, row, column = geometry("ds1-photons").split(np.array([0, 7, 8, 23, 24, 168, 357, 367]))
        assert layer.tolist() == [0, 0, 1, 1, 1, 2, 2, 4]
        assert row.tolist() == [0, 0, 0, 0, 1, 0, 9, 0]
        assert column.tolist() == [0, 7, 0, 15, 0, 0, 18, 4]

    def test_flattening_is_that_of_an_array(self) -> None:
        grid = np.arange(45 * 16 * 9).reshape(45, 16, 9)
        assert geometry("ds2").join(np.array(3), np.array(5), np.array(7)) == grid[3, 5, 7]

    def test_there_and_back(self, known: Geometry) -> None:
        every = np.arange(known.voxels)
        assert np.array_equal(known.join(*known.split(every)), every)
        x, y = known.centres
        assert np.array_equal(known.locate(x, y, known.layer_of_voxels), every)

    @pytest.mark.parametrize(
        ("name", "layer", "x", "y", "voxel"),
        [
            ("ds1-photons", 0, 12.0, 0.0, 2),  # 10 to 30 mm
            ("ds1-photons", 1, -3.0, -1e-9, 8 + 1),  # −π is the first angle
            ("ds1-photons", 1, 3.0, 1e-9, 8 + 5 * 16 + 1),  # 0 is where the sixth of ten begins
            ("ds1-photons", 1, 200.0, 0.0, -1),  # an upper edge is outside
            ("ds1-photons", 4, 0.0, -1999.0, 367),
            ("ds2", 44, 0.0, 4.65, 44 * 144 + 12 * 9 + 1),  # π/2 is where the thirteenth of sixteen begins
            ("ds3", 0, -1.0, 1e-9, 49 * 18),
            ("calogan", 0, -239.0, 239.0, 95),
            ("calogan", 1, -200.0, -240.0, 288 + 12),
            ("calogan", 2, 239.0, 239.0, 503),
            ("ild", 2, -76.5, 76.4, 2 * 900 + 29),
        ],
    )
    def test_places_computed_by_hand(self, name: str, layer: int, x: float, y: float, voxel: int) -> None:
        assert geometry(name).locate(np.array([x]), np.array([y]), np.array([layer])).tolist() == [voxel]

    def test_middle_of_a_voxel(self) -> None:
        x, y = geometry("ds1-photons").centres
        # Angle 3 of ten: −π + 3.5 · π/5; ring 10 of layer 1: 40 to 50 mm.
        assert (x[8 + 3 * 16 + 10], y[8 + 3 * 16 + 10]) == pytest.approx(
            (45 * math.cos(-0.3 * math.pi), 45 * math.sin(-0.3 * math.pi))
        )

    def test_areas_add_up(self, known: Geometry) -> None:
        for layer in known.layers:
            wide = 4 * layer.extent**2 if isinstance(layer, CartesianLayer) else math.pi * layer.extent**2
            assert layer.areas().sum() == pytest.approx(wide)

    def test_depths(self) -> None:
        assert geometry("calogan").layer_at(np.array([-1, 0, 89.9, 90, 479, 480])).tolist() == [-1, 0, 0, 1, 2, -1]
        assert geometry("ds2").layer_at(np.array([3.39, 3.41, 152.9])).tolist() == [0, 1, 44]
        with pytest.raises(GeometryError, match="depths"):
            geometry("ds1-pions").layer_at(np.array([1.0]))

    @pytest.mark.parametrize("place", [(5, 0, 0), (0, 1, 0), (0, 0, 8), (-1, 0, 0)])
    def test_places_that_are_not_there_are_refused(self, place: tuple[int, int, int]) -> None:
        with pytest.raises(GeometryError, match="no voxel"):
            geometry("ds1-photons").join(*map(np.array, place))

    def test_voxels_that_are_not_there_are_refused(self) -> None:
        with pytest.raises(GeometryError, match="368"):
            geometry("ds1-photons").split(np.array([368]))

    def test_not_a_number_is_outside(self, known: Geometry) -> None:
        assert known.locate(np.array([np.nan, 0]), np.array([0, np.nan]), np.array([0, 0])).tolist() == [-1, -1]

    @pytest.mark.parametrize("radii", [(0.0,), (0.0, 2.0, 1.0), (-1.0, 1.0), (0.0, math.nan), (0.0, 0.0)])
    def test_radii_that_are_no_rings_are_refused(self, radii: tuple[float, ...]) -> None:
        with pytest.raises(GeometryError, match="layer 3"):
            PolarLayer(3, radii)

    def test_layers_with_one_number_are_refused(self) -> None:
        with pytest.raises(GeometryError, match="each number once"):
            Geometry("twice", (PolarLayer(1, (0.0, 1.0)), PolarLayer(1, (0.0, 1.0))))


class TestPoints:
    @pytest.mark.parametrize("spread", [False, True])
    def test_voxels_are_points_and_back(self, known: Geometry, spread: bool) -> None:
        before = showers(known)
        rng = np.random.default_rng(2)
        points = spread_in_voxels(before, known, rng) if spread else at_centres(before, known)
        after = voxelise(points, known)
        assert np.array_equal(after.showers.dense().energies, before.dense().energies)
        assert not after.outside.any()

    def test_points_spread_evenly_over_the_area(self) -> None:
        one = Geometry("one", (PolarLayer(0, (3.0, 5.0), 2),))
        n = 40_000
        full = SparseShowers(np.ones(1), np.array([0, n]), np.zeros(n, np.int64), np.ones(n), 2)
        points = spread_in_voxels(full, one, np.random.default_rng(3))
        radius = np.hypot(points.x, points.y)
        assert ((radius >= 3) & (radius < 5) & (points.y < 0)).all()
        assert (radius**2).mean() == pytest.approx((9 + 25) / 2, abs=0.1)

    def test_no_energy_is_lost_where_points_miss(self, known: Geometry) -> None:
        rng = np.random.default_rng(4)
        n, layers = 3_000, len(known.layers)
        reach = 2 * max(layer.extent for layer in known.layers)
        points = PointShowers(
            np.ones(3),
            np.array([0, 1_000, 1_000, n]),
            rng.uniform(-reach, reach, n),
            rng.uniform(-reach, reach, n),
            rng.integers(-1, layers + 1, n),
            rng.exponential(size=n),
        )
        found = voxelise(points, known)
        voxels = known.layer_sums(found.showers.dense().energies)
        for shower in range(3):
            mine = points.shower == shower
            for place in range(layers):
                truth = points.energies[mine & (points.layer == place)].sum()
                assert voxels[shower, place] + found.outside[shower, place] == pytest.approx(truth)
            total = voxels[shower].sum() + found.outside[shower].sum()
            assert total == pytest.approx(points.energies[mine].sum())

    def test_two_points_in_a_voxel_add(self) -> None:
        points = PointShowers(
            np.ones(1), np.array([0, 2]), np.array([1.0, 1.1]), np.array([0.5, 0.5]), np.array([0, 0]), np.array([2, 3])
        )
        found = voxelise(points, geometry("ds2")).showers
        assert found.energies.tolist() == [5.0]

    def test_rows_are_those_of_the_whole(self) -> None:
        of = geometry("ds1-photons")
        whole = showers(of)
        for start, stop in ((0, 5), (1, 3), (2, 2), (3, 9)):
            part = whole.rows(start, stop)
            assert np.array_equal(part.dense().energies, whole.dense().energies[start:stop])
            assert np.array_equal(
                voxelise(at_centres(whole, of).rows(start, stop), of).showers.dense().energies, part.dense().energies
            )
        assert np.array_equal(np.concatenate([part.energies for part in whole.chunks(2)]), whole.dense().energies)

    def test_offsets_pass_the_width_of_a_narrow_index(self) -> None:
        wide = SparseShowers(np.ones(3), np.array([0, 1, 2, 3]), np.array([40_499] * 3), np.ones(3), 40_500)
        assert np.argwhere(wide.dense().energies).tolist() == [[0, 40_499], [1, 40_499], [2, 40_499]]

    @pytest.mark.parametrize("offsets", [[0, 2], [1, 1, 3], [0, 3, 2], [0, 1, 2]])
    def test_offsets_that_do_not_fit_are_refused(self, offsets: list[int]) -> None:
        with pytest.raises(GeometryError, match="offsets"):
            SparseShowers(np.ones(2), np.array(offsets), np.zeros(3, np.int64), np.ones(3), 5)

    def test_voxels_of_another_geometry_are_refused(self) -> None:
        with pytest.raises(GeometryError, match="533"):
            at_centres(showers(geometry("ds1-photons")), geometry("ds1-pions"))
        with pytest.raises(GeometryError, match="0 to 4"):
            SparseShowers(np.ones(1), np.array([0, 1]), np.array([5]), np.ones(1), 5)


class TestOverlap:
    def test_equal_binnings_share_nothing_with_others(self, known: Geometry) -> None:
        matrix = overlap(known, known)
        assert matrix.nnz == known.voxels
        assert np.array_equal(matrix.diagonal(), np.ones(known.voxels))

    def test_energy_is_kept(self) -> None:
        photons = geometry("ds1-photons")
        rings = common_rings(photons)
        common = Geometry("common", tuple(PolarLayer(layer.id, rings, 10) for layer in photons.layers))
        for source, target in (
            (photons, common),
            (geometry("ds2"), geometry("ds3")),
            (geometry("ds3"), geometry("ds2")),
        ):
            matrix = overlap(source, target)
            assert matrix.shape == (target.voxels, source.voxels)
            assert np.allclose(np.asarray(matrix.sum(axis=0)).ravel(), 1, rtol=0, atol=1e-14)
        coarse = showers(photons).dense().energies
        spread = (overlap(photons, common) @ coarse.T).T
        assert np.allclose(common.layer_sums(spread), photons.layer_sums(coarse))

    def test_shares_are_those_of_random_points(self) -> None:
        source = Geometry("source", (PolarLayer(0, (0.0, 2.0, 5.0), 3, start=0.4),))
        target = Geometry("target", (PolarLayer(0, (0.0, 1.0, 4.0, 6.0), 4, start=-7.0),))
        matrix = overlap(source, target).toarray()
        rng = np.random.default_rng(5)
        n = 200_000
        for voxel in range(source.voxels):
            x, y = source.layers[0].draw(np.full(n, voxel), rng.random(n), rng.random(n))
            counts = np.bincount(target.locate(x, y, np.zeros(n, np.int64)), minlength=target.voxels)
            assert np.allclose(counts / n, matrix[:, voxel], atol=0.005)

    def test_rectangles(self) -> None:
        source = Geometry("source", (CartesianLayer(0, (0.0, 2.0), (0.0, 3.0)),))
        target = Geometry("target", (CartesianLayer(0, (-1.0, 0.5, 2.0), (0.0, 1.0, 3.0)),))
        expected = np.outer([0.25, 0.75], [1 / 3, 2 / 3]).reshape(4, 1)
        assert np.allclose(overlap(source, target).toarray(), expected)

    def test_what_would_lose_energy_is_refused(self) -> None:
        small = Geometry("small", (PolarLayer(0, (0.0, 2.0)),))
        large = Geometry("large", (PolarLayer(0, (0.0, 3.0)),))
        with pytest.raises(GeometryError, match="lost"):
            overlap(large, small)
        with pytest.raises(GeometryError, match="layers"):
            overlap(geometry("ds1-photons"), geometry("ds1-pions"))
        with pytest.raises(GeometryError, match="rectangles"):
            overlap(small, Geometry("square", (CartesianLayer(0, (-9.0, 9.0), (-9.0, 9.0)),)))


BINNING = """<Bins>
  <Bin pid="22" name="photon" etaMin="20" etaMax="25">
    <Layer id="0" r_edges="0,5,10" n_bin_alpha="1" />
    <Layer id="1" r_edges="0, 2, 4.5" n_bin_alpha="10" />
    <Layer id="4" r_edges="0" n_bin_alpha="1" />
    <Layer id="12" r_edges="0,100" n_bin_alpha="1" />
  </Bin>
  <Bin pid="211" name="pion" etaMin="20" etaMax="25">
    <Layer id="0" r_edges="0,7" n_bin_alpha="3" />
  </Bin>
</Bins>"""


class TestXml:
    def test_layers_without_rings_are_left_out(self, tmp_path) -> None:
        path = tmp_path / "binning.xml"
        path.write_text(BINNING)
        photons = read_binning_xml(path, "photon", threshold=1e-3)
        assert photons.layers == (
            PolarLayer(0, (0.0, 5.0, 10.0)),
            PolarLayer(1, (0.0, 2.0, 4.5), 10),
            PolarLayer(12, (0.0, 100.0)),
        )
        assert (photons.name, photons.particle, photons.voxels) == ("binning", "photon", 2 + 20 + 1)
        assert read_binning_xml(path, "211").voxels == 3
        with pytest.raises(GeometryError, match="name one"):
            read_binning_xml(path)
        with pytest.raises(GeometryError, match="'pion'"):
            read_binning_xml(path, "pions")

    @pytest.mark.parametrize("name", ["ds1-photons", "ds1-pions", "ds2", "ds3"])
    def test_written_and_read_is_the_same(self, tmp_path, name: str) -> None:
        write_binning_xml(geometry(name), tmp_path / "binning.xml")
        again = read_binning_xml(tmp_path / "binning.xml", name=name)
        assert again.voxels == geometry(name).voxels
        for one, other in zip(again.layers, geometry(name).layers, strict=True):
            assert (one.id, one.shape) == (other.id, other.shape)
            assert np.allclose(one.radii, other.radii, rtol=1e-11)

    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            ("<Bins>", InputFileError, "no XML"),
            ("not at all", InputFileError, "no XML"),
            ('<!DOCTYPE a [<!ENTITY b "c">]><Bins/>', InputFileError, "entities"),
            (BINNING.replace('"0,5,10"', '"0,five"'), GeometryError, "five"),
            (BINNING.replace('"0,5,10"', '"0,5,3"'), GeometryError, "layer 0"),
            (BINNING.replace('n_bin_alpha="10"', 'n_bin_alpha="0"'), GeometryError, "layer 1"),
            (BINNING.replace('id="12"', 'id="1"'), GeometryError, "each number once"),
            ("<Bins/>", GeometryError, "photon"),
        ],
    )
    def test_other_files_are_refused(self, tmp_path, text: str, error: type[Exception], message: str) -> None:
        path = tmp_path / "binning.xml"
        path.write_text(text)
        with pytest.raises(error, match=message):
            read_binning_xml(path, "photon")

    def test_missing_files_and_rectangles_are_refused(self, tmp_path) -> None:
        with pytest.raises(InputFileError, match="no file"):
            read_binning_xml(tmp_path / "nothing.xml")
        with pytest.raises(GeometryError, match="rings"):
            write_binning_xml(geometry("calogan"), tmp_path / "binning.xml")
