"""JetNet and JetClass in exactly their layout: what the numbers mean, fixed splits, and named errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from analysis.datasets import catalogue, embedded, read_jetclass, read_jetnet, read_jetnet_file
from analysis.datasets.jetclass import CLASSES, IDENTITY, JET_BRANCHES, LABELS, PARTICLE_BRANCHES, iterate_jetclass
from analysis.errors import (
    AnalysisError,
    BranchNotFoundError,
    ConstituentError,
    DownloadError,
    InputFileError,
    NonFiniteError,
    NtupleReadError,
)
from analysis.jets import COORDINATES, Jets

# ── JetNet ──

LENGTHS = {"g": 100, "q": 83, "t": 61, "z": 61}


def jetnet_arrays(n: int, particles: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = rng.integers(5, particles + 1, n)
    there = np.arange(particles) < counts[:, None]
    values = np.stack(
        [rng.normal(0, 0.2, there.shape), rng.normal(0, 0.2, there.shape), rng.uniform(0.001, 0.1, there.shape)],
        axis=-1,
    )
    clouds = np.concatenate([values * there[..., None], there[..., None]], axis=-1).astype("f4")
    # What is masked need not be zero in a file.
    clouds[0, -1] = (0.3, 0.2, 0.1, 0.0)
    # A serial number instead of pT.
    features = np.stack([np.arange(n), rng.normal(0, 1, n), rng.uniform(20, 200, n), counts], axis=1).astype("f4")
    return clouds, features


@pytest.fixture(scope="module")
def jetnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jetnet")
    for i, (name, n) in enumerate(LENGTHS.items()):
        for particles in (30, 150):
            clouds, features = jetnet_arrays(n, particles, i)
            with h5py.File(folder / f"{name}{'' if particles == 30 else 150}.hdf5", "w") as file:
                file["particle_features"], file["jet_features"] = clouds, features
    return folder


@pytest.mark.parametrize("particles", [30, 150])
def test_jetnet_is_read_as_it_is_and_what_is_masked_is_zero(jetnet: Path, particles: int) -> None:
    jets = read_jetnet(["q", "g"], particles=particles, folder=jetnet)
    assert jets.clouds.shape == (183, particles, 3)
    assert jets.columns == COORDINATES
    assert [jets.classes[i] for i in jets.labels] == ["q"] * 83 + ["g"] * 100
    clouds, features = jetnet_arrays(83, particles, 1)
    np.testing.assert_array_equal(jets.features[:83], features)
    np.testing.assert_array_equal(jets.clouds[:83], clouds[..., :3] * (clouds[..., 3:] == 1))
    np.testing.assert_array_equal(jets.multiplicity[1:83], jets.feature("num_particles")[1:83])


def test_splits_are_disjoint_complete_and_do_not_depend_on_what_else_is_read(jetnet: Path) -> None:
    serial = {}
    for split in ("train", "validation", "test"):
        alone = read_jetnet("t", split=split, folder=jetnet).feature("pt")
        together = read_jetnet(["g", "t", "q"], split=split, folder=jetnet)
        np.testing.assert_array_equal(together.feature("pt")[together.labels == together.classes.index("t")], alone)
        serial[split] = alone.astype(int).tolist()
    assert sorted(i for rows in serial.values() for i in rows) == list(range(61))
    assert [len(serial[name]) for name in ("train", "validation", "test")] == [43, 9, 9]
    # A split is no range of the file, and types of equal length have permutations of their own.
    assert serial["test"] != list(range(52, 61))
    assert serial["test"] != read_jetnet("z", split="test", folder=jetnet).feature("pt").tolist()
    gluons = read_jetnet("g", split="test", fractions=(0.4, 0.45, 0.15), folder=jetnet)
    assert len(gluons) == 15


def test_fewer_jets_are_a_part_of_the_split(jetnet: Path) -> None:
    whole = set(read_jetnet("g", split="train", folder=jetnet).feature("pt"))
    some = set(read_jetnet("g", split="train", jets=20, folder=jetnet).feature("pt"))
    assert len(some) == 20
    assert some < whole
    assert max(some) > 50


def test_shipped_jets_have_this_layout() -> None:
    top, gluon = read_jetnet_file(embedded("top_jets"), "t"), read_jetnet_file(embedded("gluon_jets"), "g")
    both = Jets.concatenate([top, gluon])
    assert np.bincount(both.labels, minlength=5).tolist() == [3000, 0, 3000, 0, 0]
    np.testing.assert_array_equal(both.multiplicity, both.feature("num_particles"))
    # Thirty particles have most of the mass of the jet.
    eta, phi, pt = np.moveaxis(top.clouds.astype(float), -1, 0)
    energy, z = (pt * np.cosh(eta)).sum(1), (pt * np.sinh(eta)).sum(1)
    x, y = (pt * np.cos(phi)).sum(1), (pt * np.sin(phi)).sum(1)
    mass = np.sqrt(np.maximum(energy**2 - x**2 - y**2 - z**2, 0)) * top.feature("pt")
    assert 0.7 < np.median(mass / top.feature("mass")) < 1.0


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"types": "b"}, InputFileError, "no type 'b'"),
        ({"types": ["g", "g"]}, InputFileError, "each once"),
        ({"types": []}, InputFileError, "at least one"),
        ({"types": "g", "particles": 50}, InputFileError, "JetNet30 and JetNet150"),
        ({"types": "g", "split": "valid"}, InputFileError, "Nearest: 'validation'"),
        ({"types": "g", "fractions": (0.5, 0.2, 0.1)}, InputFileError, "do not add up"),
        ({"types": "w"}, InputFileError, "w.hdf5'"),
    ],
)
def test_wrong_requests_are_named(jetnet: Path, arguments: Any, error: type[AnalysisError], said: str) -> None:
    with pytest.raises(error, match=said):
        read_jetnet(**arguments, folder=jetnet)


def test_offline_needs_the_file_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATHODE_DATA", str(tmp_path))
    with pytest.raises(DownloadError, match=r"t150\.hdf5 is not there and offline"):
        read_jetnet("t", particles=150, offline=True)
    entries = {file.name: file for file in catalogue()}
    assert {f"jetnet{p}-{t}" for p in (30, 150) for t in "gqtwz"} <= entries.keys()
    assert entries["jetnet150-t"].url == "https://zenodo.org/records/6975117/files/t150.hdf5"
    assert sum(name.startswith("jetclass-") for name in entries) == 12


def test_other_files_are_named(tmp_path: Path, jetnet: Path) -> None:
    with h5py.File(tmp_path / "g.hdf5", "w") as file:
        file["particle_features"] = np.zeros((3, 30, 3))
    with pytest.raises(InputFileError, match="has not the layout of JetNet"):
        read_jetnet("g", folder=tmp_path)
    (tmp_path / "q.hdf5").write_bytes((jetnet / "q.hdf5").read_bytes()[:5000])
    with pytest.raises(NtupleReadError, match="truncated"):
        read_jetnet("q", folder=tmp_path)


def test_jetnet_without_its_numbers_is_refused(tmp_path: Path) -> None:
    """HDF5 would give zeros for what was never written, and follow links into any file."""
    clouds, features = jetnet_arrays(5, 30, 0)
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["particle_features"] = clouds
    for name in ("unwritten", "linked", "group"):
        with h5py.File(tmp_path / f"{name}.hdf5", "w") as file:
            file["jet_features"] = features
            if name == "unwritten":
                file.create_dataset("particle_features", clouds.shape, "f4")
            elif name == "linked":
                file["particle_features"] = h5py.ExternalLink("other.hdf5", "particle_features")
            else:
                file.create_group("particle_features")
    for name, message in {
        "unwritten": "was never written",
        "linked": "not followed",
        "group": "has not the layout",
    }.items():
        with pytest.raises(InputFileError, match=message):
            read_jetnet_file(tmp_path / f"{name}.hdf5", "t")


# ── JetClass ──


def jetclass_columns(n: int = 60, seed: int = 0) -> dict[str, Any]:
    """Jets of a few particles in no order, some of them without momentum."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 20, n)
    total = int(counts.sum())
    eta_jet, phi_jet = rng.uniform(-2, 2, n), rng.uniform(-np.pi, np.pi, n)
    eta = np.repeat(eta_jet, counts) + rng.normal(0, 0.3, total)
    phi = np.repeat(phi_jet, counts) + rng.normal(0, 0.3, total)
    pt = rng.exponential(50, total) * (rng.random(total) > 0.1)
    pt[np.concatenate([[0], np.cumsum(counts)[:-1]])] = 30.0
    flat = {
        "part_px": pt * np.cos(phi),
        "part_py": pt * np.sin(phi),
        "part_pz": pt * np.sinh(eta),
        "part_energy": pt * np.cosh(eta),
    }
    flat |= {name: rng.normal(0, 1, total) for name in PARTICLE_BRANCHES if name not in flat}
    columns: dict[str, Any] = {name: ak.unflatten(values.astype("f4"), counts) for name, values in flat.items()}
    for name in IDENTITY[1:]:
        columns[f"part_{name}"] = ak.unflatten(rng.integers(0, 2, total).astype("i4"), counts)
    columns |= {name: rng.uniform(1, 2, n).astype("f4") for name in JET_BRANCHES}
    columns |= {"jet_eta": eta_jet.astype("f4"), "jet_phi": phi_jet.astype("f4")}
    columns["jet_pt"] = ak.to_numpy(ak.sum(ak.unflatten(pt, counts), axis=1)).astype("f4")
    truth = rng.integers(0, 10, n)
    columns |= {name: (truth == i).astype("f4" if i == 0 else "i4") for i, name in enumerate(LABELS)}
    return columns


def write_tree(path: Path, columns: dict[str, Any], step: int = 20) -> Path:
    types = {k: v.dtype if isinstance(v, np.ndarray) else v.type.content for k, v in columns.items()}
    with uproot.recreate(path) as file:
        tree = file.mktree("tree", types)
        for start in range(0, len(columns["jet_pt"]), step):
            tree.extend({name: values[start : start + step] for name, values in columns.items()})
    return path


@pytest.fixture(scope="module")
def columns() -> dict[str, Any]:
    return jetclass_columns()


@pytest.fixture(scope="module")
def jetclass(columns: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("jetclass") / "TTBar_000.root", columns)


def test_jetclass_against_a_loop(columns: dict[str, Any], jetclass: Path) -> None:
    extras = ("charge", "d0val", "isMuon", "energy")
    jets = read_jetclass(jetclass, particles=8, extras=extras)
    assert jets.columns == (*COORDINATES, *extras)
    lists = {name: columns[name].tolist() for name in PARTICLE_BRANCHES}
    for i in range(len(jets)):
        rows = []
        for k, (px, py, pz) in enumerate(zip(*(lists[f"part_p{c}"][i] for c in "xyz"), strict=True)):
            pt = np.hypot(px, py)
            phi = (np.arctan2(py, px) - columns["jet_phi"][i] + np.pi) % (2 * np.pi) - np.pi
            if pt > 0:
                eta = np.arctanh(pz / np.sqrt(pt**2 + pz**2)) - columns["jet_eta"][i]
                rows.append([eta, phi, pt / columns["jet_pt"][i], *(lists[f"part_{name}"][i][k] for name in extras)])
        rows = sorted(rows, key=lambda row: -row[2])[:8]
        np.testing.assert_allclose(jets.clouds[i, : len(rows)], rows, rtol=2e-5, atol=2e-6)
        assert not jets.clouds[i, len(rows) :].any()
        assert columns[LABELS[jets.labels[i]]][i] == 1
    np.testing.assert_array_equal(jets.features, np.stack([columns[name] for name in JET_BRANCHES], axis=1))
    assert jets.classes == CLASSES


def test_everything_that_jetclass_has_can_be_asked_for(columns: dict[str, Any], jetclass: Path) -> None:
    names = tuple(name.removeprefix("part_") for name in PARTICLE_BRANCHES)
    jets = read_jetclass(jetclass, particles=20, extras=names)
    assert len(PARTICLE_BRANCHES) == 16
    assert jets.clouds.shape == (60, 20, 19)
    by_sum = jets.clouds[..., 3 + names.index("energy")].astype(float).sum(axis=1)
    np.testing.assert_allclose(by_sum, ak.to_numpy(ak.sum(columns["part_energy"], axis=1)), rtol=1e-5)
    assert read_jetclass(jetclass).clouds.shape == (60, 128, 13)


@pytest.mark.parametrize("memory", [1, 20_000, "200 MB"])
def test_chunks_never_change_the_jets(jetclass: Path, memory: Any) -> None:
    parts = list(iterate_jetclass(jetclass, particles=10, memory=memory))
    assert len(parts) == {1: 60, "200 MB": 1}.get(memory, len(parts))
    whole = read_jetclass(jetclass, particles=10)
    joined = Jets.concatenate(parts)
    for name in ("clouds", "features", "labels"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"label_Hbb": np.ones(60, "i4")}, ConstituentError, "have not exactly one of the labels"),
        ({"jet_pt": np.full(60, np.nan, "f4")}, NonFiniteError, "'ptrel' of"),
        ({"part_charge": ak.Array([[1.0]] * 60)}, ConstituentError, "'part_px' and 'part_charge' have different"),
        ({"jet_tau4": None}, BranchNotFoundError, "no branch 'jet_tau4'. Nearest: 'jet_tau"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, columns: dict[str, Any], changes: Any, error: type[AnalysisError], said: str
) -> None:
    altered = {name: values for name, values in {**columns, **changes}.items() if values is not None}
    with pytest.raises(error) as caught:
        read_jetclass(write_tree(tmp_path / "a.root", altered))
    assert said in str(caught.value)


def test_wrong_particles_are_named(jetclass: Path) -> None:
    with pytest.raises(BranchNotFoundError, match=r"no 'd0'\. Nearest: 'd0"):
        read_jetclass(jetclass, extras=("d0",))
    with pytest.raises(ConstituentError, match="particles=0"):
        read_jetclass(jetclass, particles=0)


# ── Jets ──


def test_jets_are_consistent() -> None:
    clouds = np.zeros((2, 4, 3))
    clouds[:, 0] = (0.1, 0.2, 0.9)
    good: dict[str, Any] = {
        "clouds": clouds,
        "features": np.ones((2, 1)),
        "labels": np.array([0, 1]),
        "columns": COORDINATES,
        "feature_columns": ("pt",),
        "classes": ("a", "b"),
    }
    jets = Jets(**good)
    assert jets[jets.labels == 1].labels.tolist() == [1]
    ghost, empty = clouds.copy(), np.full((2, 4, 3), np.inf)
    ghost[0, 2, 0] = 0.1
    for change, said in (
        ({"clouds": ghost}, "none but other values"),
        ({"clouds": -clouds}, "negative momentum"),
        ({"clouds": clouds[:1]}, "do not belong together"),
        ({"labels": np.array([0, 2])}, "labels go from 0 to 2"),
        ({"columns": ("pt", "eta", "phi")}, "begin with etarel"),
        ({"clouds": empty}, "'etarel' of 8 particles"),
    ):
        with pytest.raises(AnalysisError, match=said):
            Jets(**{**good, **change})
    with pytest.raises(ConstituentError, match="join only if"):
        Jets.concatenate([jets, Jets(**{**good, "classes": ("a", "c")})])
