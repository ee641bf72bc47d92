"""Reading ROOT ntuples: layouts, units, chains, chunks, memory, and a named error for everything that can be wrong."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest
import uproot
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from analysis import DIJET_FEATURES, DIJET_MASS, Events, read_events
from analysis.errors import (
    AnalysisError,
    BranchNotFoundError,
    EmptySelectionError,
    ExpressionError,
    IdentifierError,
    InputFileError,
    MissingValueError,
    NonFiniteError,
    NtupleReadError,
    TreeNotFoundError,
    UnitsError,
)
from analysis.features import dijets
from analysis.io.checksums import sha256_of
from analysis.io.chunks import parse_memory, plan_chunks
from analysis.io.energies import Kind, kind_of
from analysis.io.layouts import layout_of
from analysis.io.ntuples import ReadProgress, iterate_events

Write = Callable[..., Path]
Make = Callable[..., dict[str, Any]]
TWO_JETS = "num(FatJet) >= 2"


def read(files: Any, **changes: Any) -> Events:
    arguments: dict[str, Any] = {"mass": DIJET_MASS, "features": DIJET_FEATURES, "selection": TWO_JETS}
    return read_events(files, **{**arguments, **changes})


def assert_equal(a: Events, b: Events) -> None:
    """Bit for bit the same events."""
    for name in ("x", "mass", "weights", "ids", "entry"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert (a.truth is None) == (b.truth is None)
    if a.truth is not None:
        np.testing.assert_array_equal(a.truth, b.truth)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ntuples")


@pytest.fixture(scope="module")
def columns(make_nanoaod: Make) -> dict[str, Any]:
    return make_nanoaod(600)


@pytest.fixture(scope="module")
def ntuple(folder: Path, columns: dict[str, Any], write_ntuple: Write) -> Path:
    return write_ntuple(folder / "nano.root", columns, step=100)


# What is read


def test_events_are_the_numbers_of_the_file(ntuple: Path, columns: dict[str, Any]) -> None:
    events = read(ntuple, weight="genWeight", truth="isSignal", selection=f"{TWO_JETS} and HLT_jet")
    keep = ak.to_numpy(ak.num(columns["FatJet_pt"]) >= 2) & columns["HLT_jet"]
    first, second = (
        {f: ak.to_numpy(columns[f"FatJet_{f}"][keep][:, i]) for f in ("pt", "eta", "phi", "mass", "tau1", "tau2")}
        for i in (0, 1)
    )
    np.testing.assert_array_equal(events.mass, dijets.mjj(first, second))
    np.testing.assert_array_equal(events.feature("mj_light"), np.minimum(first["mass"], second["mass"]))
    np.testing.assert_array_equal(events.entry, np.flatnonzero(keep))
    np.testing.assert_array_equal(events.ids[:, 2], columns["event"][keep])
    np.testing.assert_array_equal(events.ids[:, 1], columns["luminosityBlock"][keep])
    np.testing.assert_array_equal(events.weights, columns["genWeight"][keep].astype(np.float64))
    assert (events.weights < 0).any()
    np.testing.assert_array_equal(events.truth, columns["isSignal"][keep] == 1)
    (source,) = events.sources
    with uproot.open(ntuple) as file:
        assert source.uuid == str(file.file.uuid)
    assert (source.tree, source.entries, source.selected) == ("Events", 600, len(events))


def test_defaults_are_unit_weights_and_no_truth(ntuple: Path) -> None:
    events = read(ntuple)
    assert (events.weights == 1).all()
    assert events.truth is None


@pytest.mark.parametrize(
    ("suffix", "separator", "tree"), [(".root", ".", "CollectionTree"), (".rntuple.root", ":", "EventData")]
)
def test_physlite_is_nanoaod_in_mev(
    folder: Path,
    ntuple: Path,
    columns: dict[str, Any],
    make_physlite: Make,
    write_ntuple: Write,
    suffix: str,
    separator: str,
    tree: str,
) -> None:
    path = write_ntuple(folder / f"physlite{suffix}", make_physlite(columns, separator), tree=tree)
    features = {name: text.replace("FatJet", "AnalysisLargeRJets") for name, text in DIJET_FEATURES.items()}
    atlas = read(
        path, mass="mjj(AnalysisLargeRJets)", features=features, selection="num(AnalysisLargeRJets) >= 2", units="MeV"
    )
    cms = read(ntuple)
    assert atlas.sources[0].tree == tree
    np.testing.assert_array_equal(atlas.ids, cms.ids)
    np.testing.assert_allclose(atlas.mass, cms.mass, rtol=3e-7)
    np.testing.assert_allclose(atlas.x, cms.x, rtol=3e-6)


def test_flat_ntuples_name_their_jets(
    folder: Path, ntuple: Path, columns: dict[str, Any], make_flat: Make, write_ntuple: Write
) -> None:
    path = write_ntuple(folder / "flat.root", make_flat(columns), tree="dijets")
    features = {name: text.replace("(FatJet)", "(jet1, jet2)") for name, text in DIJET_FEATURES.items()}
    events = read(path, mass="mjj(jet1, jet2)", features=features, selection=None)
    nano = read(ntuple)
    np.testing.assert_array_equal(events.mass, nano.mass)
    np.testing.assert_array_equal(events.x, nano.x)


def test_layouts_are_told_by_the_names() -> None:
    assert layout_of(["AnalysisLargeRJetsAuxDyn.pt", "EventInfoAuxDyn.eventNumber"]).name == "physlite"
    assert layout_of(["AnalysisLargeRJetsAuxDyn:pt"]).name == "physlite"
    assert layout_of(["nFatJet", "FatJet_pt", "run"]).name == "nanoaod"
    assert layout_of(["jet1_pt", "mjj", "eventNumber"]).name == "flat"
    assert layout_of(["jet1_pt"], "nanoaod").name == "nanoaod"
    with pytest.raises(AnalysisError, match=r"No layout 'nano'. Nearest: 'nanoaod'"):
        layout_of(["x"], "nano")


# Units


@pytest.mark.parametrize(
    "name",
    [
        "FatJet_pt",
        "jet1_mass",
        "MET",
        "MET_pt",
        "FatJet_msoftdrop",
        "J_E",
        "mjj",
        "mJJ",
        "pxj1",
        "mj1",
        "leadJetPt",
        "AnalysisJets_m",
        "ptj2",
        "jet_energy",
        "Split12",
    ],
)
def test_energies_by_name(name: str) -> None:
    assert kind_of(name) is Kind.ENERGY


@pytest.mark.parametrize(
    "name",
    [
        "FatJet_eta",
        "tau21",
        "event",
        "nJet",
        "genWeight",
        "FatJet_tau1",
        "PV_npvs",
        "score",
        "jet_EMFrac",
        "isSignal",
        "FatJet_particleNet_QCD",
        "phi",
    ],
)
def test_other_columns_by_name(name: str) -> None:
    assert kind_of(name) is not Kind.ENERGY


def scaled(columns: dict[str, Any], factor: float, fields: tuple[str, ...] = ("pt", "mass")) -> dict[str, Any]:
    names = {f"FatJet_{f}" for f in fields}
    return {k: ak.values_astype(v * factor, np.float32) if k in names else v for k, v in columns.items()}


@pytest.mark.parametrize(
    ("factor", "declared", "remedy"),
    [(1000, "GeV", "MeV"), (1, "MeV", "GeV"), (0.001, "GeV", "TeV"), (1000, "TeV", "MeV")],
)
def test_a_wrong_unit_is_refused_with_the_right_one(
    tmp_path: Path, columns: dict[str, Any], write_ntuple: Write, factor: float, declared: str, remedy: str
) -> None:
    path = write_ntuple(tmp_path / "a.root", scaled(columns, factor))
    with pytest.raises(UnitsError, match=rf"not in {declared}.*FatJet_pt is [0-9.e+]+ GeV.*units='{remedy}'"):
        read(path, units=declared)
    assert len(read(path, units=remedy))


def test_the_file_with_the_other_unit_is_found_in_a_chain(
    tmp_path: Path, make_nanoaod: Make, write_ntuple: Write
) -> None:
    write_ntuple(tmp_path / "a1.root", make_nanoaod(50))
    write_ntuple(tmp_path / "a2.root", scaled(make_nanoaod(50, first_event=51), 1000))
    with pytest.raises(UnitsError, match=r"a2\.root"):
        read(tmp_path / "a*.root")


def test_mixed_units_in_one_file_are_refused(tmp_path: Path, columns: dict[str, Any], write_ntuple: Write) -> None:
    path = write_ntuple(tmp_path / "a.root", scaled(columns, 1000, ("mass",)))
    with pytest.raises(UnitsError, match=r"mixes units.*FatJet_mass"):
        read(path)


def test_a_mass_beyond_the_collision_energy_is_refused(tmp_path: Path, write_ntuple: Write) -> None:
    table = {"event": np.arange(50, dtype=np.uint64), "mjj": np.full(50, 3.5e6), "x": np.zeros(50)}
    path = write_ntuple(tmp_path / "a.root", table)
    with pytest.raises(UnitsError, match=r"the mass 'mjj' is 3\.5e\+06 GeV.*units='MeV'"):
        read(path, mass="mjj", features={"x": "x"}, selection=None, identifiers="event")
    events = read(path, mass="mjj", features={"x": "x"}, selection=None, identifiers="event", units="MeV")
    assert (events.mass == 3500).all()


def test_unknown_units_are_refused(ntuple: Path) -> None:
    with pytest.raises(UnitsError, match=r"units='gev' is not known.*'GeV'"):
        read(ntuple, units="gev")


# Chains, chunks, memory


def test_a_chain_is_its_files_in_natural_order(tmp_path: Path, make_nanoaod: Make, write_ntuple: Write) -> None:
    parts = [make_nanoaod(40, seed=i, first_event=1 + 40 * i) for i in range(12)]
    paths = [write_ntuple(tmp_path / f"part_{i}.root", part) for i, part in enumerate(parts)]
    whole = {
        k: np.concatenate([p[k] for p in parts]) if isinstance(v, np.ndarray) else ak.concatenate([p[k] for p in parts])
        for k, v in parts[0].items()
    }
    single = read(write_ntuple(tmp_path / "whole.root", whole))
    by_pattern, by_list = read(tmp_path / "part_*.root"), read([str(p) for p in paths])
    assert_equal(by_pattern, single)
    assert_equal(by_list, single)
    assert [Path(s.path).name for s in by_pattern.sources] == [f"part_{i}.root" for i in range(12)]
    assert sum(s.selected for s in by_pattern.sources) == len(single)
    backwards = read(paths[::-1])
    order = np.lexsort(backwards.ids.T)
    np.testing.assert_array_equal(backwards.mass[order], single.mass)


@settings(max_examples=6, deadline=None, phases=(Phase.generate,))
@given(memory=st.integers(30_000, 300_000))
def test_chunks_never_change_the_events(ntuple: Path, memory: int) -> None:
    arguments: dict[str, Any] = {"weight": "genWeight", "truth": "isSignal"}
    reference = read(ntuple, **arguments)
    assert_equal(read(ntuple, memory=memory, **arguments), reference)
    parts = list(
        iterate_events(ntuple, mass=DIJET_MASS, features=DIJET_FEATURES, selection=TWO_JETS, memory=memory, **arguments)
    )
    joined = Events.concatenate(parts)
    assert_equal(joined, reference)
    assert joined.sources == reference.sources
    assert [p.sources[0].start for p in parts] == np.cumsum([0, *(p.sources[0].entries for p in parts[:-1])]).tolist()


def test_a_ceiling_below_one_entry_reads_entry_by_entry(
    tmp_path: Path, make_nanoaod: Make, write_ntuple: Write
) -> None:
    path = write_ntuple(tmp_path / "a.root", make_nanoaod(15))
    arguments: dict[str, Any] = {"mass": DIJET_MASS, "features": DIJET_FEATURES, "selection": TWO_JETS}
    assert len(list(iterate_events(path, memory=1, **arguments))) == 15
    assert_equal(read(path, memory=1), read(path))


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(1, 500), max_size=20), st.integers(1, 600))
def test_chunks_cover_everything_once_and_cut_at_boundaries(inner: set[int], largest: int) -> None:
    entries = 500
    boundaries = np.array(sorted({0, entries} | inner))
    ranges = plan_chunks(boundaries, largest)
    assert [a for a, _ in ranges] == [0, *(b for _, b in ranges[:-1])]
    assert ranges[-1][1] == entries
    for start, stop in ranges:
        assert 0 < stop - start <= largest
        reachable = [b for b in boundaries if start < b <= start + largest]
        assert stop == (max(reachable) if reachable else min(start + largest, entries))


def test_chunks_fall_on_baskets(ntuple: Path) -> None:
    parts = list(iterate_events(ntuple, mass=DIJET_MASS, features=DIJET_FEATURES, selection=TWO_JETS, memory=150_000))
    assert len(parts) > 1
    assert all(p.sources[0].start % 100 == 0 for p in parts)


def test_memory_is_bounded_by_the_chunk_for_ten_times_the_files(
    tmp_path: Path, make_nanoaod: Make, write_ntuple: Write
) -> None:
    ceiling = 2_000_000
    columns = make_nanoaod(12_000)
    paths = [write_ntuple(tmp_path / f"a{i}.root", columns, step=2_000) for i in range(1)]
    for i in range(1, 10):
        (tmp_path / f"a{i}.root").hardlink_to(paths[0])
    arguments: dict[str, Any] = {
        "mass": DIJET_MASS,
        "features": DIJET_FEATURES,
        "selection": TWO_JETS,
        "memory": ceiling,
    }

    def peak(pattern: str) -> int:
        tracemalloc.start()
        total = sum(len(part) for part in iterate_events(tmp_path / pattern, **arguments))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total > 1000
        return highest

    peak("a0.root")
    one, ten = peak("a0.root"), peak("a*.root")
    assert ten < one + ceiling / 8 + 200_000
    assert ten < ceiling


def test_reading_takes_little_more_than_its_result(tmp_path: Path) -> None:
    """Numbers are in no order, so that the search for duplicates has to sort them."""
    rng, rows, names = np.random.default_rng(1), 60_000, [f"f{number}" for number in range(12)]
    table = {name: rng.random(rows, dtype=np.float32) for name in names}
    parquet.write_table(
        pa.table(table | {"m": rng.uniform(2_000, 3_000, rows), "event": rng.permutation(rows)}),
        tmp_path / "a.parquet",
        row_group_size=3_000,
    )
    arguments: dict[str, Any] = {"mass": "m", "features": {name: name for name in names}, "identifiers": "event"}
    read_events(tmp_path / "a.parquet", memory=500_000, **arguments)
    tracemalloc.start()
    events = read_events(tmp_path / "a.parquet", memory=500_000, **arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = sum(each.nbytes for each in (events.x, events.mass, events.weights, events.ids, events.entry))
    assert len(events) == rows
    assert peak < 1.5 * held


def test_only_needed_branches_are_read(ntuple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis.io.root import TTreeTable

    seen: set[str] = set()
    original = TTreeTable.read

    def spy(self: TTreeTable, names: Any, start: int, stop: int) -> Any:
        seen.update(names)
        return original(self, names, start, stop)

    monkeypatch.setattr(TTreeTable, "read", spy)
    read(ntuple, features={"m": "FatJet_mass[0]"}, mass="FatJet_pt[0]", selection="num(FatJet) >= 1")
    assert seen == {"FatJet_pt", "FatJet_mass", "run", "luminosityBlock", "event"}


def test_progress_counts_to_one(ntuple: Path, folder: Path, make_nanoaod: Make, write_ntuple: Write) -> None:
    other = write_ntuple(folder / "progress.root", make_nanoaod(100, first_event=10_001))
    steps: list[ReadProgress] = []
    read([ntuple, other], memory=150_000, progress=steps.append)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert len(steps) > 2


def test_empty_files_keep_their_place_in_the_chain(tmp_path: Path, make_nanoaod: Make, write_ntuple: Write) -> None:
    write_ntuple(tmp_path / "a1.root", make_nanoaod(0))
    write_ntuple(tmp_path / "a2.root", make_nanoaod(60))
    events = read(tmp_path / "a*.root", truth="isSignal", selection=f"{TWO_JETS} and HLT_jet")
    assert [s.entries for s in events.sources] == [0, 60]
    assert events.truth is not None
    with pytest.raises(EmptySelectionError, match="None of 0 entries"):
        read(tmp_path / "a1.root")


@pytest.mark.parametrize(
    ("text", "size"), [("200 MB", 200_000_000), ("1.5GB", 1_500_000_000), (5000, 5000), ("3 KiB", 3072)]
)
def test_memory_sizes(text: str | int, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "many", "-5 MB", "0", "5 PB", "1.2.3 MB"])
def test_memory_that_is_no_size(text: str) -> None:
    with pytest.raises(AnalysisError, match="is not a size"):
        parse_memory(text)


# Identifiers


def test_missing_identifiers_say_what_to_do(
    tmp_path: Path, make_flat: Make, columns: dict[str, Any], write_ntuple: Write
) -> None:
    table = make_flat(columns)
    del table["run"], table["luminosityBlock"]
    table["eventNumber"] = table.pop("event")
    path = write_ntuple(tmp_path / "flat.root", table)
    arguments: dict[str, Any] = {
        "mass": "mjj(jet1, jet2)",
        "features": {"m": "jet1_mass"},
        "selection": "jet1_pt > 600",
    }
    with pytest.raises(IdentifierError, match=r"identifiers=\('run', 'lumi', 'event'\).*identifiers='entry'"):
        read(path, **arguments)
    named = read(path, identifiers="eventNumber", **arguments)
    np.testing.assert_array_equal(named.ids[:, 2], table["eventNumber"][table["jet1_pt"] > 600])
    by_entry = read([path], identifiers="entry", **arguments)
    np.testing.assert_array_equal(by_entry.ids[:, 2], by_entry.entry)
    with pytest.raises(BranchNotFoundError, match="no branch 'evt'"):
        read(path, identifiers=("evt",), **arguments)


def test_two_identifiers_are_run_and_event(ntuple: Path, columns: dict[str, Any]) -> None:
    events = read(ntuple, identifiers=("run", "event"))
    assert (events.ids[:, 0] == 7).all()
    assert (events.ids[:, 1] == 1).all()
    np.testing.assert_array_equal(events.ids[:, 2], columns["event"][events.entry])


def test_duplicated_events_are_refused_with_both_places(
    tmp_path: Path, make_nanoaod: Make, write_ntuple: Write
) -> None:
    for i, first in ((1, 1), (2, 101), (3, 150)):
        write_ntuple(tmp_path / f"a{i}.root", make_nanoaod(100, seed=i, first_event=first, fewest=2))
    assert len(read([tmp_path / "a2.root", tmp_path / "a1.root"])) == 200
    columns = make_nanoaod(100, seed=3, first_event=101, fewest=2)
    write_ntuple(tmp_path / "b.root", columns)
    with pytest.raises(
        IdentifierError, match=r"occurs at entry \d+ of '.*a2.root' and at entry \d+ of '.*b.root'; 100 events"
    ):
        read([tmp_path / "a2.root", tmp_path / "b.root"])
    assert len(read([tmp_path / "a2.root", tmp_path / "b.root"], identifiers="entry")) == 200


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1.5, 2.0]), "not whole numbers"),
        (np.array([-1, 2]), "negative values"),
        (np.array([np.nan, 1.0]), "not whole numbers"),
    ],
)
def test_numbers_that_can_not_identify(tmp_path: Path, write_ntuple: Write, values: np.ndarray, message: str) -> None:
    path = write_ntuple(tmp_path / "a.root", {"evt": values, "m": np.ones(2)})
    with pytest.raises(IdentifierError, match=message):
        read(path, mass="m", features={"m": "m"}, selection=None, identifiers="evt")


# What can be wrong


def test_missing_files_name_the_nearest(folder: Path, ntuple: Path) -> None:
    with pytest.raises(InputFileError, match=r"no file .*nanoo\.root.*Nearest:.*'nano\.root'"):
        read(folder / "nanoo.root")
    with pytest.raises(InputFileError, match=r"No file matches .*nan_\*\.root.*nano\.root"):
        read(folder / "nan_*.root")
    with pytest.raises(InputFileError, match=r"is a folder.*write a pattern"):
        read(folder)
    with pytest.raises(InputFileError, match="list of input files is empty"):
        read([])
    with pytest.raises(InputFileError, match="listed twice"):
        read([ntuple, folder / "nan*.root"])
    with pytest.raises(InputFileError, match="tree='Events'"):
        read(f"{ntuple}:Events")


def test_missing_trees_name_the_nearest(
    tmp_path: Path, ntuple: Path, columns: dict[str, Any], write_ntuple: Write
) -> None:
    with pytest.raises(TreeNotFoundError, match=r"no tree 'Event'. Nearest: 'Events'"):
        read(ntuple, tree="Event")
    with uproot.recreate(tmp_path / "two.root") as file:
        for name in ("nominal", "up"):
            file.mktree(name, {"x": np.float64}).extend({"x": np.zeros(2)})
    with pytest.raises(TreeNotFoundError, match=r"2 trees; say which.*'nominal', 'up'"):
        read(tmp_path / "two.root")
    with uproot.recreate(tmp_path / "none.root") as file:
        file["note"] = "text"
    with pytest.raises(TreeNotFoundError, match="has no tree"):
        read(tmp_path / "none.root")


@pytest.mark.parametrize("argument", ["selection", "mass", "weight", "truth", "features"])
def test_missing_branches_name_the_nearest(ntuple: Path, argument: str) -> None:
    text = "FatJet_masss[0] > 1" if argument in ("selection", "truth") else "FatJet_masss[0]"
    with pytest.raises(BranchNotFoundError, match=r"nano.root.*'FatJet_masss\[0\].*Nearest: 'FatJet_mass'"):
        read(ntuple, **{argument: {"m": text} if argument == "features" else text})


def test_truth_is_zero_or_one(ntuple: Path) -> None:
    with pytest.raises(ExpressionError, match="neither 0 nor 1; write a condition"):
        read(ntuple, truth="luminosityBlock")
    assert read(ntuple, truth="luminosityBlock == 3").truth is not None


def test_an_empty_selection_is_named(ntuple: Path) -> None:
    with pytest.raises(EmptySelectionError, match=r"None of 600 entries in 1 file.* passes the selection 'FatJet_pt"):
        read(ntuple, selection="FatJet_pt[0] > 1e9")


def test_missing_jets_are_named_with_their_count(ntuple: Path, columns: dict[str, Any]) -> None:
    fewer = int(ak.sum(ak.num(columns["FatJet_pt"]) < 2))
    with pytest.raises(MissingValueError, match=rf"nano.root', entries 0 to 600.*in {fewer} of 600"):
        read(ntuple, selection=None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("memory", ["200 MB", 30_000])
def test_a_value_that_is_not_finite_is_named_with_its_entry(
    tmp_path: Path, make_nanoaod: Make, write_ntuple: Write, bad: float, memory: Any
) -> None:
    columns = make_nanoaod(200, first_event=1001, fewest=2)
    broken = columns["FatJet_tau2"].to_list()
    broken[123] = [bad] * len(broken[123])
    write_ntuple(tmp_path / "a1.root", make_nanoaod(200, fewest=2))
    write_ntuple(tmp_path / "a2.root", {**columns, "FatJet_tau2": ak.values_astype(ak.Array(broken), np.float32)})
    with pytest.raises(NonFiniteError, match=r"feature 'tau21_light': 1 of \d+ events.*entry 123 of '.*a2.root'"):
        read(tmp_path / "a*.root", memory=memory)
    clean = read(tmp_path / "a*.root", memory=memory, selection="num(FatJet) >= 2 and abs(FatJet_tau2[0]) < 1")
    assert len(clean) == 399


def test_overflow_of_single_precision_is_named(ntuple: Path) -> None:
    with pytest.raises(NonFiniteError, match="feature 'big'"):
        read(ntuple, features={"big": "FatJet_pt[0] ** 16"})


def test_files_that_are_not_root_are_named(tmp_path: Path, ntuple: Path) -> None:
    (tmp_path / "text.root").write_text("no ROOT file, but a long enough text to be one" * 10)
    (tmp_path / "empty.root").touch()
    (tmp_path / "a.txt").write_text("text")
    for name, what in (
        ("text.root", "is not a ROOT file"),
        ("empty.root", "is empty"),
        ("a.txt", "is not a ROOT, HDF5"),
    ):
        with pytest.raises(InputFileError, match=what):
            read(tmp_path / name)
    (tmp_path / "a.h5").write_bytes(ntuple.read_bytes())
    with pytest.raises(InputFileError, match="named like a HDF5 file but its content is ROOT"):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize("fraction", [0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, ntuple: Path, fraction: float) -> None:
    whole = ntuple.read_bytes()
    (tmp_path / "cut.root").write_bytes(whole[: int(fraction * len(whole))])
    with pytest.raises(NtupleReadError, match=r"cut\.root' is truncated"):
        read(tmp_path / "cut.root")


def test_a_damaged_basket_is_named_with_branch_and_entries(tmp_path: Path, ntuple: Path) -> None:
    with uproot.open(ntuple) as file:
        branch = file["Events/FatJet_tau1"]
        key = branch.basket_key(3)
        position, size = key.data_cursor.index, key.data_compressed_bytes
    damaged = bytearray(ntuple.read_bytes())
    for i in range(position + size // 2, position + size // 2 + 64):
        damaged[i] ^= 0xFF
    (tmp_path / "flip.root").write_bytes(damaged)
    with pytest.raises(NtupleReadError, match="branch 'FatJet_tau1', entries 300 to 400") as caught:
        read(tmp_path / "flip.root", memory=90_000)
    assert caught.value.branch == "FatJet_tau1"
    assert caught.value.entries == (300, 400)
    assert caught.value.file == str(tmp_path / "flip.root")
    assert len(read(tmp_path / "flip.root", features={"m": "mj_light(FatJet)"}))


@pytest.mark.parametrize("suffix", [".root", ".rntuple.root"])
@pytest.mark.parametrize("compression", ["ZLIB", "ZSTD"])
def test_damaged_files_give_named_errors_and_nothing_else(
    tmp_path: Path,
    make_nanoaod: Make,
    suffix: str,
    compression: str,
    monkeypatch: pytest.MonkeyPatch,
    write_ntuple: Write,
) -> None:
    """Flips, zeros, garbage and cuts anywhere; with the checksum of the clean file no damage goes unnoticed."""
    recreate = uproot.recreate
    monkeypatch.setattr(uproot, "recreate", lambda path: recreate(path, compression=getattr(uproot, compression)(1)))
    path = write_ntuple(tmp_path / f"clean{suffix}", make_nanoaod(60))
    clean, digest = path.read_bytes(), sha256_of(path)
    victim = tmp_path / f"victim{suffix}"
    rng = np.random.default_rng(3)
    unnoticed = 0
    for trial in range(40):
        data = bytearray(clean)
        where = int(rng.integers(len(data)))
        match trial % 4:
            case 0:
                data[where] ^= 1 << int(rng.integers(8))
            case 1:
                data[where : where + 64] = bytes(len(data[where : where + 64]))
            case 2:
                data[where : where + 64] = rng.bytes(len(data[where : where + 64]))
            case _:
                data = data[:where]
        victim.write_bytes(data)
        try:
            read(victim)
            unnoticed += 1
        except AnalysisError:
            pass
        if bytes(data) != clean:
            with pytest.raises(InputFileError):
                read(victim, checksums={victim.name: digest})
    assert unnoticed < 40


def test_checksums_are_recorded_and_compared(ntuple: Path) -> None:
    digest = sha256_of(ntuple)
    assert read(ntuple).sources[0].sha256 == ""
    assert read(ntuple, checksums=True).sources[0].sha256 == digest
    assert read(ntuple, checksums={str(ntuple): digest.upper()}).sources[0].sha256 == digest
    with pytest.raises(InputFileError, match="no SHA-256 of 64 hexadecimal digits"):
        read(ntuple, checksums={ntuple.name: "0000"})
    with pytest.raises(InputFileError, match="not in the list of 1 checksums"):
        read(ntuple, checksums={"other.root": digest})


# Remote files


def test_remote_files_without_their_package_say_what_to_install() -> None:
    pytest.importorskip("fsspec")
    try:
        import fsspec_xrootd  # noqa: F401
    except ImportError:
        with pytest.raises(InputFileError, match=r"root://.*pip install 'cathode-hep\[xrootd\]'"):
            read("root://localhost//store/a.root")
    else:
        pytest.skip("fsspec-xrootd is installed")


def test_only_root_files_are_read_over_the_network() -> None:
    with pytest.raises(InputFileError, match="only ROOT files are read over the network; copy this parquet file"):
        read("https://server.example/events.parquet")


def test_remote_reads_are_tried_again(ntuple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    failures = [OSError("operation expired"), TimeoutError("no answer")]
    original = uproot.open

    def flaky(files: Any, **options: Any) -> Any:
        if failures:
            raise failures.pop()
        return original({str(ntuple): None}, **options)

    monkeypatch.setattr(uproot, "open", flaky)
    monkeypatch.setattr("analysis.io.http.time.sleep", pauses.append)
    url = "root://server.example//store/nano.root"
    assert_equal(read(url), read(ntuple))
    assert pauses == [1.0, 2.0]

    def dead(files: Any, **options: Any) -> Any:
        raise OSError("operation expired")

    monkeypatch.setattr(uproot, "open", dead)
    with pytest.raises(InputFileError, match="can not be reached after 4 attempts: operation expired"):
        read(url)


# Memory of mistakes: what another reader gets wrong


def test_a_selection_acts_on_an_rntuple_too(
    folder: Path, columns: dict[str, Any], ntuple: Path, write_ntuple: Write
) -> None:
    """uproot ignores cut= on an RNTuple and returns every row."""
    path = write_ntuple(folder / "cut.rntuple.root", columns, step=100)
    tight = f"{TWO_JETS} and FatJet_pt[0] > 900"
    assert_equal(read(path, selection=tight), read(ntuple, selection=tight))
    assert 0 < len(read(path, selection=tight)) < len(read(path))


def test_no_features_is_an_error(ntuple: Path) -> None:
    with pytest.raises(ExpressionError, match="No features"):
        read(ntuple, features={})
