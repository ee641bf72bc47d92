"""Showers as a table, in ranges as in one piece."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.datasets.shower_table import ShowerTable
from analysis.errors import InputFileError, TreeNotFoundError


def write(path: Path, n: int) -> np.ndarray:
    energies = np.random.default_rng(3).exponential(20.0, (n, 368))
    with h5py.File(path, "w") as file:
        file["incident_energies"], file["showers"] = energies.sum(axis=1, keepdims=True), energies
    return energies


def test_ranges_join_to_the_whole(tmp_path: Path) -> None:
    energies = write(tmp_path / "a.h5", 6)
    table = ShowerTable(str(tmp_path / "a.h5"), "ds1-photons")
    names = list(table.names)
    whole = table.read(names, 0, 6)
    for name in names:
        parts = [table.read([name], a, b)[name].values for a, b in ((0, 2), (2, 2), (2, 6))]
        np.testing.assert_array_equal(np.concatenate(parts), whole[name].values)
    assert whole["event"].values.tolist() == [1, 2, 3, 4, 5, 6]
    above = np.where(energies / 1000 >= 1e-3, energies / 1000, 0)
    np.testing.assert_allclose(whole["e_rec"].values, above.sum(axis=1), rtol=1e-5)
    first = above[:, :8].sum(axis=1)
    np.testing.assert_allclose(whole["Layer_energy"].element(0).values, first, rtol=1e-5)
    np.testing.assert_allclose(whole["Layer_share"].element(0).values, first / above.sum(axis=1), rtol=1e-5)
    assert table.boundaries(names).tolist()[-1] == 6
    table.close()


def test_the_geometry_has_to_be_named_and_showers_have_to_be_there(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", 2)
    for name in (None, "ds1-photos"):
        with pytest.raises(TreeNotFoundError, match="ds1-photons"):
            ShowerTable(str(tmp_path / "a.h5"), name)
    write(tmp_path / "none.h5", 0)
    with pytest.raises(InputFileError, match="no showers"):
        ShowerTable(str(tmp_path / "none.h5"), "ds1-photons")
