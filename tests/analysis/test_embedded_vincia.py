"""The shipped simulation: another parton shower than that of the shipped data, and made in the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis import read_events
from analysis.datasets import describe, embedded
from analysis.errors import EmptySelectionError
from tools.make_embedded_vincia import make_embedded_vincia

FEATURES = {"mj_light": "mj_light(FatJet)", "tau21_heavy": "tau21_heavy(FatJet)"}


def test_is_small_and_holds_what_it_says() -> None:
    stated, path = describe("dijets_vincia"), embedded("dijets_vincia")
    assert path.stat().st_size < 4e6
    events = read_events([path], features=FEATURES, mass="mjj(FatJet)", truth="isSignal")
    assert len(events) == stated["qcd_events"]
    assert events.truth is not None
    assert not events.truth.any()
    assert events.mass.min() > 0.999 * stated["minimum_dijet_mass"]
    assert int(((events.mass >= 3300) & (events.mass < 3700)).sum()) == pytest.approx(
        stated["qcd_events_in_window"], abs=1
    )
    assert "Vincia" in stated["process"]


def test_is_close_to_the_data_but_not_the_same() -> None:
    """Masses and shapes of jets differ by some per cent, as those of two good showers do."""
    data, simulation = (
        read_events([embedded(name)], features=FEATURES, mass="mjj(FatJet)") for name in ("dijets", "dijets_vincia")
    )
    ratio = simulation.x.mean(axis=0) / data.x.mean(axis=0)
    error = simulation.x.std(axis=0) / simulation.x.mean(axis=0) * len(simulation) ** -0.5
    assert np.all(np.abs(ratio - 1) < 0.1)
    assert np.any(np.abs(ratio - 1) > 2 * error)
    assert simulation.mass.mean() == pytest.approx(data.mass.mean(), rel=0.02)


def test_can_be_made_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_embedded_vincia(embedded("dijets_vincia"), tmp_path / f"{name}.root", events=300, seed=4)
    first, second = (read_events([tmp_path / f"{n}.root"], features=FEATURES, mass="mjj(FatJet)") for n in ("a", "b"))
    assert np.array_equal(first.x, second.x)
    assert len(first) == 300
    with pytest.raises(EmptySelectionError):
        make_embedded_vincia(embedded("dijets_vincia"), tmp_path / "c.root", events=10**6)
