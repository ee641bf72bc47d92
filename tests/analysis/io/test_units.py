"""Units are declared: what is converted, what is refused, and what the sanity check looks at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import Events, read_events
from analysis.errors import UnitsError

Write = Callable[..., Path]
N = 10
MEV: dict[str, Any] = {
    "m": np.linspace(2, 5, N) * 1e6,
    "m_jj": np.linspace(2_000_000, 5_000_000, N).astype(np.int64),
    "ElectronsAuxDyn.pt": np.full(N, 50e3),
    "ElectronsAuxDyn.topoetcone20": np.full(N, 5e3),
    "ElectronsAuxDyn.ptvarcone30": np.full(N, 5e3),
    "ElectronsAuxDyn.ptcone20_err": np.full(N, 5e3),
    "METAuxDyn.mpx": np.full(N, 30e3),
    "METAuxDyn.sumet": np.full(N, 300e3),
    "JetsAuxDyn.ActiveArea4vec_pt": np.full(N, 0.5),
    "JetsAuxDyn.EMFrac": np.full(N, 0.25),
    "JetsAuxDyn.Tau1_wta": np.full(N, 0.3),
    "JetsAuxDyn.pt": np.full(N, 400_000, dtype=np.int32),
    "JetsAuxDyn.Qw": np.full(N, 40e3),
    "JetsAuxDyn.ptErr": np.full(N, 4e3),
    "JetsAuxDyn.good": np.full(N, True),
    "x": np.full(N, 0.7),
    "w": np.full(N, 5000.0),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, write_ntuple: Write) -> Path:
    return write_ntuple(tmp_path_factory.mktemp("units") / "mev.root", MEV, tree="CollectionTree")


def read(path: Any, text: str, **changes: Any) -> Events:
    arguments: dict[str, Any] = {"mass": "m", "identifiers": "entry", "units": "MeV"} | changes
    return read_events(path, features={"a": text}, **arguments)


@pytest.mark.parametrize("units", ["MeV", {"default": "MeV"}, {"default": "MeV", "*Area*": "none"}])
@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Electrons_topoetcone20 / Electrons_pt", 0.1),
        ("Electrons_ptvarcone30 / Electrons_pt", 0.1),
        ("MET_mpx / MET_sumet", 0.1),
        ("MET_mpx", 30),
        ("Jets_ActiveArea4vec_pt", 0.5),
        ("Jets_EMFrac", 0.25),
        ("Jets_Tau1_wta", 0.3),
        ("Jets_pt", 400),
        ("branch('JetsAuxDyn.pt')", 400),
        ("JetsAuxDyn.pt / 1000", 0.4),
        ("m_jj - m", 0),
        ("where(Jets_good, Jets_pt, 0)", 400),
    ],
)
def test_energies_are_converted_and_pure_numbers_are_not(path: Path, units: Any, text: str, right: float) -> None:
    assert read(path, text, units=units).x[0, 0] == pytest.approx(right, rel=1e-6)


@pytest.mark.parametrize(
    ("units", "right"),
    [
        ({"default": "MeV", "Jets_Qw": "MeV"}, 40),
        ({"default": "MeV", "Jets_Qw": "none"}, 40e3),
        ({"default": "MeV", "Jets_*": "none", "*Qw": "TeV"}, 40e6),
        ({"default": "MeV", "*Qw": "TeV", "Jets_*": "none"}, 40e3),
        ({"default": "MeV", "JetsAuxDyn.Qw": "GeV"}, 40e3),
        ({"default": "none", "m": "MeV", "*Qw": "MeV"}, 40),
        ({"m": "MeV"}, 40e3),
        ({"default": "MeV"}, 40),
    ],
)
def test_the_last_pattern_that_matches_decides(path: Path, units: dict[str, str], right: float) -> None:
    events = read(path, "Jets_Qw", units=units)
    assert events.x[0, 0] == pytest.approx(right)
    np.testing.assert_allclose(events.mass, MEV["m"] / 1000)


@pytest.mark.parametrize("units", ["MeV", {"default": "MeV"}, {"*m_jj": "MeV", "m": "MeV"}])
@pytest.mark.parametrize("mass", ["m", "m_jj", "m_jj * 1", "hypot(m_jj, 0)", "max(m, m_jj)", "m * Jets_good"])
def test_the_mass_is_converted_as_a_whole(path: Path, units: Any, mass: str) -> None:
    np.testing.assert_allclose(read(path, "x * 1", mass=mass, units=units).mass, MEV["m"] / 1000, rtol=1e-6)


@pytest.mark.parametrize("name", ["mystery", "qqqq", "tau_1", "resonance"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint32])
def test_a_mass_is_an_energy_whatever_its_branch_is_called(
    tmp_path: Path, write_ntuple: Write, name: str, kind: type
) -> None:
    path = write_ntuple(tmp_path / "a.root", {name: np.full(N, 3_500_000).astype(kind), "scale": np.full(N, 2.0)})
    events = read(path, name, mass=name, selection=f"{name} > 3000")
    assert (events.mass == 3500).all()
    assert (events.x == 3500).all()
    # Not 7e-3: the factor is no energy of its own.
    assert (read(path, "scale + 0", mass=f"sqrt({name} * {name})").mass == 3500).all()
    with pytest.raises(UnitsError, match=r"'scale'.*not clear"):
        read(path, "scale", mass=f"{name} * scale")


@pytest.mark.parametrize("text", ["Jets_ptErr", "Jets_ptErr / Jets_pt"])
def test_an_unclear_branch_is_refused_with_the_remedy(path: Path, text: str) -> None:
    with pytest.raises(UnitsError, match=r"not clear from the name. Declare it, as units: \{default: MeV, \w+: MeV\}"):
        read(path, text)
    read(path, text, units={"default": "MeV", text.split()[0]: "MeV"})
    read(path, text, units="GeV", mass="m / 1000", beam_energy=None)


def test_what_is_not_named_like_an_energy_but_looks_like_one_is_refused(path: Path) -> None:
    with pytest.raises(UnitsError, match=r"'Jets_Qw' is not named like an energy.*median is 4e\+04"):
        read(path, "Jets_Qw")
    assert read(path, "x").x[0, 0] == np.float32(0.7)


def test_weights_are_no_energies(path: Path) -> None:
    assert (read(path, "x", weight="w").weights == 5000).all()


def test_a_pattern_that_matches_nothing_and_an_unknown_unit_are_refused(path: Path) -> None:
    with pytest.raises(UnitsError, match=r"'Jet_Qw: none' matches no branch.*Nearest: 'Jets_Qw'"):
        read(path, "x", units={"default": "MeV", "Jet_Qw": "none"})
    with pytest.raises(UnitsError, match=r"units: Jets_Qw: 'mev' is not known"):
        read(path, "x", units={"default": "MeV", "Jets_Qw": "mev"})


def test_a_mass_of_mixed_units_has_to_be_declared(path: Path) -> None:
    with pytest.raises(UnitsError, match="the mass 'x \\* m' has branches in TeV beside 'x'"):
        read(path, "MET_mpx", mass="x * m", units={"default": "MeV", "m": "TeV"}, beam_energy=None)


@pytest.mark.parametrize(("mass", "times"), [("sqrt(m2)", "31.62"), ("m * m / 3500", "0.001"), ("1e5 / m", r"1e\+06")])
def test_a_mass_of_another_power_of_an_energy_is_refused(
    tmp_path: Path, write_ntuple: Write, mass: str, times: str
) -> None:
    values = np.linspace(200, 400, N) * 1e3
    path = write_ntuple(tmp_path / "a.root", {"m": values, "m2": values**2, "z": np.full(N, 0.5)})
    with pytest.raises(UnitsError, match=rf"is {times} times what .*, or m2? are not\. Declare"):
        read(path, "z", mass=mass)
    found = read(path, "z", mass="sqrt(m2) / 1000", units={"default": "MeV", "m2": "none"}).mass
    np.testing.assert_allclose(found, values / 1000, rtol=1e-12)
    found = read(path, "z", mass="m * m / 350", units={"default": "MeV", "m": "MeV"}).mass
    np.testing.assert_allclose(found, (values / 1000) ** 2 / 350, rtol=1e-12)
    # Numbers in an expression are in GeV.
    np.testing.assert_allclose(read(path, "z", mass="m + 10").mass, values / 1000 + 10, rtol=1e-12)
    np.testing.assert_allclose(read(path, "z", mass="where(m > 300, m, 250)").mass.min(), 250, rtol=1e-12)


# What the sanity check looks at


def jets(tmp_path: Path, write_ntuple: Write, **columns: Any) -> Path:
    n = len(next(iter(columns.values())))
    return write_ntuple(tmp_path / "j.root", {"m": np.linspace(2000, 5000, n), **columns}, tree="t")


@pytest.mark.parametrize("absent", [-999.0, -99.0, -1.0, 0.0, 1e10, 9999.0, 999.0, np.inf, np.nan, 3.4028235e38, 1e6])
def test_placeholders_and_events_that_are_not_selected_do_not_decide(
    tmp_path: Path, write_ntuple: Write, absent: float
) -> None:
    pt = np.linspace(30, 300, 100)
    pt[:60] = absent
    path = jets(tmp_path, write_ntuple, jet3_pt=pt, good=np.arange(100) >= 60)
    assert len(read(path, "jet3_pt", units="GeV", selection="good")) == 40
    assert len(read(path, "where(good, jet3_pt, 0)", units="GeV")) == 100
    assert len(read(path, "where(good, jet3_pt, 0)", units="GeV", mass="where(good, m, 3000)")) == 100


def test_selected_events_decide(tmp_path: Path, write_ntuple: Write) -> None:
    pt = np.where(np.arange(100) < 80, 100.0, 100e3)
    path = jets(tmp_path, write_ntuple, jet_pt=pt)
    assert len(read(path, "jet_pt", units="GeV", selection="jet_pt < 1000")) == 80
    with pytest.raises(UnitsError, match="more than one beam has"):
        read(path, "jet_pt", units="GeV", selection="jet_pt > 1000")


@pytest.mark.parametrize("memory", ["200 MB", "2 MB"])
def test_a_few_absurd_masses_do_not_decide_by_where_the_chunks_end(
    tmp_path: Path, write_ntuple: Write, memory: str
) -> None:
    n = 20_000
    table = {"m": np.where(np.arange(n) < 3000, 90_000.0, 3000.0), "x": np.zeros(n)}
    path = write_ntuple(tmp_path / "m.root", table, step=1000)
    assert len(read(path, "x", units="GeV", memory=memory)) == n


def test_the_beam_energy_is_a_setting(tmp_path: Path, write_ntuple: Write) -> None:
    path = jets(tmp_path, write_ntuple, FatJet_pt=np.full(50, 12_000.0), TrackJet_pt=np.full(50, 1.5))
    with pytest.raises(UnitsError, match="beam_energy"):
        read(path, "FatJet_pt", units="GeV")
    assert len(read(path, "FatJet_pt", units="GeV", beam_energy=50_000)) == 50
    assert len(read(path, "FatJet_pt", units="GeV", beam_energy=None)) == 50
    assert len(read(path, "TrackJet_pt", units="GeV")) == 50
    with pytest.raises(UnitsError, match="softer than any jet"):
        read(path, "TrackJet_pt", units="MeV")
