"""Features files of the LHC Olympics as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.datasets.lhco_features import LhcoFeatures
from analysis.errors import BranchNotFoundError

pd = pytest.importorskip("pandas")
pytest.importorskip("tables")

FIELDS = ("px", "py", "pz", "m", "tau1", "tau2", "tau3")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    table = {f"{field}j{jet}": rng.normal(0, 500, 6) for jet in (1, 2) for field in FIELDS}
    pd.DataFrame({**table, "label": [0, 1, 0, 1, 1, 0]}).to_hdf(tmp_path / "f.h5", key="df")
    return tmp_path / "f.h5"


def test_jets_are_lists_of_two_in_cylindrical_coordinates(path: Path) -> None:
    frame = pd.read_hdf(path)
    table = LhcoFeatures(str(path), None)
    read = table.read(["FatJet_pt", "FatJet_eta", "FatJet_phi", "FatJet_mass", "FatJet_tau2", "event", "label"], 1, 4)
    for jet in (1, 2):
        px, py, pz = (frame[f"{c}j{jet}"].to_numpy()[1:4] for c in ("px", "py", "pz"))
        momentum = np.sqrt(px**2 + py**2 + pz**2)
        expected = {
            "FatJet_pt": np.sqrt(px**2 + py**2),
            "FatJet_eta": 0.5 * np.log((momentum + pz) / (momentum - pz)),
            "FatJet_phi": np.arctan2(py, px),
            "FatJet_mass": frame[f"mj{jet}"].to_numpy()[1:4],
            "FatJet_tau2": frame[f"tau2j{jet}"].to_numpy()[1:4],
        }
        for name, values in expected.items():
            np.testing.assert_allclose(read[name].element(jet - 1).values, values, rtol=1e-12)
    assert read["event"].values.tolist() == [2, 3, 4]
    assert read["label"].values.tolist() == [1, 0, 1]
    assert table.boundaries(table.names).tolist() == [0, 6]
    table.close()


def test_a_column_that_is_missing_is_named(path: Path) -> None:
    frame = pd.read_hdf(path).drop(columns="tau3j2")
    frame.to_hdf(path, key="df", mode="w")
    with pytest.raises(BranchNotFoundError, match="tau3j2"):
        LhcoFeatures(str(path), None)
