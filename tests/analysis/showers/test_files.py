"""Files of showers in every layout: energies in GeV, by rows, and what is wrong is named."""

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.datasets import catalogue, open_showers, read_calochallenge
from analysis.datasets.calochallenge import CaloChallengeFile
from analysis.datasets.calogan import CaloGanFile
from analysis.datasets.shower_points import CaloCloudsFile, PointsFile
from analysis.datasets.sparse_showers import SparseShowersFile
from analysis.errors import GeometryError, InputFileError, NonFiniteError, NtupleReadError, UnitsError
from analysis.showers import Showers, geometry

N = 7
Arrays = dict[str, np.ndarray]


def voxels(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Incident energies and voxels in MeV that hold 90 % of them, every tenth voxel."""
    rng = np.random.default_rng(1)
    incident = rng.uniform(1_000, 50_000, N)
    share = np.where(np.arange(geometry(name).voxels) % 10 == 3, rng.exponential(size=(N, geometry(name).voxels)), 0)
    return incident, 0.9 * incident[:, None] * share / share.sum(axis=1, keepdims=True)


def calochallenge(name: str = "ds1-photons") -> Arrays:
    incident, energies = voxels(name)
    return {"incident_energies": incident[:, None], "showers": energies.astype("f4")}


def calogan() -> Arrays:
    incident, energies = voxels("calogan")
    parts = np.split(energies, [288, 432], axis=1)
    shapes = ((3, 96), (12, 12), (12, 6))
    images = {f"layer_{i}": part.reshape(N, *shape) for i, (part, shape) in enumerate(zip(parts, shapes, strict=True))}
    return {"energy": incident[:, None] / 1000, **images, "overflow": np.zeros((N, 3))}


def sparse() -> Arrays:
    incident, energies = voxels("ds3")
    shower, index = np.nonzero(energies)
    return {
        "incident_energies": incident[:, None],
        "offsets": np.concatenate([[0], np.cumsum(np.bincount(shower, minlength=N))]),
        "index": index.astype("u2"),
        "e": energies[shower, index].astype("f4"),
    }


def clouds() -> tuple[np.ndarray, np.ndarray]:
    """Incident energies in MeV and points (N, 50, 4) of x, y, layer and MeV in silicon; the last ten are padding."""
    rng = np.random.default_rng(2)
    incident = rng.uniform(10_000, 90_000, N)
    points = np.stack(
        [rng.uniform(-70, 70, (N, 50)), rng.uniform(-70, 70, (N, 50)), rng.integers(0, 30, (N, 50)), np.ones((N, 50))],
        axis=2,
    )
    points[..., 3] = 0.02 * incident[:, None] / 40
    points[:, 40:] = 0
    return incident, points


def points() -> Arrays:
    incident, cloud = clouds()
    x, y, layer, e = cloud[:, :40].reshape(-1, 4).T
    return {
        "incident_energies": incident[:, None],
        "offsets": 40 * np.arange(N + 1),
        "x": x,
        "y": y,
        "layer": layer.astype("u1"),
        "e": e,
    }


def caloclouds() -> Arrays:
    incident, cloud = clouds()
    return {"energy": incident[:, None] / 1000, "events": cloud[..., [0, 2, 1, 3]] * [1, 1, 1, 1e-3]}


LAYOUTS = {
    "calochallenge": (calochallenge, "ds1-photons", CaloChallengeFile),
    "calogan": (calogan, "calogan", CaloGanFile),
    "sparse": (sparse, "ds3", SparseShowersFile),
    "points": (points, "ild", PointsFile),
    "caloclouds": (caloclouds, "ild", CaloCloudsFile),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Arrays], Path]:
    def written(arrays: Arrays) -> Path:
        path = tmp_path / "showers.h5"
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
        return path

    return written


@pytest.mark.parametrize("layout", LAYOUTS)
class TestEveryLayout:
    def test_is_found_and_in_gev(self, write, layout: str) -> None:
        make, name, kind = LAYOUTS[layout]
        incident = voxels(name)[0] if name != "ild" else clouds()[0]
        with open_showers(write(make()), geometry(name)) as file:
            assert type(file) is kind
            assert len(file) == N
            (dense,) = file.dense(100)
        assert np.allclose(dense.incident, incident / 1000)
        share = 0.02 if name == "ild" else 0.9
        assert np.allclose(dense.energies.sum(axis=1) / dense.incident, share, rtol=1e-5)

    def test_rows_are_those_of_the_whole(self, write, layout: str) -> None:
        make, name, _ = LAYOUTS[layout]
        with open_showers(write(make()), geometry(name)) as file:
            (whole,) = file.dense(N)
            for size in (1, 3):
                parts = list(file.dense(size))
                assert np.array_equal(np.concatenate([p.energies for p in parts]), whole.energies)
                assert np.array_equal(np.concatenate([p.incident for p in parts]), whole.incident)
            assert len(file.read(2, 4)) == 2
            assert len(file.read(5, 99)) == 2
            assert len(file.read(4, 2)) == 0

    @pytest.mark.parametrize("wrong", [1e-3, 1e3])
    @pytest.mark.parametrize("which", ["incident", "deposits"])
    def test_energies_in_another_unit_are_refused(self, write, layout: str, which: str, wrong: float) -> None:
        make, name, _ = LAYOUTS[layout]
        arrays = make()
        incident = ("incident_energies", "energy")
        deposits = ("showers", "e", "layer_0", "layer_1", "layer_2")
        for key in arrays:
            if key in (incident if which == "incident" else deposits):
                arrays[key] = arrays[key] * wrong
            elif which == "deposits" and key == "events":
                arrays[key] = arrays[key] * [1, 1, 1, wrong]
        with pytest.raises(UnitsError, match="incident energy"):
            open_showers(write(arrays), geometry(name))

    @pytest.mark.parametrize(
        ("bad", "error"), [(np.nan, NonFiniteError), (np.inf, NonFiniteError), (-1.0, InputFileError)]
    )
    def test_bad_energies_are_refused(self, write, layout: str, bad: float, error: type[Exception]) -> None:
        make, name, _ = LAYOUTS[layout]
        for key in ("showers", "e", "layer_1", "events", "incident_energies", "energy"):
            arrays = make()
            if key in arrays:
                arrays[key] = arrays[key].copy()
                arrays[key].flat[-1 if key != "events" else 3] = bad
                with pytest.raises(error), open_showers(write(arrays), geometry(name)) as file:
                    file.read()

    def test_another_geometry_is_refused(self, write, layout: str) -> None:
        make, name, _ = LAYOUTS[layout]
        path = write(make())
        other = {"ds1-photons": "ds1-pions", "calogan": "ds2", "ds3": "ds2", "ild": "calogan"}[name]
        with pytest.raises(GeometryError):
            open_showers(path, geometry(other)).read()


def test_places_of_voxels_are_those_of_the_file(write) -> None:
    arrays = calochallenge()
    arrays["showers"][:] = 0
    arrays["showers"][4, 17] = 2_000
    showers = read_calochallenge(write(arrays), geometry("ds1-photons"), start=3, stop=6)
    assert np.argwhere(showers.energies).tolist() == [[1, 17]]
    assert showers.energies[1, 17] == pytest.approx(2.0)


def test_a_narrow_index_reaches_the_last_voxel(write) -> None:
    arrays = sparse()
    arrays["index"][:] = 40_499
    with open_showers(write(arrays), geometry("ds3")) as file:
        (dense,) = file.dense(N)
        # Whatever is added to it later must not wrap around.
        assert (file.read().index + np.uint16(40_000)).max() == 80_499
    assert set(np.nonzero(dense.energies)[1]) == {40_499}
    assert (dense.energies[:, 40_499] > 0).all()


def test_one_energy_of_all_formats_counts_the_same_way(write) -> None:
    both = []
    for make in (points, caloclouds):
        with open_showers(write(make()), geometry("ild")) as file:
            both += list(file.dense(N))
    assert isinstance(both[0], Showers)
    assert np.allclose(both[0].energies, both[1].energies)


def test_offsets_that_do_not_fit_are_refused(write) -> None:
    for name, make in (("ds3", sparse), ("ild", points)):
        arrays = make()
        arrays["offsets"] = arrays["offsets"].copy()
        arrays["offsets"][3] += 10**6
        with pytest.raises(GeometryError, match="offsets"):
            open_showers(write(arrays), geometry(name))


def test_other_files_are_refused(write, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no file"):
        open_showers(tmp_path / "nothing.h5", geometry("ds2"))
    path = tmp_path / "text.h5"
    path.write_text("no HDF5")
    with pytest.raises(NtupleReadError):
        open_showers(path, geometry("ds2"))
    with pytest.raises(InputFileError, match="none of the known layouts"):
        open_showers(write({"showers": np.ones((2, 368))}), geometry("ds1-photons"))
    with pytest.raises(InputFileError, match="no showers"):
        read_calochallenge(write({"incident_energies": np.ones((2, 1))}), geometry("ds1-photons"))


def test_links_out_of_the_file_are_not_followed(write, tmp_path: Path) -> None:
    arrays = calochallenge()
    path = write(arrays)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["showers"] = h5py.ExternalLink(path, "showers")
        file["incident_energies"] = arrays["incident_energies"]
    with pytest.raises(InputFileError, match="link"):
        read_calochallenge(tmp_path / "other.h5", geometry("ds1-photons"))


def test_empty_showers_and_empty_files_are_showers(write) -> None:
    arrays = calochallenge()
    arrays["showers"][:] = 0
    assert not read_calochallenge(write(arrays), geometry("ds1-photons")).energies.any()
    none = {name: values[:0] for name, values in arrays.items()}
    assert len(read_calochallenge(write(none), geometry("ds1-photons"))) == 0


def test_all_files_of_the_challenge_can_be_fetched() -> None:
    files = [file for file in catalogue() if file.name.startswith("calochallenge-")]
    assert len(files) == 2 + 2 + 2 + 4
    assert {file.url.split("/")[4] for file in files} == {"8099322", "6366271", "6366324"}
    assert all(file.checksum for file in files)


def test_other_public_showers_are_known_by_their_record() -> None:
    known = {file.name: file for file in catalogue()}
    for name, doi in (
        ("calogan", "10.17632/pvn3xc3wy5.1"),
        ("calogan-sampling", "10.5281/zenodo.10393540"),
        ("caloclouds", "10.5281/zenodo.10044175"),
    ):
        assert known[name].doi == doi
        assert re.findall(r"pvn3xc3wy5|zenodo\.(\d+)", doi)[0] in known[name].url
        assert known[name].filename.endswith(".zip")
        # Nobody published a checksum that could be compared: the first download is remembered.
        assert known[name].checksum is None
    names = [file.filename for file in catalogue()]
    assert len(set(names)) == len(names)
