"""The embedded ntuple: what is in it, that nothing but the label tells the signal, that it can be made again."""

import json
import shutil

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis.datasets import describe, embedded, shipped
from analysis.datasets.dijet_ntuple import dijet_ntuple, shorten_mantissa
from analysis.errors import DownloadError, EmptySelectionError, InputFileError
from analysis.features.dijets import mjj
from tools.make_embedded import make_embedded


@pytest.fixture(scope="module")
def events():
    with uproot.open(embedded("dijets"))["Events"] as tree:
        return tree.arrays()


@pytest.fixture(scope="module")
def signal(events):
    return ak.to_numpy(events.isSignal) == 1


@pytest.fixture(scope="module")
def mass(events):
    fields = ("pt", "eta", "phi", "mass")
    jets = [{name: ak.to_numpy(events[f"FatJet_{name}"][:, i]) for name in fields} for i in (0, 1)]
    return mjj(*jets)


def test_layout_is_nanoaod_like_and_small():
    path = embedded("dijets")
    assert path.stat().st_size < 12e6
    with uproot.open(path) as file:
        tree = file["Events"]
        assert tree.classname == "TTree"
        assert tree.title == describe()["title"]
        assert tree.typenames()["FatJet_pt"] == "float[]"
        assert tree.typenames()["event"] == "uint64_t"


def test_counts_are_those_of_the_description(events, signal, mass):
    stated = describe("dijets")
    window = (mass >= stated["window"][0]) & (mass < stated["window"][1])
    assert (~signal).sum() == stated["qcd_events"]
    assert signal.sum() == stated["signal_events"]
    assert (window & ~signal).sum() == stated["qcd_events_in_window"]
    assert (window & signal).sum() == stated["signal_events_in_window"]
    assert 2.5 < stated["signal_over_sqrt_background_in_window"] < 3.0
    # Shortened mantissas move m_jj by up to a few 1e-4.
    assert mass.min() > stated["minimum_dijet_mass"] * 0.999
    assert ak.all(ak.num(events.FatJet_pt) == 2)
    assert ak.all(events.FatJet_pt[:, 0] >= events.FatJet_pt[:, 1])


def test_identifiers_are_unique_and_do_not_reveal_the_signal(events, signal):
    number = ak.to_numpy(events.event)
    assert len(np.unique(number)) == len(number)
    assert len(np.unique(events.run)) == 1
    # Signal must be spread evenly over rows, luminosity blocks and last digits of the event number.
    for position, bins in ((np.arange(len(number)), 10), (number % 10, 10), (ak.to_numpy(events.luminosityBlock), 10)):
        counts = np.histogram(position[signal], bins=bins, range=(position.min(), position.max() + 1))[0]
        everything = np.histogram(position, bins=bins, range=(position.min(), position.max() + 1))[0]
        expected = signal.sum() * everything / len(number)
        assert ((counts - expected) ** 2 / expected).sum() < 28  # χ² of 9 degrees of freedom, p = 1e-3


def test_spectrum_of_the_background_is_smooth_around_the_window(signal, mass):
    # Three equal log bins around the window: the middle one is near the geometric mean of its neighbours.
    counts = np.histogram(mass[~signal], bins=3100 * (4000 / 3100) ** (np.arange(4) / 3))[0]
    assert counts[1] == pytest.approx(np.sqrt(counts[0] * counts[2]), rel=0.05)


def test_altered_file_is_refused(monkeypatch, tmp_path):
    copy = tmp_path / "dijets.root"
    shutil.copy(embedded("dijets"), copy)
    copy.with_suffix(".json").write_text(json.dumps(describe("dijets")))
    monkeypatch.setattr(shipped, "_path", lambda name: copy)
    assert embedded("dijets") == copy
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    with pytest.raises(DownloadError, match="altered"):
        embedded("dijets")


def test_unknown_name_is_refused():
    with pytest.raises(InputFileError, match="dijets"):
        embedded("../dijets")


def write_sample(path, n, seed, is_signal):
    """A small dijet ntuple with masses around 3 TeV; the first jet's phi is a serial number."""
    rng = np.random.default_rng(seed)
    shape = (n, 2)
    jets = {
        "pt": np.sort(rng.uniform(1200, 1700, shape))[:, ::-1],
        "eta": rng.normal(0, 0.5, shape),
        "phi": np.stack([np.zeros(n), np.full(n, np.pi)], axis=1) + 1e-3 * np.arange(n)[:, None],
        "mass": rng.uniform(50, 300, shape),
        "nConstituents": rng.integers(10, 90, shape),
    }
    jets |= {f"tau{i}": rng.uniform(0, 0.3, shape) for i in (1, 2, 3)}
    rows = ak.zip(
        {
            "FatJet": ak.zip({k: ak.from_regular(ak.Array(v)) for k, v in jets.items()}),
            "isSignal": np.full(n, is_signal, np.int8),
            "run": np.full(n, 7 if is_signal else 1),
            "luminosityBlock": np.zeros(n, int),
            "event": np.arange(n),
        },
        depth_limit=1,
    )
    with dijet_ntuple(path) as extend:
        extend(rows)
    return path


@pytest.fixture
def samples(tmp_path):
    return write_sample(tmp_path / "q.root", 400, 1, 0), write_sample(tmp_path / "s.root", 60, 2, 1)


def arrays(path):
    with uproot.open(path)["Events"] as tree:
        return tree.arrays()


def test_made_again_with_the_same_seed_it_holds_the_same(samples, tmp_path):
    first, again, other = (
        make_embedded(*samples, tmp_path / f"{name}.root", events=300, signal_events=20, seed=seed)
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert ak.array_equal(arrays(tmp_path / "a.root"), arrays(tmp_path / "b.root"))
    assert not ak.array_equal(arrays(tmp_path / "a.root"), arrays(tmp_path / "c.root"))
    assert {k: v for k, v in first.items() if k != "sha256"} == {k: v for k, v in again.items() if k != "sha256"}
    assert json.loads((tmp_path / "a.json").read_text()) == first
    assert other["seed"] == 6


def test_events_are_taken_whole_and_once(samples, tmp_path):
    make_embedded(*samples, tmp_path / "a.root", events=300, signal_events=20, seed=5)
    made = arrays(tmp_path / "a.root")
    is_signal = ak.to_numpy(made.isSignal) == 1
    assert is_signal.sum() == 20
    assert np.flatnonzero(is_signal).mean() == pytest.approx(160, abs=80)  # 4σ of 20 rows among 320
    for path, rows in zip(samples, (made[~is_signal], made[is_signal]), strict=True):
        source = {tuple(r["FatJet_pt"]): r for r in arrays(path).tolist()}
        assert len({tuple(r["FatJet_pt"]) for r in rows.tolist()}) == len(rows)
        for row in rows.tolist():
            origin = source[tuple(row["FatJet_pt"])]
            assert all(row[k] == origin[k] for k in row if k.startswith("FatJet_"))
    # The sources' own run numbers, which tell signal from background, are gone.
    assert set(made.run.tolist()) == {1}


def test_more_events_than_there_are_is_refused(samples, tmp_path):
    with pytest.raises(EmptySelectionError, match="1000 events asked for"):
        make_embedded(*samples, tmp_path / "a.root", events=1000, signal_events=20, seed=5)
    assert not (tmp_path / "a.root").exists()


def test_shortened_mantissas_round_to_nearest():
    values = np.random.default_rng(0).normal(0, 1000, 10_000).astype(np.float32)
    short = shorten_mantissa(values)
    assert np.abs(short / values - 1).max() <= 2.0**-13
    assert (short.view(np.uint32) & 0x7FF == 0).all()
    assert np.array_equal(shorten_mantissa(short), short)
    assert abs((short / values - 1).mean()) < 3e-6
