"""Scores go back as a friend tree: one row per entry, aligned, and refused for other files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from analysis import DIJET_FEATURES, DIJET_MASS, read_events
from analysis.errors import InputFileError, NtupleReadError, ScoreAlignmentError, TreeNotFoundError
from analysis.events import Events
from analysis.folds import fold_of
from analysis.io.scores import read_scores, write_scores

Write = Callable[..., Path]
Make = Callable[..., dict[str, Any]]


@pytest.fixture
def events(tmp_path: Path, make_nanoaod: Make, write_ntuple: Write) -> Events:
    for i in range(3):
        write_ntuple(tmp_path / f"part{i}.root", make_nanoaod(200, seed=i, first_event=1 + 200 * i))
    return _read(tmp_path / "part*.root")


def _read(files: Any, selection: str = "num(FatJet) >= 2") -> Events:
    return read_events(files, mass=DIJET_MASS, features=DIJET_FEATURES, selection=selection)


def _columns(events: Events) -> dict[str, np.ndarray]:
    score = np.random.default_rng(0).random(len(events))
    return {"score": score, "fold": fold_of(events.ids, 5), "passes": score > 0.9, "score32": score.astype(np.float32)}


def test_one_row_per_entry_in_the_order_of_the_sources(tmp_path: Path, events: Events) -> None:
    columns = _columns(events)
    write_scores(tmp_path / "scores.root", events, columns)
    with uproot.open(tmp_path / "scores.root") as file:
        assert file.classnames()["Scores;1"] == "TTree"
        tree = file["Scores"].arrays(library="np")
    with uproot.open(tmp_path / "part1.root") as file:
        source = file["Events"].arrays(["run", "luminosityBlock", "event"], library="np")
    rows = slice(200, 400)
    chosen = tree["selected"][rows]
    assert len(tree["score"]) == 600
    assert tree["selected"].sum() == len(events)
    for name in ("run", "luminosityBlock", "event"):
        assert np.array_equal(tree[name][rows][chosen], source[name][chosen])
    assert np.array_equal(tree["score"][events.entry], columns["score"])
    assert np.isnan(tree["score"][~tree["selected"]]).all()
    assert (tree["fold"][~tree["selected"]] == -1).all()
    assert (tree["passes"][~tree["selected"]] == -1).all()
    assert tree["score32"].dtype == np.float32


def test_scores_come_back_for_their_events_and_for_a_subset(tmp_path: Path, events: Events) -> None:
    columns = _columns(events)
    write_scores(tmp_path / "scores.root", events, columns)
    scores = read_scores(tmp_path / "scores.root")
    assert len(scores) == 600
    assert scores.sources == events.sources
    back = scores.of(events)
    assert set(back) == set(columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(back[name], values)
    tight = _read(tmp_path / "part*.root", "num(FatJet) >= 2 and FatJet_pt[0] > 900")
    np.testing.assert_array_equal(scores.of(tight)["score"], columns["score"][np.isin(events.entry, tight.entry)])


def test_other_files_are_refused(tmp_path: Path, events: Events, make_nanoaod: Make, write_ntuple: Write) -> None:
    write_scores(tmp_path / "scores.root", events, _columns(events))
    scores = read_scores(tmp_path / "scores.root")
    parts = [tmp_path / f"part{i}.root" for i in range(3)]
    with pytest.raises(ScoreAlignmentError, match="belongs to 3 file"):
        scores.of(_read(parts[:2]))
    with pytest.raises(ScoreAlignmentError, match="with uuid"):
        scores.of(_read([parts[1], parts[0], parts[2]]))
    (tmp_path / "other").mkdir()
    shorter = write_ntuple(tmp_path / "other" / "part2.root", make_nanoaod(150, seed=2, first_event=401))
    with pytest.raises(ScoreAlignmentError, match="entries 200, but"):
        scores.of(_read([*parts[:2], shorter]))


def test_events_with_other_numbers_are_refused(tmp_path: Path, events: Events) -> None:
    """HDF5 and parquet files have no uuid, so the numbers themselves are compared."""
    anonymous = replace(events, sources=tuple(replace(s, uuid="") for s in events.sources))
    write_scores(tmp_path / "scores.root", anonymous, _columns(events))
    ids = anonymous.ids.copy()
    ids[3, 2] += np.uint64(1)
    with pytest.raises(ScoreAlignmentError, match="1 events have other numbers"):
        read_scores(tmp_path / "scores.root").of(replace(anonymous, ids=ids))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"score": np.zeros(3)}, "shape"),
        ({"event": None}, "can not be called 'event'"),
        ({"my score": None}, "can not be called"),
        ({"score": np.array(["a"])}, "shape"),
    ],
)
def test_unusable_columns_are_refused(tmp_path: Path, events: Events, columns: Any, message: str) -> None:
    filled = {name: np.zeros(len(events)) if values is None else values for name, values in columns.items()}
    with pytest.raises(ScoreAlignmentError, match=message):
        write_scores(tmp_path / "scores.root", events, filled)
    assert not (tmp_path / "scores.root").exists()


def test_events_without_sources_need_their_number_of_entries(tmp_path: Path) -> None:
    x = np.zeros((2, 1))
    events = Events(x=x, mass=np.ones(2), columns=("a",), entry=np.array([1, 4]))
    write_scores(tmp_path / "a.root", events, {"score": np.array([0.25, 0.5])}, n_entries=6)
    np.testing.assert_array_equal(
        read_scores(tmp_path / "a.root").columns["score"], [np.nan, 0.25, np.nan, np.nan, 0.5, np.nan]
    )
    with pytest.raises(ScoreAlignmentError, match="up to entry 4"):
        write_scores(tmp_path / "b.root", events, {"score": np.zeros(2)}, n_entries=4)


def test_files_that_are_no_scores_are_named(tmp_path: Path, events: Events) -> None:
    with pytest.raises(InputFileError, match=r"no file .*score\.root"):
        read_scores(tmp_path / "score.root")
    with pytest.raises(TreeNotFoundError, match="no tree 'Scores'"):
        read_scores(tmp_path / "part0.root")
    with uproot.recreate(tmp_path / "bare.root") as file:
        file.mktree("Scores", {"score": np.float64}).extend({"score": np.zeros(3)})
    with pytest.raises(ScoreAlignmentError, match="does not say which files"):
        read_scores(tmp_path / "bare.root")
    write_scores(tmp_path / "scores.root", events, _columns(events))
    whole = (tmp_path / "scores.root").read_bytes()
    (tmp_path / "cut.root").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NtupleReadError, match="truncated"):
        read_scores(tmp_path / "cut.root")
