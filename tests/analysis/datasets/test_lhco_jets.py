"""Raw LHC Olympics events clustered into jets with constituents, against FastJet's own classes event by event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from typer.testing import CliRunner

from analysis import DIJET_MASS, Constituents, read_events
from analysis.datasets import convert_lhco_raw, lhco_jets
from analysis.errors import InputFileError
from analysis.io.ntuples import Events

pd = pytest.importorskip("pandas")
pytest.importorskip("tables")
fastjet = pytest.importorskip("fastjet")

EVENTS = 20
EMPTY = 5
RADIUS = 1.0
# Twelve bits of mantissa.
ROUNDING = 2.0**-13


def raw_table(seed: int = 2) -> np.ndarray:
    """Two wide sprays and a soft third one of massless particles; one event has none."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((EVENTS, 2101))
    for row in rows:
        count = int(rng.integers(60, 140))
        side = rng.choice(3, count, p=[0.48, 0.44, 0.08])
        hardness = np.array([30.0, 25.0, 3.0])[side]
        eta = np.array([-0.4, 0.5, 1.6])[side] + rng.normal(0, 0.3, count)
        phi = np.array([-2.9, 0.1, 1.7])[side] + rng.normal(0, 0.3, count)
        phi = (phi + np.pi) % (2 * np.pi) - np.pi
        row[: 3 * count] = np.stack([rng.exponential(hardness) + 0.5, eta, phi], axis=1).ravel()
    rows[EMPTY, :2100] = 0
    rows[:, -1] = rng.integers(0, 2, EVENTS)
    return rows


def by_fastjet(row: np.ndarray) -> list[tuple[float, float, float, float, list[float]]]:
    """pT, η, φ, mass and the pT of the constituents of the two hardest jets of one event."""
    particles = row[:2100].reshape(700, 3)
    pt, eta, phi = particles[particles[:, 0] > 0].T
    momenta = [
        fastjet.PseudoJet(*map(float, p))
        for p in np.transpose([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)])
    ]
    clusters = fastjet.ClusterSequence(momenta, fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS))
    jets = []
    for jet in fastjet.sorted_by_pt(clusters.inclusive_jets(20.0))[:2]:
        members = sorted((particle.pt() for particle in jet.constituents()), reverse=True)
        jets.append((jet.pt(), jet.eta(), jet.phi_std(), max(jet.m2(), 0.0) ** 0.5, members))
    return jets


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return raw_table()


@pytest.fixture(scope="module", params=["fixed", "table"])
def raw(request: Any, rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "raw.h5"
    frame = pd.DataFrame(rows)
    frame.to_hdf(path, key="df", format=request.param)
    return path


@pytest.fixture(scope="module")
def converted(raw: Path) -> Path:
    return convert_lhco_raw(raw, raw.with_name("jets.root"), constituents=279, chunk=7)


@pytest.fixture(scope="module")
def events(converted: Path) -> Events:
    return read_events(
        converted,
        mass=DIJET_MASS,
        constituents=Constituents(leading=279),
        selection="num(FatJet) >= 2",
        truth="isSignal",
    )


def four_momenta(x: np.ndarray) -> np.ndarray:
    pt, eta, phi = np.moveaxis(x.astype(np.float64), -1, 0)
    return np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=-1)


def test_labels_and_identities_are_those_of_the_rows(events: Events, rows: np.ndarray) -> None:
    kept = [i for i in range(EVENTS) if i != EMPTY]
    assert events.ids[:, 2].tolist() == [i + 1 for i in kept]
    np.testing.assert_array_equal(events.truth, rows[kept, -1] == 1)
    assert events.x.shape == (EVENTS - 1, 2, 279, 3)


def test_jets_and_constituents_are_those_of_fastjet(converted: Path, events: Events, rows: np.ndarray) -> None:
    with uproot.open(converted)["Events"] as tree:
        jets = tree.arrays()
    assert jets.event.tolist() == list(range(1, EVENTS + 1))
    assert jets.nFatJet.tolist() == [0 if i == EMPTY else 2 for i in range(EVENTS)]
    for x, number in zip(events.x, events.ids[:, 2], strict=True):
        event = jets[int(number) - 1]
        for i, (pt, eta, phi, mass, members) in enumerate(by_fastjet(rows[int(number) - 1])):
            assert event.FatJet_pt[i] == pytest.approx(pt, rel=2 * ROUNDING)
            assert event.FatJet_eta[i] == pytest.approx(eta, rel=2 * ROUNDING, abs=1e-6)
            assert event.FatJet_phi[i] == pytest.approx(phi, rel=2 * ROUNDING, abs=1e-6)
            assert event.FatJet_mass[i] == pytest.approx(mass, rel=2 * ROUNDING)
            assert event.FatJet_nConstituents[i] == len(members)
            np.testing.assert_allclose(x[i, : len(members), 0], members, rtol=2 * ROUNDING)
            assert not x[i, len(members) :].any()


def test_four_momentum_is_conserved(converted: Path, events: Events) -> None:
    with uproot.open(converted)["Events"] as tree:
        jets = tree.arrays()
    jets = jets[jets.nFatJet == 2]
    fields = {name: ak.to_numpy(jets[f"FatJet_{name}"]).astype(np.float64) for name in ("pt", "eta", "phi", "mass")}
    momentum = fields["pt"] * np.cosh(fields["eta"])
    of_jets = np.stack(
        [
            np.hypot(momentum, fields["mass"]),
            fields["pt"] * np.cos(fields["phi"]),
            fields["pt"] * np.sin(fields["phi"]),
            fields["pt"] * np.sinh(fields["eta"]),
        ],
        axis=-1,
    )
    of_constituents = four_momenta(events.x).sum(axis=2)
    # pT, η and φ of the jet are rounded, each to 1.2e-4 of itself.
    tolerance = 8 * ROUNDING * of_jets[..., :1]
    assert (np.abs(of_constituents - of_jets) < tolerance).all()
    total = of_constituents.sum(axis=1)
    mass = np.sqrt(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1))
    np.testing.assert_allclose(mass, events.mass, rtol=1e-3)


def test_fewer_constituents_are_the_hardest(raw: Path, events: Events, tmp_path: Path) -> None:
    path = convert_lhco_raw(raw, tmp_path / "few.root", constituents=5, chunk=50)
    few = read_events(path, mass=DIJET_MASS, constituents=Constituents(leading=8), selection="num(FatJet) >= 2")
    np.testing.assert_array_equal(few.x[:, :, :5], events.x[:, :, :5])
    assert not few.x[:, :, 5:].any()
    np.testing.assert_array_equal(few.mass, events.mass)


def test_the_trigger_looks_at_the_leading_jet(raw: Path, events: Events, rows: np.ndarray, tmp_path: Path) -> None:
    leading = np.array([by_fastjet(row)[0][0] if i != EMPTY else 0 for i, row in enumerate(rows)])
    threshold = float(np.median(leading))
    path = convert_lhco_raw(raw, tmp_path / "a.root", constituents=3, trigger=threshold, chunk=4)
    with uproot.open(path)["Events"] as tree:
        kept = tree["event"].array().tolist()
    assert kept == (np.flatnonzero(leading > threshold) + 1).tolist()
    with uproot.open(convert_lhco_raw(raw, tmp_path / "b.root", trigger=1e5))["Events"] as tree:
        assert tree.num_entries == 0


def test_an_interrupted_conversion_goes_on(
    raw: Path, converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clustered: list[int] = []
    output = tmp_path / "jets.root"
    genuine = lhco_jets.cluster

    def failing(chunk: Any, **settings: Any) -> Any:
        clustered.append(chunk.first)
        if len(clustered) == 3:
            raise KeyboardInterrupt
        return genuine(chunk, **settings)

    monkeypatch.setattr(lhco_jets, "cluster", failing)
    with pytest.raises(KeyboardInterrupt):
        convert_lhco_raw(raw, output, constituents=279, chunk=7)
    assert not output.exists()
    convert_lhco_raw(raw, output, constituents=279, chunk=7)
    assert clustered == [0, 7, 14, 14]
    with uproot.open(output)["Events"] as again, uproot.open(converted)["Events"] as whole:
        assert ak.array_equal(again.arrays(), whole.arrays())
    assert [path.name for path in tmp_path.iterdir()] == ["jets.root"]
    # Other settings start from the beginning.
    clustered[:] = [0]
    with pytest.raises(KeyboardInterrupt):
        convert_lhco_raw(raw, output, constituents=279, chunk=7)
    clustered[:] = [0, 1, 2]
    convert_lhco_raw(raw, output, constituents=20, chunk=7)
    assert clustered[3:] == [0, 7, 14]


def test_what_is_no_raw_file_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="does not exist"):
        convert_lhco_raw(tmp_path / "raw.h5", tmp_path / "a.root")
    assert list(tmp_path.iterdir()) == []


def test_the_verb(raw: Path, tmp_path: Path) -> None:
    from cathode.cli.app import app

    arguments = ["data", "cluster", str(raw), str(tmp_path / "a.root"), "--constituents", "10", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["path"] == str(tmp_path / "a.root")
    with uproot.open(tmp_path / "a.root")["Events"] as tree:
        assert tree.num_entries == EVENTS
        assert int(ak.max(tree["nPFCands"].array())) == 20
