"""The shipped files with constituents: what is in them, and that they can be made again."""

import json

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from analysis.datasets import describe, embedded
from analysis.datasets.dijet_ntuple import dijet_ntuple
from analysis.errors import EmptySelectionError
from analysis.features.dijets import mjj
from tools.make_embedded_constituents import make_embedded_constituents
from tools.make_embedded_jets import make_embedded_jets


@pytest.fixture(scope="module")
def events():
    with uproot.open(embedded("dijet_constituents"))["Events"] as tree:
        return tree.arrays()


def test_it_is_small_and_has_the_counts_of_its_description(events):
    stated = describe("dijet_constituents")
    assert embedded("dijet_constituents").stat().st_size < 4e6
    jets = [{f: ak.to_numpy(events[f"FatJet_{f}"][:, i]) for f in ("pt", "eta", "phi", "mass")} for i in (0, 1)]
    mass, signal = mjj(*jets), ak.to_numpy(events.isSignal) == 1
    inside = (mass >= 3300) & (mass < 3700)
    assert (~signal).sum() == stated["qcd_events"] == 12_000
    assert signal.sum() == stated["signal_events"] == 400
    assert (inside & ~signal).sum() == stated["qcd_events_in_window"]
    assert (inside & signal).sum() == stated["signal_events_in_window"]
    assert mass.min() > 2299
    assert mass.max() < 5001
    assert len(np.unique(events.event)) == len(events)
    assert set(events.run.tolist()) == {1}


def test_constituents_are_the_leading_ones_of_their_jets(events):
    for jet in (0, 1):
        own = events.PFCands_jetIdx == jet
        counts = ak.to_numpy(ak.sum(own, axis=1))
        full = ak.to_numpy(events.FatJet_nConstituents[:, jet])
        np.testing.assert_array_equal(counts, np.minimum(full, 30))
        pt = ak.to_numpy(ak.fill_none(ak.pad_none(events.PFCands_pt[own], 30), 0.0))
        assert (np.diff(pt, axis=1) <= 0).all()
        eta, phi = events.PFCands_eta[own], events.PFCands_phi[own]
        away_phi = (phi - events.FatJet_phi[:, jet] + np.pi) % (2 * np.pi) - np.pi
        away = np.hypot(eta - events.FatJet_eta[:, jet], away_phi)
        assert (ak.to_numpy(ak.max(away, axis=1)) < 1.7).all()
        # Thirty constituents carry most of a jet of 1.3 TeV, and never more than all of it beside the rounding.
        fraction = pt.sum(axis=1) / ak.to_numpy(events.FatJet_pt[:, jet])
        assert 0.9 < np.median(fraction) < 0.99
        assert fraction.max() < 1.5


def test_jets_of_one_kind_have_the_layout_of_jetnet():
    at_the_top = {}
    for name in ("top_jets", "gluon_jets"):
        path = embedded(name)
        assert path.stat().st_size < 0.6e6
        with h5py.File(path) as file:
            particles, jets = file["particle_features"][:], file["jet_features"][:]
        assert particles.shape == (describe(name)["jets"], 30, 4)
        there = particles[..., 3] == 1
        np.testing.assert_array_equal(there.sum(axis=1), jets[:, 3])
        assert (particles[~there] == 0).all()
        assert 0.85 < np.median(particles[..., 2].sum(axis=1)) <= 1
        at_the_top[name] = np.mean((jets[:, 2] > 150) & (jets[:, 2] < 200))
    assert at_the_top["top_jets"] > 2 * at_the_top["gluon_jets"]


def sample(path, n, seed, is_signal):
    """Dijets of about 3 TeV with up to 50 constituents per jet in no order."""
    rng = np.random.default_rng(seed)
    shape = (n, 2)
    jets = {
        "pt": np.sort(rng.uniform(1300, 1600, shape))[:, ::-1],
        "eta": rng.normal(0, 0.2, shape),
        "phi": np.tile([0.0, 3.1], (n, 1)),
        "mass": rng.uniform(50, 300, shape),
    }
    jets |= {name: rng.uniform(0, 0.3, shape) for name in ("tau1", "tau2", "tau3")}
    counts = rng.integers(1, 50, shape)
    jets["nConstituents"] = counts
    owner = ak.flatten(ak.local_index(ak.unflatten(np.zeros(counts.sum()), counts.ravel())), axis=None)
    index = np.repeat(np.tile([0, 1], n), counts.ravel())
    total = counts.sum(axis=1)
    shuffled = ak.argsort(ak.unflatten(rng.random(len(owner)), total), axis=1)
    candidates = {"pt": rng.uniform(0.5, 200, len(index)), "eta": rng.normal(0, 0.3, len(index)), "jetIdx": index}
    candidates["phi"] = rng.uniform(-np.pi, np.pi, len(index))
    rows = {
        "FatJet": ak.zip({k: ak.from_regular(ak.Array(v)) for k, v in jets.items()}),
        "PFCands": ak.unflatten(ak.zip(candidates), total)[shuffled],
        "isSignal": np.full(n, is_signal, np.int8),
        "run": np.full(n, 5),
        "luminosityBlock": np.zeros(n, int),
        "event": np.arange(n),
    }
    with dijet_ntuple(path, constituents=True) as extend:
        extend(ak.zip(rows, depth_limit=1))
    return path


def arrays(path):
    with uproot.open(path)["Events"] as tree:
        return tree.arrays()


def test_the_recipe_keeps_the_leading_constituents_and_is_repeatable(tmp_path):
    sources = sample(tmp_path / "q.root", 150, 1, 0), sample(tmp_path / "s.root", 30, 2, 1)
    made = [
        make_embedded_constituents(
            *sources, tmp_path / f"{name}.root", events=100, signal_events=10, leading=8, seed=seed
        )
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    ]
    first, again, other = (arrays(tmp_path / f"{name}.root") for name in "abc")
    assert ak.array_equal(first, again)
    assert not ak.array_equal(first, other)
    assert json.loads((tmp_path / "a.json").read_text()) == made[0]
    original = {tuple(row["FatJet_pt"]): row for path in sources for row in arrays(path).tolist()}
    assert ak.sum(first.isSignal) == 10
    for row in first.tolist():
        source = original[tuple(row["FatJet_pt"])]
        for jet in (0, 1):
            hardest = sorted(
                (pt for pt, i in zip(source["PFCands_pt"], source["PFCands_jetIdx"], strict=True) if i == jet),
                reverse=True,
            )[:8]
            kept = [pt for pt, i in zip(row["PFCands_pt"], row["PFCands_jetIdx"], strict=True) if i == jet]
            assert kept == pytest.approx(hardest, rel=1.1e-3)
    with pytest.raises(EmptySelectionError, match=r"200 events asked for.*m_jj in \(2300"):
        make_embedded_constituents(*sources, tmp_path / "d.root", events=200)


def test_the_recipe_of_jets_rounds_and_cuts(tmp_path):
    rng = np.random.default_rng(0)
    particles = rng.uniform(0.001, 1, (9, 30, 4)).astype("f4")
    with h5py.File(tmp_path / "t.hdf5", "w") as file:
        file["particle_features"], file["jet_features"] = particles, rng.random((9, 4)).astype("f4")
    make_embedded_jets(tmp_path / "t.hdf5", tmp_path / "top_jets.hdf5", jets=5)
    with h5py.File(tmp_path / "top_jets.hdf5") as file:
        kept = file["particle_features"][:]
    np.testing.assert_allclose(kept[..., :2], particles[:5, :, :2], atol=2.0**-13)
    np.testing.assert_allclose(kept[..., 2], particles[:5, :, 2], rtol=2.0**-11)
    np.testing.assert_array_equal(kept[..., 3], particles[:5, :, 3])
    with pytest.raises(EmptySelectionError, match="10 jets asked for"):
        make_embedded_jets(tmp_path / "t.hdf5", tmp_path / "x.hdf5", jets=10)
