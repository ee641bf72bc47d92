"""What particles can be, and numbers of jets that are computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import ConstituentError
from analysis.features.particle_types import NUMBERS, impossible, impossible_types, jet_numbers

TRACK = [0.1, 0.0, 0.4, 1, 1, 0, 0, 0, 0, 0.06, 0.02, -0.2, 0.05]
PHOTON = [-0.1, 0.0, 0.4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
MUON = [0.0, 0.2, 0.2, -1, 0, 0, 0, 0, 1, -2.0, 0.1, 0.0, 0.2]
NOTHING = [0.0] * 13


def changed(particle: list[float], **values: float) -> list[float]:
    names = (
        "eta",
        "phi",
        "pt",
        "charge",
        "charged",
        "neutral",
        "photon",
        "electron",
        "muon",
        "d0",
        "d0err",
        "dz",
        "dzerr",
    )
    return [values.get(name, value) for name, value in zip(names, particle, strict=True)]


def test_what_exists_is_possible_and_absent_ones_are_not_asked() -> None:
    assert not impossible(np.array([[TRACK, PHOTON, MUON, NOTHING, changed(NOTHING, neutral=3)]])).any()


@pytest.mark.parametrize(
    "particle",
    [
        changed(TRACK, charge=0),
        changed(TRACK, charge=2),
        changed(TRACK, electron=1),
        changed(TRACK, charged=0),
        changed(TRACK, d0err=0),
        changed(TRACK, dzerr=-0.1),
        changed(PHOTON, charge=1),
        changed(PHOTON, d0=0.1),
        changed(PHOTON, dzerr=0.1),
        changed(PHOTON, photon=0.5, neutral=0.5),
        changed(MUON, charge=0),
    ],
)
def test_what_can_not_exist_is_found(particle: list[float]) -> None:
    clouds = np.array([[TRACK, particle, NOTHING]])
    assert impossible(clouds).tolist() == [[False, True, False]]
    # Charge and flags alone say the same if these differ from what is possible.
    known = particle[3:9] in (TRACK[3:9], PHOTON[3:9], MUON[3:9])
    assert impossible_types(clouds).tolist() == [[False, not known, False]]


def test_numbers_are_those_by_hand() -> None:
    found = dict(zip(NUMBERS, jet_numbers(np.array([[TRACK, PHOTON, MUON, NOTHING]]))[0], strict=True))
    assert found["particles"] == 3
    assert [found[f"{kind} of number"] for kind in ("charged", "neutral", "photon", "electron", "muon")] == [
        1,
        0,
        1,
        0,
        1,
    ]
    assert [found[f"{kind} of pT"] for kind in ("charged", "photon", "muon")] == pytest.approx([0.4, 0.4, 0.2])
    assert found["charge weighted by pT"] == pytest.approx(0.2)
    # |d0|/σ is 3.0, which rounds to either side, of the track and 20 of the muon.
    assert found["displaced tracks"] in (1, 2)
    assert found["largest |d0|/σ"] == pytest.approx(np.log1p(20))
    assert found["largest |d0|"] == pytest.approx(np.log1p(2))
    assert found["mean |d0|/σ"] == pytest.approx(np.log1p(11.5))
    assert found["mean |dz|/σ"] == pytest.approx(np.log1p(2))
    assert found["mean ln σ(d0)"] == pytest.approx(np.log(0.02 * 0.1) / 2)
    assert found["correlation of ln σ(d0) and ln pT"] == pytest.approx(-1)


def test_jets_without_tracks_have_finite_numbers() -> None:
    assert np.isfinite(jet_numbers(np.array([[PHOTON], [NOTHING]]))).all()


def test_other_clouds_are_refused() -> None:
    with pytest.raises(ConstituentError, match=r"\(N, P, 13\) is needed"):
        impossible(np.zeros((2, 5, 3)))
