"""Scores belong to their entries in any order of the files: in ROOT's, in that of the list, by event numbers."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import uproot

from analysis import Events, read_events
from analysis.io.scores import read_scores, write_scores

Write = Callable[..., Path]
FILES, EACH = 12, 20


@pytest.fixture
def chain(tmp_path: Path, write_ntuple: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nt_1 to nt_12, of which ROOT's `Add("nt_*.root")` reads nt_1, nt_10, nt_11, nt_12, nt_2 …"""
    monkeypatch.chdir(tmp_path)
    for i in range(1, FILES + 1):
        rng = np.random.default_rng(i)
        columns = {
            "run": np.full(EACH, 300 + i // 4, np.uint32),
            "luminosityBlock": np.full(EACH, i, np.uint32),
            "event": np.arange(EACH, dtype=np.uint64) + np.uint64(2**63 + 1000 * i),
            "m": rng.uniform(2000, 5000, EACH),
        }
        write_ntuple(Path(f"nt_{i}.root"), columns, step=7)
    return tmp_path


def read(files: Any = "nt_*.root", **changes: Any) -> Events:
    return read_events(files, **{"mass": "m", "features": {"x": "m / 2"}, "selection": "m > 3000", **changes})


def in_roots_order(chain: Path) -> list[tuple[str, dict[str, np.ndarray]]]:
    paths = sorted(path.name for path in chain.glob("nt_*.root"))
    assert paths[1] == "nt_10.root"
    return [(path, uproot.open(path)["Events"].arrays(library="np")) for path in paths]


def scored(events: Events) -> dict[str, np.ndarray]:
    write_scores("scores.root", events, {"score": events.mass})
    rows: dict[str, np.ndarray] = uproot.open("scores.root")["Scores"].arrays(library="np")
    assert len(rows["score"]) == FILES * EACH
    return rows


def assert_is_its_mass(score: np.ndarray, mass: np.ndarray) -> None:
    np.testing.assert_array_equal(score, np.where(mass > 3000, mass, np.nan))


@pytest.mark.parametrize("identifiers", [None, "entry"])
def test_joined_by_file_and_entry(chain: Path, identifiers: str | None) -> None:
    rows = scored(read(identifiers=identifiers))
    files = uproot.open("scores.root")["Files"].arrays(library="np")
    number = {path: i for i, path in enumerate(files["path"])}
    row_of = {place: i for i, place in enumerate(zip(rows["file"].tolist(), rows["entry"].tolist(), strict=True))}
    for path, columns in in_roots_order(chain):
        mine = [row_of[number[path], entry] for entry in range(EACH)]
        assert_is_its_mass(rows["score"][mine], columns["m"])
        assert mine[0] == files["first"][number[path]]
    assert files["entries"].tolist() == [EACH] * FILES
    assert files["tree"].tolist() == ["Events"] * FILES
    assert files["uuid"].tolist() == [str(uproot.open(path).file.uuid) for path in files["path"]]


def test_joined_by_the_chain_of_the_list(chain: Path) -> None:
    rows = scored(read())
    listed = uproot.open("scores.root")["Files"]["path"].array(library="np")
    mass = np.concatenate([uproot.open(path)["Events"]["m"].array(library="np") for path in listed])
    assert_is_its_mass(rows["score"], mass)


def test_joined_by_event_numbers_of_every_entry_selected_or_not(chain: Path) -> None:
    events = read()
    # As the search does, which writes the events of window and sidebands out of those that were read.
    rows = scored(events[events.mass < 4000])
    names = ("run", "luminosityBlock", "event")
    row_of = {ids: i for i, ids in enumerate(zip(*(rows[name].tolist() for name in names), strict=True))}
    assert len(row_of) == FILES * EACH
    for _, columns in in_roots_order(chain):
        mine = [row_of[ids] for ids in zip(*(columns[name].tolist() for name in names), strict=True)]
        mass = columns["m"]
        np.testing.assert_array_equal(rows["score"][mine], np.where((mass > 3000) & (mass < 4000), mass, np.nan))
    assert (rows["selected"] == (rows["score"] > 0)).all()


def test_two_and_one_identifiers_are_filled_alike(chain: Path) -> None:
    for identifiers in (("run", "event"), ("event",)):
        files = "nt_1.root" if len(identifiers) == 1 else "nt_*.root"
        events = read(files, identifiers=identifiers, selection="m > 4000", memory=10**6)
        write_scores("scores.root", events, {"score": events.mass})
        whole = read(files, identifiers=identifiers, selection=None)
        np.testing.assert_array_equal(read_scores("scores.root").ids, whole.ids)


def test_a_file_that_is_gone_or_another_leaves_its_numbers_out(chain: Path, caplog: pytest.LogCaptureFixture) -> None:
    events = read()
    Path("nt_3.root").unlink()
    shutil.copy("nt_5.root", "nt_4.root")
    with caplog.at_level(logging.WARNING):
        rows = scored(events)
    assert [record.args[0] for record in caplog.records if record.args] == ["nt_3.root", "nt_4.root"]
    known = rows["run"] > 0
    lost = (rows["file"] == 2) | (rows["file"] == 3)
    np.testing.assert_array_equal(known, rows["selected"] | ~lost)


def test_scores_without_sources_are_in_an_unknown_file(tmp_path: Path) -> None:
    events = Events(x=np.zeros((2, 1)), mass=np.ones(2), columns=("a",), entry=np.array([1, 4]))
    write_scores(tmp_path / "a.root", events, {"score": np.array([0.25, 0.5])}, n_entries=6)
    with uproot.open(tmp_path / "a.root") as file:
        assert file["Files"].num_entries == 0
        assert file["Scores"]["file"].array(library="np").tolist() == [-1] * 6
        assert file["Scores"]["entry"].array(library="np").tolist() == list(range(6))


def test_an_empty_chain_gives_an_empty_tree(chain: Path, write_ntuple: Write) -> None:
    from analysis.io.ntuples import iterate_events

    write_ntuple(Path("none.root"), {"m": np.empty(0)})
    (events,) = iterate_events("none.root", mass="m", features={"x": "m"})
    write_scores("scores.root", events, {"score": np.empty(0), "passes": np.empty(0, bool)})
    scores = read_scores("scores.root")
    assert len(scores) == 0
    assert set(scores.columns) == {"score", "passes"}
    assert scores.of(events)["score"].shape == (0,)


def test_events_of_the_olympics_that_were_not_selected_have_their_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    fields = ("px", "py", "pz", "m", "tau1", "tau2", "tau3")
    frame = pd.DataFrame({f"{name}j{jet}": rng.normal(1000, 50, 8) for jet in (1, 2) for name in fields})
    frame["label"] = np.arange(8) % 2.0
    frame.to_hdf(tmp_path / "features.h5", key="df", mode="w")
    numbers = {}
    for identifiers in (None, "entry"):
        for tree in (None, "df", "/df"):
            events = read_events(
                tmp_path / "features.h5",
                layout="lhco",
                mass="mjj(FatJet)",
                features={"x": "mj_light(FatJet)"},
                selection="label == 1",
                identifiers=identifiers,
                tree=tree,
            )
            assert len(events) == 4
            write_scores(tmp_path / "scores.root", events, {"score": events.mass})
            stored = read_scores(tmp_path / "scores.root")
            assert stored.sources == events.sources
            assert stored.ids[:, 2].tolist() == list(range(8) if identifiers else range(1, 9))
            numbers[identifiers, tree] = stored.ids.tolist()
        assert numbers[identifiers, None] == numbers[identifiers, "df"] == numbers[identifiers, "/df"]
