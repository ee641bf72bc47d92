"""Simulated top and light jets: particles that can be, physics of the jets, displaced tracks, reproducibility."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis.datasets import read_jetclass
from analysis.datasets.jetclass import DISPLACEMENT, IDENTITY, LABELS, TREE
from analysis.errors import AnalysisError, OutputError, SimulationError
from analysis.simulation import extras, jetclass

JETS = {"top": 60, "light": 60}
#: Charge, then charged hadron, neutral hadron, photon, electron, muon: all that there is.
POSSIBLE = {(q, 1, 0, 0, 0, 0) for q in (1, -1)} | {(q, 0, 0, 0, 1, 0) for q in (1, -1)}
POSSIBLE |= {(q, 0, 0, 0, 0, 1) for q in (1, -1)} | {(0, 0, 1, 0, 0, 0), (0, 0, 0, 1, 0, 0)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    for library in ("pythia8mc", "fastjet"):
        pytest.importorskip(library)
    folder = tmp_path_factory.mktemp("jets")
    return {
        kind: jetclass.simulate_jets(n, kind=kind, seed=4, output=folder / f"{kind}.root") for kind, n in JETS.items()
    }


def arrays(path: Path) -> Any:
    with uproot.open(path)[TREE] as tree:
        return tree.arrays()


@pytest.fixture(scope="module")
def simulated(files: dict[str, Path]) -> dict[str, Any]:
    return {kind: arrays(path) for kind, path in files.items()}


@pytest.mark.parametrize("kind", JETS)
def test_particles_have_one_type_and_the_charge_of_it(simulated: dict[str, Any], kind: str) -> None:
    flat = [ak.to_numpy(ak.flatten(simulated[kind][f"part_{name}"])) for name in IDENTITY]
    found = {tuple(int(value) for value in row) for row in np.stack(flat, axis=1)}
    assert found <= POSSIBLE
    assert {(1, 1, 0, 0, 0, 0), (-1, 1, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0), (0, 0, 0, 1, 0, 0)} <= found
    for name in DISPLACEMENT:
        values = ak.to_numpy(ak.flatten(simulated[kind][f"part_{name}"]))
        assert not values[flat[0] == 0].any()
        assert (values[flat[0] != 0] != 0).all()
    assert (ak.to_numpy(ak.flatten(simulated[kind].part_d0err))[flat[0] != 0] > 0).all()


@pytest.mark.parametrize("kind", JETS)
def test_particles_add_up_to_the_jets(simulated: dict[str, Any], kind: str) -> None:
    jets = simulated[kind]
    px, py, pz, energy = (ak.to_numpy(ak.sum(jets[f"part_{name}"], axis=1)) for name in ("px", "py", "pz", "energy"))
    pt = np.hypot(px, py)
    np.testing.assert_allclose(pt, jets.jet_pt, rtol=1e-4)
    np.testing.assert_allclose(energy, jets.jet_energy, rtol=1e-4)
    np.testing.assert_allclose(np.arcsinh(pz / pt), jets.jet_eta, atol=1e-4)
    assert 500 < pt.min() < pt.max() < 1000
    assert ak.all(abs(jets.jet_eta) < 2)
    assert ak.all(ak.num(jets.part_px) == jets.jet_nparticles)
    assert ak.all(ak.num(jets.part_px) <= 128)
    of_particles = np.hypot(jets.part_px, jets.part_py)
    assert ak.all(of_particles[:, :-1] >= of_particles[:, 1:])
    # Massless, around the axis within the radius and a little, mirrored to positive η of the jet.
    eta, side = np.arcsinh(jets.part_pz / of_particles), np.where(jets.jet_eta < 0, -1, 1)
    assert ak.all(abs(jets.part_deta - side * (eta - jets.jet_eta)) < 1e-4)
    assert ak.all(abs(np.hypot(of_particles, jets.part_pz) / jets.part_energy - 1) < 1e-4)
    assert np.mean(ak.flatten(np.hypot(jets.part_deta, jets.part_dphi)) < 0.85) > 0.99


def test_tops_are_heavy_and_have_three_prongs(simulated: dict[str, Any]) -> None:
    """The mass of a top is 173 GeV, and so is that of what is left by soft drop if nothing is lost."""
    top, light = simulated["top"], simulated["light"]
    assert np.median(top.jet_sdmass) == pytest.approx(170, abs=12)
    assert np.median(light.jet_sdmass) < 60
    assert np.median(top.jet_tau3 / top.jet_tau2) < np.median(light.jet_tau3 / light.jet_tau2) - 0.1
    for jets in (top, light):
        assert ak.all(jets.jet_sdmass >= 0)
        assert ak.all(jets.jet_tau1 >= jets.jet_tau2)
        assert ak.all(jets.jet_tau3 >= jets.jet_tau4)
        mass2 = jets.jet_energy**2 - (jets.jet_pt * np.cosh(jets.jet_eta)) ** 2
        assert np.mean(jets.jet_sdmass**2 <= 1.01 * mass2 + 25) == 1


def test_labels_are_those_of_jetclass_and_the_file_is_read_as_one(files: dict[str, Path]) -> None:
    for kind, label in (("top", "Tbqq"), ("light", "QCD")):
        jets = read_jetclass(files[kind])
        assert {jets.classes[i] for i in jets.labels} == {label}
        np.testing.assert_allclose(jets.multiplicity, jets.feature("nparticles"))


def test_tracks_are_prompt_within_their_errors_or_come_from_far(simulated: dict[str, Any]) -> None:
    """Most are from the collision with a pull of width 1; those of b hadrons make tops have more others."""
    far = {}
    for kind, jets in simulated.items():
        for name in ("d0", "dz"):
            value, error = (ak.to_numpy(ak.flatten(jets[f"part_{name}{which}"])) for which in ("val", "err"))
            pull = (value / np.where(error > 0, error, 1))[error > 0]
            far[kind, name] = np.mean(np.abs(pull) > 5)
            # The middle 40 % of a normal law are within ±0.524; tops have too many tracks of b hadrons.
            core = np.abs(np.quantile(pull, [0.3, 0.7]))
            assert core == pytest.approx(0.524, abs=0.12 if kind == "light" else 0.3)
            assert np.abs(value).max() > 20 * np.std(value[np.abs(value) < 1])
    assert far["top", "d0"] > 1.4 * far["light", "d0"] > 0.02


def test_errors_are_smaller_for_hard_tracks(simulated: dict[str, Any]) -> None:
    jets = simulated["top"]
    charged = abs(jets.part_charge) == 1
    pt, error = (
        ak.to_numpy(ak.flatten(each[charged])) for each in (np.hypot(jets.part_px, jets.part_py), jets.part_d0err)
    )
    assert np.median(error[pt > 20]) < 0.5 * np.median(error[pt < 2])


@pytest.mark.slow
def test_workers_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for library in ("pythia8mc", "fastjet"):
        pytest.importorskip(library)
    monkeypatch.setattr(jetclass, "JETS_PER_CHUNK", 15)
    made, seen = [], []
    for workers in (1, 2):
        jetclass.simulate_jets(
            40,
            kind="light",
            seed=9,
            output=tmp_path / "a.root",
            workers=workers,
            progress=lambda done, total: seen.append((done, total)),
        )
        made.append(arrays(tmp_path / "a.root"))
    assert ak.array_equal(*made)
    assert seen == [(15, 40), (30, 40), (40, 40)] * 2
    # Parts have seeds of their own.
    assert len(np.unique(made[0].jet_pt)) == 40
    assert [path.name for path in tmp_path.iterdir()] == ["a.root"]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"kind": "tops"}, SimulationError, "Unknown kind of jets 'tops'. Nearest: 'top'"),
        ({"seed": -1}, SimulationError, "Seed -1: it must not be negative"),
        ({"n_jets": 0}, SimulationError, "0 jets with 1 workers: both must be at least 1"),
        ({"output": "folder"}, OutputError, "is a folder"),
    ],
)
def test_what_makes_no_sense_is_named(
    tmp_path: Path, arguments: dict[str, Any], error: type[AnalysisError], said: str
) -> None:
    (tmp_path / "folder").mkdir()
    settings = {"n_jets": 2, "seed": 1, "output": "a.root"} | arguments
    output = tmp_path / str(settings.pop("output"))
    with pytest.raises(error) as caught:
        jetclass.simulate_jets(settings.pop("n_jets"), output=output, **settings)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_missing_library_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", absent)
    with pytest.raises(SimulationError, match=r"pip install 'cathode-hep\[simulation\]'"):
        jetclass.simulate_jets(1, seed=1, output=tmp_path / "a.root")


def test_only_jets_with_all_quarks_of_one_top_are_tops() -> None:
    """A jet with two quarks of t and one of t̄ has three quarks, and is none."""
    jets = ak.Array([[{"eta": 0.0, "phi": 3.1}, {"eta": 2.0, "phi": 0.0}]] * 3)

    def record(places: list[tuple[float, float]]) -> list[dict[str, Any]]:
        mothers = [
            {"id": i, "status": -22, "mother1": 0, "p": {"px": 1.0, "py": 0.0, "pz": 0.0}} for i in (6, 24, -6, -24)
        ]
        quarks = [(5, 0), (1, 1), (-2, 1), (-5, 2), (3, 3), (-4, 3)]
        return mothers + [
            {
                "id": pdg,
                "status": -23,
                "mother1": mother,
                "p": {"px": float(np.cos(phi)), "py": float(np.sin(phi)), "pz": float(np.sinh(eta))},
            }
            for (pdg, mother), (eta, phi) in zip(quarks, places, strict=True)
        ]

    first, second = (0.1, -3.1), (2.1, 0.1)
    batch = ak.Array(
        [
            record([first] * 3 + [second] * 3),
            record([first, first, second, first, second, second]),
            record([first, first, (0.0, 2.2), second, second, second]),
        ]
    )
    assert jetclass.contain_a_top(jets, batch).tolist() == [[True, True], [False, False], [False, True]]


def test_every_label_is_one_of_jetclass() -> None:
    assert set(jetclass.KINDS.values()) <= set(LABELS)
