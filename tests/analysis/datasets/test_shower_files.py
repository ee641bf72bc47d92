"""Which layout a file of showers has, and energies that are in another unit than it says."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.datasets.calochallenge import CaloChallengeFile
from analysis.datasets.shower_files import open_showers
from analysis.errors import GeometryError, InputFileError, NonFiniteError, NtupleReadError, UnitsError
from analysis.showers.detectors import geometry

PHOTONS = geometry("ds1-photons")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    energies = rng.exponential(10.0, (5, 368))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["incident_energies"], file["showers"] = energies.sum(axis=1, keepdims=True), energies
    return tmp_path / "a.h5"


def change(path: Path, **data: np.ndarray) -> None:
    with h5py.File(path, "r+") as file:
        for name, values in data.items():
            del file[name]
            file[name] = values


def test_the_layout_is_seen_and_energies_are_in_gev(path: Path) -> None:
    with open_showers(path, PHOTONS) as file:
        assert isinstance(file, CaloChallengeFile)
        assert len(file) == 5
        whole, part = file.read(), file.read(1, 3)
        chunks = [showers.energies for showers in file.chunks(2)]
    with h5py.File(path) as raw:
        np.testing.assert_allclose(whole.energies, raw["showers"][()] / 1000, rtol=1e-6)
        np.testing.assert_allclose(whole.incident, raw["incident_energies"][:, 0] / 1000)
    np.testing.assert_array_equal(part.energies, whole.energies[1:3])
    np.testing.assert_array_equal(np.concatenate(chunks), whole.energies)


def test_a_factor_of_a_thousand_is_seen(path: Path) -> None:
    with h5py.File(path) as file:
        incident = file["incident_energies"][()]
    change(path, incident_energies=incident / 1000)
    with pytest.raises(UnitsError, match="MeV"):
        open_showers(path, PHOTONS)


@pytest.mark.parametrize(
    ("row", "said", "error"),
    [(np.nan, "NaN", NonFiniteError), (-5.0, "negative", InputFileError), (np.inf, "infinite", NonFiniteError)],
)
def test_impossible_energies(path: Path, row: float, said: str, error: type[Exception]) -> None:
    with h5py.File(path) as file:
        energies = file["showers"][()]
    energies[3, 7] = row
    change(path, showers=energies)
    with pytest.raises(error, match=said), open_showers(path, PHOTONS) as file:
        file.read()


def test_other_files(path: Path, tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="6480"):
        open_showers(path, geometry("ds2"))
    (tmp_path / "text.h5").write_text("no")
    for name, error in [("none.h5", InputFileError), ("text.h5", NtupleReadError)]:
        with pytest.raises(error):
            open_showers(tmp_path / name, PHOTONS)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(InputFileError, match="known layouts"):
        open_showers(tmp_path / "b.h5", PHOTONS)
