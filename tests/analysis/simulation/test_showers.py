"""Simulated showers: energies are kept, files are those of public samples, and workers change nothing."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.datasets import open_showers
from analysis.errors import OutputError, SimulationError
from analysis.showers import geometry
from analysis.simulation import extras, geant4, showers
from analysis.simulation.showers import simulate_showers
from analysis.simulation.stacks import stack

needs_geant4 = pytest.mark.skipif(not extras.has_geant4(), reason="geant4-pybind is not installed")


def deposits(name: str, n: int = 400) -> np.ndarray:
    """Deposits (n, 4) in plates that measure."""
    rng, plates = np.random.default_rng(5), stack(name)
    measuring = np.array([i for i, plate in enumerate(plates.plates) if plate.layer is not None])
    plate = rng.choice(measuring, n)
    z = rng.uniform(plates.edges[plate], plates.edges[plate + 1])
    return np.column_stack([rng.normal(0, 10, (n, 2)), z, rng.exponential(1, n)])


@pytest.mark.parametrize("name", ["ds1-photons", "ds2", "calogan"])
def test_voxels_keep_the_energy_of_deposits(name: str) -> None:
    plates, given = stack(name), deposits(name)
    layers = plates.layer_at(given[:, 2])
    inside = plates.geometry.locate(given[:, 0], given[:, 1], layers) >= 0
    wanted = np.bincount(layers[inside], given[inside, 3], len(plates.weights)) * plates.weights
    found = plates.geometry.layer_sums(showers._voxels(given, plates)["showers"])[0]
    assert found == pytest.approx(wanted, rel=1e-5)


def test_points_keep_energy_and_place_of_deposits() -> None:
    given, plates = deposits("ild", 5000), stack("ild")
    found = showers._points(given, plates)
    assert found["counts"][0] == len(found["e"]) < 5000
    assert found["e"].sum() == pytest.approx(given[:, 3].sum(), rel=1e-5)
    assert (found["x"] * found["e"]).sum() == pytest.approx((given[:, 0] * given[:, 3]).sum(), rel=1e-3)
    wanted = np.bincount(plates.layer_at(given[:, 2]), given[:, 3], 30)
    assert np.bincount(found["layer"], found["e"], 30) == pytest.approx(wanted, rel=1e-5)


def test_a_missing_library_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(SimulationError, match=r"geant4-pybind is not installed.*cathode-hep\[geant4\]"):
        simulate_showers(1, geometry="ds2", seed=1, output=tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())


def test_bad_arguments_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="No calorimeter 'ds9'"):
        simulate_showers(1, geometry="ds9", seed=1, output=tmp_path / "a.h5")
    with pytest.raises(SimulationError, match="0 showers with 1 workers"):
        simulate_showers(0, geometry="ds2", seed=1, output=tmp_path / "a.h5")
    with pytest.raises(OutputError):
        simulate_showers(1, geometry="ds2", seed=1, output=tmp_path)
    assert not list(tmp_path.iterdir())


@needs_geant4
def test_the_file_does_not_depend_on_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(showers, "SHOWERS_PER_CHUNK", 3)
    files = []
    for workers in (1, 2):
        path = tmp_path / f"{workers}.h5"
        simulate_showers(6, geometry="ds1-photons", energies=(0.3, 0.4), seed=4, output=path, workers=workers)
        with h5py.File(path) as file:
            files.append({name: file[name][:] for name in file})
    assert files[0].keys() == {"incident_energies", "showers", "cpu_s"}
    for name in ("incident_energies", "showers"):
        np.testing.assert_array_equal(files[0][name], files[1][name])
    with open_showers(tmp_path / "1.h5", geometry("ds1-photons")) as file:
        found = file.read()
    assert 0.3 <= found.incident.min() <= found.incident.max() <= 0.4
    # Showers of one energy scatter by tens of per cent down here, around their energy.
    assert np.mean(found.energies.sum(axis=1) / found.incident) == pytest.approx(1, abs=0.3)


@needs_geant4
@pytest.mark.parametrize("name", ["calogan", "ild"])
def test_other_layouts_and_scalars_can_be_read_again(name: str, tmp_path: Path) -> None:
    given = {"particle": "scalar", "mass": 0.1, "distance": 5.0, "angle": 60.0, "energies": (0.5, 0.5)}
    path = simulate_showers(2, geometry=name, seed=4, output=tmp_path / "a.h5", **given)  # type: ignore[arg-type]
    with open_showers(path, geometry(name)) as file:
        assert file.read().incident.tolist() == [0.5, 0.5]
    with h5py.File(path) as file:
        assert file["scalar_mass"][:].tolist() == [100.0, 100.0]
        assert (file["cpu_s"][:] > 0).all()
        assert "mass 0.1 GeV" in file.attrs["title"]


@needs_geant4
def test_without_call_backs_there_is_a_time_and_no_shower(tmp_path: Path) -> None:
    path = simulate_showers(2, geometry="ds2", energies=(0.5, 0.5), seed=4, output=tmp_path / "a.h5", call_backs=False)
    with h5py.File(path) as file:
        assert not file["showers"][:].any()
        assert (file["cpu_s"][:] > 0).all()
    assert geant4.electromagnetic_data().is_dir()
