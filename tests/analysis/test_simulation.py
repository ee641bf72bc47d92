"""The dijet simulation: identities of propagation and energy flow, physics of the samples, reproducibility."""

import importlib
from contextlib import nullcontext

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis.errors import SimulationError
from analysis.features.dijets import DIJET_FUNCTIONS
from analysis.simulation import dijets, extras, parts
from analysis.simulation.calorimeter import Calorimeter, log_normal
from analysis.simulation.detector import Detector, cms_like, electromagnetic_fraction
from analysis.simulation.particles import Particles
from analysis.simulation.processes import process
from analysis.simulation.propagation import SPEED_OF_LIGHT, to_calorimeter
from analysis.simulation.tracker import Tracker
from analysis.tasks import task

MASSES = {11: 0.000511, 13: 0.1057, 22: 0.0, 211: 0.1396, 2112: 0.9396, 130: 0.4976, 3122: 1.1157, 12: 0.0}
CYLINDER = {"radius": 1.29, "half_length": 3.0}


def particles(pdg, pt, eta, phi, vertex=(0.0, 0.0, 0.0), event=None):
    """Particles by pseudorapidity and azimuth, with masses of their own."""
    pdg, pt, eta, phi = np.broadcast_arrays(pdg, np.asarray(pt, float), eta, phi)
    mass = np.array([MASSES[abs(i)] for i in pdg])
    pz = pt * np.sinh(eta)
    x, y, z = (np.broadcast_to(np.asarray(v, float), pt.shape) for v in vertex)
    number = np.zeros(len(pt), int) if event is None else event
    energy = np.sqrt(pt**2 + pz**2 + mass**2)
    return Particles(number, pdg, pt * np.cos(phi), pt * np.sin(phi), pz, energy, x, y, z)


def spray(n, seed, kinds=(211, -211, 22, 130, 2112, 11, 13, 3122)):
    rng = np.random.default_rng(seed)
    return particles(
        rng.choice(kinds, n),
        1 + rng.exponential(20, n),
        rng.uniform(-2.4, 2.4, n),
        rng.uniform(-np.pi, np.pi, n),
        event=np.sort(rng.integers(0, 10, n)),
    )


def perfect(efficiency=1.0, acceptance=5.0):
    """A detector without smearing and thresholds."""
    real = cms_like()
    families = ("electron", "muon", "hadron")
    tracker = Tracker(
        acceptance=acceptance,
        minimum_pt=0.0,
        efficiency={f: [[efficiency]] for f in families},
        efficiency_eta=[],
        efficiency_pt=[],
        resolution={f: [[0.0, 0.0]] for f in families},
        resolution_eta=[],
    )

    def exact(calorimeter):
        return Calorimeter(calorimeter.towers, lambda eta, energy: np.zeros(len(energy)), 0.0, 0.0)

    return Detector(3.8, 1.29, 3.0, tracker, exact(real.ecal), exact(real.hcal))


# ── particles and propagation ──


def test_charges_and_visibility():
    kinds = particles([211, -211, 11, -11, 22, 2112], 1.0, 0.0, 0.0)
    assert kinds.charge.tolist() == [1, -1, -1, 1, 0, 0]
    assert particles([12, -12, 13], 1.0, 0.0, 0.0).visible.tolist() == [False, False, True]


def test_neutral_particles_from_the_origin_keep_their_direction():
    neutral = spray(500, 1, kinds=(22, 130))
    eta, phi = to_calorimeter(neutral, field=3.8, **CYLINDER)
    np.testing.assert_allclose(eta, neutral.eta, rtol=1e-12)
    np.testing.assert_allclose(phi, neutral.phi, rtol=1e-12)


def test_tracks_are_chords_of_circles():
    """From the origin to the wall the chord is R, so the azimuth turns by half of the arc: sin Δφ = R / 2ρ."""
    tracks = particles([211, -211] * 50, np.repeat(np.geomspace(0.8, 500, 50), 2), 0.3, 1.0)
    _, phi = to_calorimeter(tracks, field=3.8, **CYLINDER)
    rho = tracks.pt / (SPEED_OF_LIGHT * 3.8)
    np.testing.assert_allclose(np.sin(phi - 1.0), -tracks.charge * 1.29 / (2 * rho), rtol=1e-9)


def test_propagation_agrees_with_integrating_the_lorentz_force():
    rng = np.random.default_rng(4)
    n = 60
    tracks = particles(
        rng.choice([211, -211, 22], n),
        rng.uniform(0.3, 5, n),
        rng.uniform(-2.5, 2.5, n),
        rng.uniform(-np.pi, np.pi, n),
        vertex=(rng.normal(0, 0.2, n), rng.normal(0, 0.2, n), rng.normal(0, 0.3, n)),
    )
    eta, phi = to_calorimeter(tracks, field=3.8, **CYLINDER)
    step = 2e-4
    turn = -SPEED_OF_LIGHT * 3.8 * tracks.charge / tracks.pt * step
    x, y, z, angle = tracks.x.copy(), tracks.y.copy(), tracks.z.copy(), tracks.phi.copy()
    inside = np.ones(n, bool)
    for _ in range(100_000):
        middle = angle + turn / 2
        x[inside] += step * np.cos(middle[inside])
        y[inside] += step * np.sin(middle[inside])
        z[inside] += step * (tracks.pz / tracks.pt)[inside]
        angle += turn
        inside &= (np.hypot(x, y) < 1.29) & (np.abs(z) < 3.0)
        if not inside.any():
            break
    assert not inside.any()
    np.testing.assert_allclose(eta, np.arcsinh(z / np.hypot(x, y)), atol=5e-3)
    np.testing.assert_allclose(np.cos(phi - np.arctan2(y, x)), 1.0, atol=1e-5)


def test_what_never_arrives_has_no_impact():
    """One curls up inside, one is produced beside and one behind the detector."""
    lost = particles([211, 22, 211], [0.3, 10, 10], [0.0, 0.3, 0.3], 0.0, vertex=([0, 2, 0], 0.0, [0, 0, 4]))
    eta, phi = to_calorimeter(lost, field=3.8, **CYLINDER)
    assert np.isnan(eta).all()
    assert np.isnan(phi).all()


# ── calorimeter and tracker ──


@pytest.mark.parametrize("part", ["ecal", "hcal"])
def test_towers_cover_the_detector_without_gap(part):
    towers = getattr(cms_like(), part).towers
    cells = np.arange(towers.n_cells)
    for seed in range(2):
        eta, phi = towers.anywhere_in(cells, np.random.default_rng(seed))
        assert np.array_equal(towers.cell(eta, phi), cells)
    np.testing.assert_allclose(towers.edges, -towers.edges[::-1])
    assert (np.diff(towers.edges) > 0).all()
    assert towers.cell(np.array([5.1, -5.1, np.nan]), np.zeros(3)).tolist() == [-1, -1, -1]
    assert towers.cell(np.zeros(2), np.array([np.pi, -np.pi])).min() >= 0


def test_log_normal_has_the_mean_and_width_that_it_is_given():
    n = 200_000
    values = log_normal(np.full(n, 10.0), np.full(n, 3.0), np.random.default_rng(1))
    assert values.mean() == pytest.approx(10, abs=4 * 3 / np.sqrt(n))
    assert values.std() == pytest.approx(3, rel=0.02)
    assert values.min() > 0
    exact = log_normal(np.array([0.0, 5.0]), np.array([1.0, 0.0]), np.random.default_rng(1))
    assert exact.tolist() == [0.0, 5.0]


@pytest.mark.parametrize("efficiency", [1.0, 0.0, 0.5])
def test_without_smearing_energy_flow_conserves_energy(efficiency):
    """Whatever share is seen as tracks, objects carry the energy of the particles, event by event."""
    incoming = spray(3000, 2, kinds=(211, -211, 22, 130, 2112, 11, 3122))
    detector = perfect(efficiency)
    objects = detector.respond(incoming, 10, np.random.default_rng(0))
    eta, _ = to_calorimeter(incoming, field=detector.field, **CYLINDER)
    assert not np.isnan(eta).any()
    seen = ak.to_numpy(ak.sum(objects.pt * np.cosh(objects.eta), axis=1))
    arrived = np.bincount(incoming.event, incoming.energy, minlength=10)
    np.testing.assert_allclose(seen, arrived, rtol=1e-9)


def test_without_smearing_isolated_tracks_are_the_particles():
    incoming = particles([211, -11, 13], [10.0, 20.0, 30.0], [0.5, -1.0, 2.0], [0.0, 2.0, -2.0])
    objects = perfect().respond(incoming, 1, np.random.default_rng(0))[0]
    for i in range(3):
        same = np.abs(objects.eta - incoming.eta[i]) < 1e-9
        assert objects.pt[same].tolist() == pytest.approx([incoming.pt[i]])


def test_neutrinos_are_not_seen():
    assert len(perfect().respond(particles([12, -12], 50.0, 0.0, 0.0), 1, np.random.default_rng(0))[0]) == 0


def test_calorimeter_measures_without_bias_and_with_its_resolution():
    n, energy = 20_000, 50.0
    photons = particles(np.full(n, 22), energy, 0.0087, 0.3, event=np.arange(n))
    objects = cms_like().respond(photons, n, np.random.default_rng(3))
    measured = ak.to_numpy(ak.flatten(objects.pt * np.cosh(objects.eta)))
    expected = np.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
    assert len(measured) == n
    assert measured.mean() == pytest.approx(photons.energy[0], abs=4 * expected / np.sqrt(n))
    assert measured.std() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("eta", "efficiency", "resolution"), [(0.2, 0.95, 0.06), (2.0, 0.85, 0.25), (2.7, 0.0, 0.0)])
def test_tracker_has_its_efficiency_and_resolution(eta, efficiency, resolution):
    n = 20_000
    pions = particles(np.full(n, 211), 10.0, eta, 0.3, event=np.arange(n))
    tracks = cms_like().tracker.track(pions, np.random.default_rng(3))
    assert len(tracks.pt) / n == pytest.approx(efficiency, abs=0.01)
    if efficiency:
        assert tracks.pt.mean() == pytest.approx(10.0, abs=0.1)
        assert tracks.pt.std() / 10 == pytest.approx(resolution, rel=0.1)


def test_lost_tracks_leave_their_energy_in_the_calorimeter():
    n = 5_000
    pions = particles(np.full(n, 211), 100.0, 0.3, 0.3, event=np.arange(n))
    objects = cms_like().respond(pions, n, np.random.default_rng(3))
    energy = ak.to_numpy(ak.sum(objects.pt * np.cosh(objects.eta), axis=1))
    assert (energy > 20).mean() > 0.999
    # A combination of both measurements is better than either: σ(track) = 14 %, σ(calorimeter) = 16 %.
    assert np.std(energy[np.abs(energy / pions.energy[0] - 1) < 0.5] / pions.energy[0]) < 0.14


def test_shares_of_the_calorimeters():
    assert electromagnetic_fraction(np.array([22, -11, 310, -3122, 211])).tolist() == [1.0, 1.0, 0.3, 0.3, 0.0]


# ── processes and errors ──


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"signal": "wprim"}, "wprime"),
        ({"signal": "wprime", "daughter_masses": (3000.0, 600.0)}, "sum to less"),
        ({"signal": "wprime", "daughter_masses": (-1.0, 600.0)}, "must be positive"),
        ({"signal": "wprime", "resonance_mass": 2000.0}, "softer than"),
    ],
)
def test_senseless_settings_are_refused(arguments, message):
    settings = {"resonance_mass": 3500.0, "daughter_masses": (500.0, 100.0)} | arguments
    with pytest.raises(SimulationError, match=message):
        process(settings.pop("signal"), **settings)


def test_missing_library_names_the_remedy(monkeypatch, tmp_path):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", absent)
    with pytest.raises(SimulationError, match=r"pip install 'cathode-hep\[simulation\]'"):
        dijets.simulate_dijets(1, seed=1, output=tmp_path / "a.root")


# ── the whole simulation ──


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Small samples, each simulated once: name -> arrays of the ntuple."""
    for library in ("pythia8mc", "fastjet"):
        pytest.importorskip(library)
    folder = tmp_path_factory.mktemp("simulated")
    samples = {"qcd": (150, {}), "wprime": (300, {"signal": "wprime"}), "again": (40, {})}
    out = {}
    for name, (n, arguments) in samples.items():
        path = dijets.simulate_dijets(n, seed=4, output=folder / f"{name}.root", constituents=True, **arguments)
        with uproot.open(path)["Events"] as tree:
            out[name] = tree.arrays()
    return out


def observable(name, events):
    fields = ("pt", "eta", "phi", "mass", "tau1", "tau2", "tau3")
    jets = [{f: ak.to_numpy(events[f"FatJet_{f}"][:, i]) for f in fields} for i in (0, 1)]
    return DIJET_FUNCTIONS[name].compute(*jets)


def test_same_seed_gives_the_same_file(simulated):
    """And fewer events are the beginning of more."""
    assert ak.array_equal(simulated["qcd"][:40], simulated["again"])


def test_events_are_selected_and_numbered(simulated):
    for name, n in (("qcd", 150), ("wprime", 300)):
        events = simulated[name]
        assert len(events) == n
        assert ak.all(events.nFatJet == 2)
        assert ak.all(events.FatJet_pt[:, 0] >= 1200)
        assert ak.all(events.FatJet_pt[:, 0] >= events.FatJet_pt[:, 1])
        assert ak.all(abs(events.FatJet_eta[:, 0]) < 2.5)
        assert events.event.tolist() == list(range(1, n + 1))
        assert set(events.isSignal.tolist()) == {int(name == "wprime")}
    assert simulated["qcd"].run[0] != simulated["wprime"].run[0]


def test_constituents_add_up_to_the_jets(simulated):
    events = simulated["qcd"]
    for jet in (0, 1):
        member = events.PFCands_jetIdx == jet
        pt, eta, phi = (events[f"PFCands_{f}"][member] for f in ("pt", "eta", "phi"))
        assert ak.all(ak.num(pt) == events.FatJet_nConstituents[:, jet])
        px, py, pz, energy = (
            ak.to_numpy(ak.sum(p, axis=1)).astype(float)
            for p in (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))
        )
        np.testing.assert_allclose(np.hypot(px, py), events.FatJet_pt[:, jet], rtol=5e-4)
        mass = np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0))
        np.testing.assert_allclose(mass, events.FatJet_mass[:, jet], rtol=0.01, atol=2.0)
        # τ1 with any one axis bounds the minimised τ1 from above; the jet axis is one.
        distance = np.hypot(
            eta - events.FatJet_eta[:, jet], np.mod(phi - events.FatJet_phi[:, jet] + np.pi, 2 * np.pi) - np.pi
        )
        around = ak.sum(pt * distance, axis=1) / ak.sum(pt, axis=1)
        assert ak.all(events.FatJet_tau1[:, jet] <= around * 1.05 + 1e-3)
        assert ak.all(events.FatJet_tau2[:, jet] <= events.FatJet_tau1[:, jet])


def test_resonance_and_its_daughters_have_their_masses(simulated):
    """Quantiles of 60,000 events of the reference sample: m_jj 3499, light jet 110, heavy jet 500 GeV."""
    signal = simulated["wprime"]
    mass = observable("mjj", signal)
    assert np.median(mass) == pytest.approx(3500, abs=40)
    assert ((mass > 3300) & (mass < 3700)).mean() == pytest.approx(0.755, abs=0.09)
    assert np.median(observable("mj_light", signal)) == pytest.approx(110, abs=6)
    assert np.median(observable("mj_heavy", signal)) == pytest.approx(500, abs=15)


def test_signal_jets_have_two_prongs(simulated):
    for name in ("tau21_light", "tau21_heavy"):
        signal, background = (np.median(observable(name, simulated[s])) for s in ("wprime", "qcd"))
        assert signal < background - 0.1


def test_background_falls_and_is_lighter(simulated):
    mass = observable("mjj", simulated["qcd"])
    # Reference: median 2878, 84 % quantile 3644.
    assert np.median(mass) == pytest.approx(2878, abs=150)
    assert np.median(observable("mj_heavy", simulated["qcd"])) == pytest.approx(246, abs=45)


def test_workers_change_nothing(monkeypatch, tmp_path):
    for library in ("pythia8mc", "fastjet"):
        pytest.importorskip(library)
    monkeypatch.setattr(dijets, "EVENTS_PER_CHUNK", 15)
    arrays, seen = [], []
    for workers in (1, 2):
        path = dijets.simulate_dijets(
            40,
            signal="wprime",
            seed=9,
            output=tmp_path / "a.root",
            daughter_masses=(300.0, 200.0),
            workers=workers,
            progress=lambda done, total: seen.append((done, total)),
        )
        with uproot.open(path)["Events"] as tree:
            arrays.append(tree.arrays())
    assert ak.array_equal(*arrays)
    assert seen == [(15, 40), (30, 40), (40, 40)] * 2
    assert "PFCands_pt" not in arrays[0].fields
    assert arrays[0].luminosityBlock.tolist() == [1] * 15 + [2] * 15 + [3] * 10
    # Chunks have seeds of their own.
    assert len(np.unique(ak.to_numpy(arrays[0].FatJet_eta[:, 0]))) > 38
    assert np.median(observable("mj_heavy", arrays[0])) == pytest.approx(300, abs=30)


def test_selection_that_nothing_passes_ends(monkeypatch, tmp_path):
    for library in ("pythia8mc", "fastjet"):
        pytest.importorskip(library)
    monkeypatch.setattr(dijets, "LEADING_JET_PT", 5000.0)
    monkeypatch.setattr(parts, "ACCEPTANCE_AFTER", 100)
    with pytest.raises(SimulationError, match="0 of 100 'wprime' events"):
        dijets.simulate_dijets(5, signal="wprime", seed=1, output=tmp_path / "a.root")
    assert list(tmp_path.iterdir()) == []


def test_generated_events_conserve_momentum_and_keep_it_through_the_detector():
    """Particles add up to two protons of 6.5 TeV; without smearing the jets are those of the particles."""
    for library in ("pythia8mc", "fastjet"):
        pytest.importorskip(library)
    generation = importlib.import_module("analysis.simulation.generation")
    leading_jets = importlib.import_module("analysis.simulation.jets").leading_jets
    chosen = process("wprime", resonance_mass=3500.0, daughter_masses=(500.0, 100.0))
    produced, n = next(generation.collisions(chosen, seed=3))
    for column, total in ((produced.px, 0), (produced.py, 0), (produced.pz, 0), (produced.energy, 13_000)):
        np.testing.assert_allclose(np.bincount(produced.event, column, minlength=n), total, atol=0.1)

    visible = produced[produced.visible & (np.abs(produced.eta) < 4.5) & (np.abs(produced.pdg) != 13)]
    flat = ak.zip({"pt": visible.pt, "eta": visible.eta, "phi": visible.phi})
    truth, _ = leading_jets(ak.unflatten(flat, np.bincount(visible.event, minlength=n)))
    seen, _ = leading_jets(perfect(acceptance=2.5).respond(visible, n, np.random.default_rng(1)))
    ratio = ak.to_numpy(seen.pt[:, 0] / truth.pt[:, 0])
    assert np.median(ratio) == pytest.approx(1.0, abs=0.003)
    assert np.quantile(np.abs(ratio - 1), 0.9) < 0.03
    real, _ = leading_jets(cms_like().respond(visible, n, np.random.default_rng(1)))
    smeared = ak.to_numpy(real.pt[:, 0] / truth.pt[:, 0])
    assert np.median(smeared) == pytest.approx(1.0, abs=0.03)
    assert smeared.std() > 2 * np.quantile(np.abs(ratio - 1), 0.68)


def test_an_interrupted_simulation_is_continued(monkeypatch, tmp_path):
    """What was simulated is not simulated again, and nothing but the file stays."""
    simulated = []

    @task
    def toy(place, *, events, seed, chunk, **_):
        simulated.append(chunk)
        fields = dict.fromkeys(("pt", "eta", "phi", "mass", "tau1", "tau2", "tau3"), 1.5 + seed)
        jets = ak.Array([[fields | {"nConstituents": chunk}] * 2] * events)
        found = ak.zip({"FatJet": jets}, depth_limit=1)
        found["isSignal"] = np.zeros(events, np.int8)
        parts.write_events(place, found)

    toy.__module__, toy.__qualname__ = dijets.__name__, "simulate_chunk"
    monkeypatch.setattr(dijets, "simulate_chunk", toy)
    monkeypatch.setattr(dijets, "EVENTS_PER_CHUNK", 3)
    for library in ("pythia8", "fastjet"):
        monkeypatch.setattr(extras, library, lambda: None)

    def interrupt(done, total):
        if done == 6:
            raise KeyboardInterrupt

    for progress, left in ((interrupt, [".a.root.tasks"]), (None, ["a.root"])):
        with pytest.raises(KeyboardInterrupt) if progress else nullcontext():
            dijets.simulate_dijets(10, seed=2, output=tmp_path / "a.root", progress=progress)
        assert [path.name for path in tmp_path.iterdir()] == left
    assert simulated == [0, 1, 2, 3]
    with uproot.open(tmp_path / "a.root")["Events"] as tree:
        found = tree.arrays(library="np")
    assert found["event"].tolist() == list(range(1, 11))
    assert [jets[0] for jets in found["FatJet_nConstituents"]] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_a_chunk_that_fails_in_a_worker_is_an_error_of_the_simulation(monkeypatch, tmp_path):
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    with pytest.raises(SimulationError, match="not enough values to unpack"):
        dijets.simulate_dijets(
            2, signal="zprime_tt", seed=1, output=tmp_path / "a.root", daughter_masses=(1.0,), workers=2
        )
    assert list(tmp_path.iterdir()) == []
