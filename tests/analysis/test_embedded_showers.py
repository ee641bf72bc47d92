"""The showers that are shipped: what is said of them is there, and it is physics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.datasets import describe, embedded, open_showers
from analysis.features.shower_shapes import shower_shape_names, shower_shapes
from analysis.io.ntuples import read_events
from analysis.showers import geometry
from tools.make_embedded_showers import make_embedded_showers

DS1 = geometry("ds1-photons")


def test_counts_and_sizes_are_those_of_the_description() -> None:
    said = describe("showers")
    with open_showers(embedded("showers"), DS1) as file:
        masses = file.column("scalar_mass")
        energies = file.read().incident
    assert embedded("showers").stat().st_size <= 3_000_000
    assert said["photons"] == (masses == 0).sum() >= 6000
    assert said["pairs"] == {f"{mass:g} GeV": int(np.isclose(masses, mass).sum()) for mass in (0.05, 5.0)}
    photons = energies[masses == 0]
    assert stats.kstest(np.log(photons) / np.log(20), "uniform").pvalue > 0.01
    assert np.allclose(energies[masses > 0], 12.0)


def test_energies_are_near_those_of_the_particles() -> None:
    """Response and resolution of lead and argon: about 10 %/√E, and all of the energy is seen."""
    with open_showers(embedded("showers"), DS1) as file:
        found, masses = file.read(), file.column("scalar_mass")
    response = found.energies.sum(axis=1) / found.incident
    hard = (masses == 0) & (found.incident > 10)
    assert np.mean(response[hard]) == pytest.approx(1.0, abs=0.01)
    assert 0.015 < np.std(response[hard]) < 0.04
    light = np.isclose(masses, 0.05)
    assert np.mean(response[light]) == pytest.approx(1.0, abs=0.01)


def test_photons_of_a_heavy_scalar_are_wide_and_those_of_a_light_one_are_not() -> None:
    with open_showers(embedded("showers"), DS1) as file:
        found, masses = file.read(), file.column("scalar_mass")
    radius = shower_shapes(found.energies, DS1)[:, shower_shape_names(DS1).index("radius_2")]
    near = (masses == 0) & (abs(found.incident - 12) < 1)
    assert np.median(radius[np.isclose(masses, 5.0)]) > 3 * np.median(radius[near])
    assert np.median(radius[np.isclose(masses, 0.05)]) == pytest.approx(np.median(radius[near]), rel=0.15)


def test_it_is_read_as_a_search_reads_it() -> None:
    events = read_events(
        str(embedded("showers")),
        mass="e_rec",
        features={"share": "Layer_share[2]"},
        selection="e_rec > 4 and (scalar_mass == 0 or scalar_mass > 1)",
        truth="scalar_mass > 0",
        layout="calochallenge",
        tree="ds1-photons",
    )
    assert events.truth is not None
    assert 300 < events.truth.sum() <= 400
    assert events.mass.min() > 4


def test_the_tool_cuts_rounds_and_describes(tmp_path: Path) -> None:
    import h5py

    rng = np.random.default_rng(3)
    showers = rng.exponential(3.0, (5, 368)).astype("f4")
    for name, mass in (("a", None), ("b", 50.0)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["incident_energies"], file["showers"] = showers.sum(axis=1, keepdims=True), showers
            file.attrs["title"] = name
            if mass is not None:
                file["scalar_mass"] = np.full(5, mass)
    said = make_embedded_showers([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "c.h5")
    with h5py.File(tmp_path / "c.h5") as file:
        kept = file["showers"][:]
    assert (said["photons"], said["pairs"]) == (5, {"0.05 GeV": 5})
    np.testing.assert_allclose(kept[:5], np.where(showers < 1, 0, showers), rtol=2**-7)
