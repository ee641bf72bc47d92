"""Constituents out of ntuples, against loops over the events; and a named error for everything that does not fit."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from analysis import DIJET_MASS, Constituents, Events, read_events
from analysis.errors import (
    AnalysisError,
    BranchNotFoundError,
    ConstituentError,
    ExpressionError,
    MissingValueError,
    NonFiniteError,
)
from analysis.io.ntuples import iterate_events

Write = Callable[..., Path]
Make = Callable[..., dict[str, Any]]
TWO_JETS = "num(FatJet) >= 2"
SUFFIXES = [".root", ".rntuple.root", ".h5", ".parquet"]


def read(files: Any, **changes: Any) -> Events:
    arguments: dict[str, Any] = {
        "mass": DIJET_MASS,
        "constituents": Constituents(leading=6),
        "selection": TWO_JETS,
        "identifiers": "entry",
    }
    return read_events(files, **{**arguments, **changes})


def jagged(events: list[list[float]], kind: str = "float32") -> ak.Array:
    counts = [len(event) for event in events]
    return ak.unflatten(np.array([v for event in events for v in event], dtype=kind), counts)


def with_constituents(columns: dict[str, Any], seed: int = 3) -> dict[str, Any]:
    """Constituents of every jet and some of none, in no order; the jets lose their order too."""
    rng = np.random.default_rng(seed)
    columns = dict(columns)
    order = ak.from_regular(ak.unflatten(rng.random(ak.count(columns["FatJet_pt"])), ak.num(columns["FatJet_pt"])))
    order = ak.argsort(order, axis=1)
    columns |= {name: ak.to_packed(columns[name][order]) for name in columns if name.startswith("FatJet_")}
    index = []
    for jets in ak.num(columns["FatJet_pt"]).tolist():
        owners = [-1, *(jet for jet in range(jets) for _ in range(rng.integers(1, 12)))]
        index.append(rng.permutation(owners).tolist())
    counts = [len(event) for event in index]
    columns["PFCands_jetIdx"] = jagged(index, "int8")
    for field, low, high in (("pt", 0.5, 300.0), ("eta", -2.5, 2.5), ("phi", -3.14, 3.14)):
        columns[f"PFCands_{field}"] = ak.unflatten(rng.uniform(low, high, sum(counts)).astype(np.float32), counts)
    return columns


def linked(columns: dict[str, Any], seed: int = 4) -> dict[str, Any]:
    """The same events with the candidates shuffled and joined to their jets by a table of links."""
    rng = np.random.default_rng(seed)
    columns = dict(columns)
    owners = columns.pop("PFCands_jetIdx")
    fields = {field: columns[f"PFCands_{field}"].tolist() for field in ("pt", "eta", "phi")}
    jets, candidates = [], []
    for event, own in enumerate(owners.tolist()):
        place = rng.permutation(len(own))
        for values in fields.values():
            values[event] = [values[event][int(i)] for i in np.argsort(place)]
        links = rng.permutation(len(own))
        jets.append([own[int(i)] for i in links])
        candidates.append([int(place[i]) for i in links])
    columns |= {f"PFCands_{field}": jagged(values) for field, values in fields.items()}
    columns["FatJetPFCands_jetIdx"] = jagged(jets, "int16")
    columns["FatJetPFCands_pFCandsIdx"] = jagged(candidates, "int32")
    return columns


def by_hand(columns: dict[str, Any], leading: int, jets: int = 2) -> np.ndarray:
    """What `Constituents` means, with loops."""
    x = []
    lists = {name: values.tolist() for name, values in columns.items() if name.startswith(("FatJet_pt", "PFCands"))}
    for event, pts in enumerate(lists["FatJet_pt"]):
        if len(pts) < jets:
            continue
        rows = np.zeros((jets, leading, 3), np.float32)
        for place, jet in enumerate(sorted(range(len(pts)), key=lambda i: -pts[i])[:jets]):
            own = zip(*(lists[f"PFCands_{field}"][event] for field in ("pt", "eta", "phi", "jetIdx")), strict=True)
            members = sorted(((pt, eta, phi) for pt, eta, phi, index in own if index == jet), reverse=True)[:leading]
            rows[place, : len(members)] = members
        x.append(rows)
    return np.stack(x)


@pytest.fixture(scope="module")
def columns(make_nanoaod: Make) -> dict[str, Any]:
    return with_constituents(make_nanoaod(300))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("constituents")


@pytest.fixture(scope="module")
def ntuple(folder: Path, columns: dict[str, Any], write_ntuple: Write) -> Path:
    return write_ntuple(folder / "flat.root", columns, step=70)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("layout", ["index", "links"])
def test_constituents_are_those_of_the_two_hardest_jets(
    folder: Path, columns: dict[str, Any], write_ntuple: Write, suffix: str, layout: str
) -> None:
    path = write_ntuple(folder / f"{layout}{suffix}", columns if layout == "index" else linked(columns), step=70)
    events = read(path, truth="isSignal", weight="genWeight")
    assert events.columns == ("pt", "eta", "phi")
    np.testing.assert_array_equal(events.x, by_hand(columns, 6))
    keep = ak.to_numpy(ak.num(columns["FatJet_pt"])) >= 2
    np.testing.assert_array_equal(events.entry, np.flatnonzero(keep))
    np.testing.assert_array_equal(events.truth, columns["isSignal"][keep] == 1)
    np.testing.assert_array_equal(events.weights, columns["genWeight"][keep])
    # The mass is that of the jets, not of what was kept of them.
    np.testing.assert_array_equal(events.mass, read(path, constituents=None, features={"m": "1*num(FatJet)"}).mass)


def test_they_fall_in_momentum_and_then_there_is_nothing(ntuple: Path) -> None:
    x = read(ntuple, constituents=Constituents(leading=20)).x
    assert (np.diff(x[..., 0], axis=-1) <= 0).all()
    assert (x[x[..., 0] == 0] == 0).all()
    assert 0.2 < (x[..., 0] > 0).mean() < 0.4


def test_another_number_of_jets(ntuple: Path, columns: dict[str, Any]) -> None:
    one = read(ntuple, constituents=Constituents(leading=4, jets_per_event=1), selection="num(FatJet) >= 1", mass="100")
    np.testing.assert_array_equal(one.x, by_hand(columns, 4, 1))
    three = read(ntuple, constituents=Constituents(leading=4, jets_per_event=3), selection="num(FatJet) >= 3")
    np.testing.assert_array_equal(three.x, by_hand(columns, 4, 3))


@pytest.mark.parametrize("memory", [1, 100_000, "200 MB"])
def test_chunks_never_change_the_events(ntuple: Path, columns: dict[str, Any], memory: Any) -> None:
    parts = list(
        iterate_events(ntuple, mass="1", constituents=Constituents(leading=3), selection=TWO_JETS, memory=memory)
    )
    assert len(parts) == {1: 300, 100_000: 8, "200 MB": 1}[memory]
    np.testing.assert_array_equal(Events.concatenate(parts).x, by_hand(columns, 3))


def test_angles_are_wrapped_and_momenta_are_in_gev(
    tmp_path: Path, columns: dict[str, Any], write_ntuple: Write
) -> None:
    shifted = dict(columns)
    shifted["PFCands_phi"] = columns["PFCands_phi"] + np.float32(2 * np.pi)
    for name in ("FatJet_pt", "FatJet_mass", "PFCands_pt"):
        shifted[name] = columns[name] * np.float32(1024)
    path = write_ntuple(tmp_path / "a.root", shifted)
    x, expected = read(path, units="MeV").x, by_hand(columns, 6)
    np.testing.assert_allclose(x[..., 0], expected[..., 0] * 1.024, rtol=1e-6)
    np.testing.assert_allclose(x[..., 2], expected[..., 2], atol=2e-6)
    assert (np.abs(x[..., 2]) <= np.float32(np.pi)).all()


def test_a_constituent_may_be_in_two_jets(tmp_path: Path, write_ntuple: Write) -> None:
    columns = event() | {
        "FatJetPFCands_jetIdx": jagged([[0, 1, 1]], "int32"),
        "FatJetPFCands_pFCandsIdx": jagged([[1, 1, 0]], "int32"),
    }
    del columns["PFCands_jetIdx"]
    (x,) = read(write_ntuple(tmp_path / "a.root", columns)).x
    np.testing.assert_array_equal(x[:, :3, 0], [[30, 0, 0], [30, 20, 0]])


def test_names_are_free(tmp_path: Path, columns: dict[str, Any], write_ntuple: Write) -> None:
    renamed = {
        name.replace("FatJetPFCands_pFCandsIdx", "Link_cand")
        .replace("FatJetPFCands_jetIdx", "Link_AK8")
        .replace("PFCands", "Track")
        .replace("FatJet", "AK8"): values
        for name, values in linked(columns).items()
    }
    path = write_ntuple(tmp_path / "a.root", renamed)
    chosen = Constituents(
        leading=6, collection="Track", jets="AK8", links="Link", jet_index="AK8", constituent_index="cand"
    )
    events = read(path, constituents=chosen, mass="mjj(AK8)", selection="num(AK8) >= 2")
    np.testing.assert_array_equal(events.x, by_hand(columns, 6))


# What does not fit


def event(**changes: list[float]) -> dict[str, Any]:
    """One event of two jets with one constituent each, and one that is in no jet."""
    values: dict[str, list[float]] = {
        "FatJet_pt": [1500, 1400],
        "FatJet_eta": [0, 0.5],
        "FatJet_phi": [0, 3],
        "FatJet_mass": [100, 200],
        "PFCands_pt": [20, 30, 40],
        "PFCands_eta": [0.1, 0.2, 0.3],
        "PFCands_phi": [0, 1, 2],
        "PFCands_jetIdx": [0, 1, -1],
    }
    values |= changes
    return {
        name: jagged([content], "int8" if name.endswith("Idx") and all(map(is_whole, content)) else "float32")
        for name, content in values.items()
    }


def is_whole(value: float) -> bool:
    return value == int(value)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        (
            {"PFCands_jetIdx": [0, 1, 2]},
            ConstituentError,
            "points outside of its event 1 times, first 2 in event number",
        ),
        ({"PFCands_jetIdx": [0, 1, -2]}, ConstituentError, "first -2"),
        ({"PFCands_jetIdx": [0, 1]}, ConstituentError, "different numbers of elements"),
        ({"PFCands_jetIdx": [0.0, 0.5, 1.0]}, ConstituentError, "positions are integers"),
        ({"PFCands_eta": [0.1]}, ConstituentError, "'PFCands_pt' and 'PFCands_eta' have different numbers"),
        ({"PFCands_pt": [20, -30, 40]}, ConstituentError, "'PFCands_pt' is negative for 1"),
        ({"PFCands_pt": [20, np.nan, 40]}, NonFiniteError, "'PFCands_pt': 1 of 2 values"),
        ({"PFCands_phi": [0, np.inf, 0]}, NonFiniteError, "'PFCands_phi'"),
        ({"FatJet_pt": [1500, np.nan]}, NonFiniteError, "FatJet_pt"),
        (
            {"PFCands_jetIdx": [0, 0, -1]},
            MissingValueError,
            "1 of 1 selected events (first: number 0) have one of the 2",
        ),
        ({"PFCands_pt": [20, 0, 40]}, MissingValueError, "without any constituent"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, write_ntuple: Write, changes: Any, error: type[AnalysisError], said: str
) -> None:
    path = write_ntuple(tmp_path / "a.root", event(**changes))
    with pytest.raises(error) as caught:
        read(path, mass="1000")
    assert said in str(caught.value)
    assert f"'{path}', entries 0 to 1: " in str(caught.value)


def test_what_is_wrong_in_other_jets_and_events_does_no_harm(tmp_path: Path, write_ntuple: Write) -> None:
    fine = write_ntuple(tmp_path / "a.root", event(PFCands_pt=[20, 30, np.nan]))
    assert np.isfinite(read(fine).x).all()


def test_fewer_jets_than_asked_for_are_counted(ntuple: Path, columns: dict[str, Any]) -> None:
    few = int((ak.to_numpy(ak.num(columns["FatJet_pt"])) < 2).sum())
    with pytest.raises(MissingValueError, match=f"{few} of 300 selected events.*'num\\(FatJet\\) >= 2'"):
        read(ntuple, selection=None, mass="1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"collection": "PFCand"}, "No branch 'PFCand_pt', which constituents of 'FatJet' need. Nearest: 'PFCands_pt'"),
        ({"jets": "FatJets"}, "No branch 'FatJets_pt'"),
        ({"jet_index": "jet"}, "neither 'PFCands_jet' nor 'FatJetPFCands_jet' and 'FatJetPFCands_PFCandsIdx'"),
        ({"links": "Links"}, "there is no 'Links_jetIdx' and 'Links_PFCandsIdx'. Name the branches by"),
    ],
)
def test_missing_branches_name_the_nearest(ntuple: Path, arguments: Any, said: str) -> None:
    with pytest.raises(BranchNotFoundError) as caught:
        read(ntuple, constituents=Constituents(**arguments))
    assert said in str(caught.value)


def test_one_value_per_event_is_no_collection(tmp_path: Path, write_ntuple: Write) -> None:
    columns = event() | {"PFCands_jetIdx": np.zeros(1, np.int32)}
    with pytest.raises(ConstituentError, match="'PFCands_jetIdx' has one value per event"):
        read(write_ntuple(tmp_path / "a.root", columns))


def test_features_or_constituents(ntuple: Path) -> None:
    with pytest.raises(ExpressionError, match="Both"):
        read(ntuple, features={"m": "1"})
    with pytest.raises(ExpressionError, match="Neither"):
        read(ntuple, constituents=None)
    with pytest.raises(ConstituentError, match="leading=0"):
        Constituents(leading=0)


def test_memory_is_bounded_by_the_chunk(tmp_path: Path, make_nanoaod: Make, write_ntuple: Write) -> None:
    columns = with_constituents(make_nanoaod(3000, fewest=2))
    path = write_ntuple(tmp_path / "a.root", columns, step=200)
    ceiling = 1_500_000
    arguments: dict[str, Any] = {"mass": DIJET_MASS, "constituents": Constituents(leading=32), "memory": ceiling}
    for _ in iterate_events(path, **arguments):
        pass
    tracemalloc.start()
    chunks = 0
    for part in iterate_events(path, **arguments):
        chunks += 1
        assert len(part) < 1500
        del part
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert chunks > 2
    assert peak < ceiling
