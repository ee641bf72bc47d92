"""Showers in a search: observables as columns of an ordinary table."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.datasets import open_showers
from analysis.errors import InputFileError, TreeNotFoundError
from analysis.io.ntuples import read_events
from analysis.metrics.showers import observables
from analysis.showers import Showers, geometry


@pytest.fixture
def sample(tmp_path: Path) -> tuple[Path, Showers]:
    rng = np.random.default_rng(1)
    energies = rng.exponential(0.02, (40, 368)).astype("f4")
    showers = Showers(energies.sum(axis=1, dtype=float) * rng.uniform(0.9, 1.1, 40), energies)
    with h5py.File(tmp_path / "showers.h5", "w") as file:
        file["incident_energies"], file["showers"] = 1000 * showers.incident[:, None], 1000 * energies
    return tmp_path / "showers.h5", showers


def test_mass_and_features_are_those_of_the_showers(sample: tuple[Path, Showers]) -> None:
    path, showers = sample
    features = {"share": "Layer_share[1]", "width": "Layer_width[2]", "back": "Layer_energy[4] / e_rec"}
    events = read_events(
        str(path), mass="e_rec", features=features, selection="e_rec > 7", layout="calochallenge", tree="ds1-photons"
    )
    found = observables([showers], geometry("ds1-photons"))
    kept = np.flatnonzero(found.total > 7)
    assert 0 < len(kept) < 40
    order = np.argsort(events.ids[:, 2])
    assert np.array_equal(np.sort(events.ids[:, 2]), kept + 1)
    assert np.allclose(events.mass[order], found.total[kept], rtol=1e-5)
    expected = np.stack([found.ratios[:, 1], found.radius_width[:, 2], found.ratios[:, 4]], axis=1)[kept]
    assert np.allclose(events.x[order], expected, rtol=1e-4)


@pytest.mark.parametrize("tree", [None, "ds1-photon", "ds4"])
def test_the_geometry_has_to_be_named(sample: tuple[Path, Showers], tree: str | None) -> None:
    with pytest.raises(TreeNotFoundError, match=r"geometry of showers.*'ds"):
        read_events(str(sample[0]), mass="e_rec", features={"a": "e_rec"}, layout="calochallenge", tree=tree)


def test_voxels_and_what_stands_beside_are_columns_too(sample: tuple[Path, Showers]) -> None:
    path, showers = sample
    with h5py.File(path, "a") as file:
        file["scalar_mass"] = np.repeat([0.0, 5000.0], 20).astype("f4")
        file["cpu_s"] = np.arange(40.0)[:, None]
        file["layers"], file["e_rec"] = np.zeros((40, 5)), np.full(40, 99.0)
    features = {"voxel": "Voxel[200]", "time": "cpu_s", "mass": "scalar_mass"}
    events = read_events(
        str(path), mass="e_rec", features=features, truth="scalar_mass > 0", layout="calochallenge", tree="ds1-photons"
    )
    # MeV in the file, GeV inside; voxels are cut as everywhere.
    voxel = showers.energies[:, 200]
    assert np.allclose(events.feature("voxel"), np.where(voxel < 1e-3, 0, voxel))
    assert np.allclose(events.feature("time"), np.arange(40))
    assert set(events.feature("mass")) == {0.0, 5.0}
    assert events.truth is not None
    assert events.truth.tolist() == [False] * 20 + [True] * 20
    # What is computed is not replaced by what a file calls the same.
    assert (events.mass < 50).all()


def test_what_a_file_does_not_have_is_refused(sample: tuple[Path, Showers]) -> None:
    with (
        open_showers(sample[0], geometry("ds1-photons")) as file,
        pytest.raises(InputFileError, match="no 'scalar_mass' for every shower"),
    ):
        file.column("scalar_mass")
