"""Tables for Geant4: they hold the cross sections of the packages that they are made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.errors import SimulationError
from analysis.simulation import electromagnetic_data, extras

BARN = 1e-22


def vector(text: str) -> np.ndarray:
    return np.array([[float(v) for v in line.split()] for line in text.splitlines()[2:]])


def test_tables_hold_the_cross_sections(tmp_path: Path) -> None:
    library = pytest.importorskip("xraylib")
    pytest.importorskip("xpecgen")
    lead = 82
    folder = electromagnetic_data.write_electromagnetic_data(tmp_path / "data", [lead])
    above = vector((folder / "epics2017/phot" / f"pe-cs-{lead}.dat").read_text())
    below = vector((folder / "epics2017/phot" / f"pe-le-cs-{lead}.dat").read_text())
    for energy, table in ((0.2, above), (0.7, above), (0.05, below), (0.001, below)):
        found = np.interp(energy, *table.T) / energy**3
        assert found == pytest.approx(library.CSb_Photo(lead, energy * 1e3), rel=0.02)
    assert above[0, 0] == pytest.approx(library.EdgeEnergy(lead, 0) / 1e3, rel=1e-4)
    rayleigh = vector((folder / "livermore/rayl" / f"re-cs-{lead}.dat").read_text())
    assert np.interp(0.1, *rayleigh.T) / 0.1**2 / BARN == pytest.approx(library.CSb_Rayl(lead, 100.0), rel=0.01)
    # Photoelectric cross sections fall like 1/E far above the edges.
    assert above[-1, 1] / above[-1, 0] ** 2 == pytest.approx(above[-20, 1] / above[-20, 0] ** 2, rel=0.01)


def test_shells_add_up_to_the_total(tmp_path: Path) -> None:
    pytest.importorskip("xraylib")
    pytest.importorskip("xpecgen")
    folder = electromagnetic_data.write_electromagnetic_data(tmp_path / "data", [26])
    lines = (folder / "epics2017/phot/pe-ss-cs-26.dat").read_text().splitlines()
    total = 0.0
    while lines:
        rows = int(lines[0].split()[2])
        table = np.array([[float(v) for v in line.split()] for line in lines[1 : rows + 1]])
        lines = lines[rows + 1 :]
        total += np.interp(0.05, *table.T)
    whole = vector((folder / "epics2017/phot/pe-cs-26.dat").read_text())
    assert total == pytest.approx(np.interp(0.05, *whole.T), rel=1e-4)


def test_bremsstrahlung_has_the_grid_that_geant4_expects(tmp_path: Path) -> None:
    pytest.importorskip("xraylib")
    pytest.importorskip("xpecgen")
    folder = electromagnetic_data.write_electromagnetic_data(tmp_path / "data", [13])
    first, fractions, energies, *rows = (folder / "brem_SB/br13").read_text().splitlines()
    assert first == "0 32 57"
    assert np.array(fractions.split(), float)[[0, -1]] == pytest.approx([0, 1], abs=1e-9)
    assert np.exp(np.array(energies.split(), float))[[0, -1]] == pytest.approx([1e-3, 1e4], rel=1e-6)
    assert {len(row.split()) for row in rows} == {32}
    assert len(rows) == 57


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nothing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", nothing)
    with pytest.raises(SimulationError, match=r"xraylib is not installed.*cathode-hep\[geant4\]"):
        electromagnetic_data.write_electromagnetic_data(tmp_path / "data")
