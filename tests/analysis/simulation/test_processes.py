"""Hard processes by name, each with any parton shower."""

from __future__ import annotations

import pytest

from analysis.errors import SimulationError
from analysis.simulation.processes import SHOWERS, SIGNALS, process

MASSES = {"resonance_mass": 3500.0, "daughter_masses": (500.0, 100.0)}


@pytest.mark.parametrize("signal", [None, *SIGNALS])
def test_the_shower_is_a_setting_of_any_process(signal: str | None) -> None:
    usual = process(signal, **MASSES)
    other = process(signal, **MASSES, shower="vincia")
    assert usual == process(signal, **MASSES, shower="simple")
    assert other.settings == (*usual.settings, "PartonShowers:model = 2")
    assert (other.name, other.is_signal, other.soft) == (usual.name, usual.is_signal, usual.soft)


def test_an_unknown_shower_is_refused_by_name() -> None:
    with pytest.raises(SimulationError, match="Unknown shower 'vinica'"):
        process(None, **MASSES, shower="vinica")


def test_a_lowest_mass_is_for_the_background_alone() -> None:
    assert process(None, **MASSES, mhat_min=4000.0).settings == (
        *process(None, **MASSES).settings,
        "PhaseSpace:mHatMin = 4000",
    )
    with pytest.raises(SimulationError, match="Lowest mass 4000 GeV of the partons of wprime"):
        process("wprime", **MASSES, mhat_min=4000.0)
    with pytest.raises(SimulationError, match="Lowest mass -1 GeV"):
        process(None, **MASSES, mhat_min=-1.0)


def test_pythia_knows_the_settings_of_every_shower() -> None:
    pythia8 = pytest.importorskip("pythia8mc")
    for settings in SHOWERS.values():
        generator = pythia8.Pythia("", False)
        assert all(generator.readString(setting) for setting in settings)
