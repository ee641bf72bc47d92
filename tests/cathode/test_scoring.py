"""Scores for a friend tree, of the events of a search and of others."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from analysis.events import Events
from analysis.folds import fold_of
from analysis.io.scores import read_scores
from cathode.diagnostics import Diagnostics
from cathode.errors import ClassifierFolderError, ResultError, RunFolderError
from cathode.result import SearchResult
from cathode.scoring import Scorer, score
from cathode.validation.regions import spread_regions

from .toys import COLUMNS, REGION, Discriminant, toy_events, toy_search

EFFICIENCIES = (0.1, 0.02)


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(12_000, signal=50, seed=61)


@pytest.fixture(scope="module")
def folder(events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run") / "search"
    Discriminant.scored.clear()
    search = toy_search(classifier=Discriminant(remember=True), background_efficiencies=EFFICIENCIES, folds=3)
    search.run(events, output=place)
    return place


@pytest.fixture(scope="module")
def result(folder: Path) -> SearchResult:
    return SearchResult.read(folder / "result.json")


def test_no_event_was_scored_by_a_classifier_that_saw_it(folder: Path, events: Events) -> None:
    """In the signal region, in the validation regions and their template, and beside the window.

    The template of the signal region twice: by the classifiers, and by the parts of them of which the spread is known.
    """
    beside = spread_regions(REGION, events.mass, fraction=0.5)
    inside, held = REGION.signal(events.mass).sum(), sum(interval(events.mass).sum() for interval in beside)
    selected = (REGION.signal(events.mass) | REGION.sideband(events.mass)).sum()
    assert sum(rows for rows, _ in Discriminant.scored) == 2 * 4 * inside + (4 + 1) * held + selected
    assert sum(seen for _, seen in Discriminant.scored) == 0


def test_events_of_the_search_in_other_ntuples_stay_held_out(folder: Path, events: Events) -> None:
    """Found again by their run, luminosity block and event number, in any order and among others."""
    Discriminant.scored.clear()
    rng = np.random.default_rng(1)
    mixed = Events.concatenate([toy_events(500, seed=62), events])
    mixed = mixed[rng.permutation(len(mixed))[:9_000]]
    again = score(folder, mixed)
    assert sum(rows for rows, _ in Discriminant.scored) == 9_000
    assert sum(seen for _, seen in Discriminant.scored) == 0
    first = score(folder, events)
    where = {tuple(ids): s for ids, s in zip(events.ids.tolist(), first["score"].tolist(), strict=True)}
    common = [
        (where[tuple(i)], s)
        for i, s in zip(mixed.ids.tolist(), again["score"].tolist(), strict=True)
        if tuple(i) in where
    ]
    assert len(common) > 8_000
    assert all(a == b for a, b in common)


class TestColumns:
    def test_are_one_row_per_event(self, folder: Path, events: Events) -> None:
        columns = score(folder, events)
        assert set(columns) == {"score", "fold", "region", "mass", "passes_0p1", "passes_0p02"}
        assert {len(c) for c in columns.values()} == {len(events)}
        assert {name: str(c.dtype) for name, c in columns.items()} == {
            "score": "float32",
            "fold": "int32",
            "region": "int32",
            "mass": "float64",
            "passes_0p1": "bool",
            "passes_0p02": "bool",
        }
        assert np.array_equal(columns["mass"], events.mass)
        assert np.array_equal(columns["fold"], fold_of(events.ids, 3))

    def test_region_says_where_an_event_lies(self, folder: Path, events: Events) -> None:
        region = score(folder, events)["region"]
        assert np.array_equal(region == 1, REGION.signal(events.mass))
        assert np.array_equal(region == 0, REGION.sideband(events.mass))
        assert (region == -1).sum() == ((events.mass < 2_300) | (events.mass >= 5_300)).sum() > 0

    def test_flags_are_the_cuts_of_the_result(self, folder: Path, events: Events, result: SearchResult) -> None:
        columns = score(folder, events)
        inside = columns["region"] == 1
        for cut, name in zip(result.cuts, ("passes_0p1", "passes_0p02"), strict=True):
            assert (columns[name] & inside).sum() == cut.observed
            thresholds = np.array(cut.thresholds)[columns["fold"]]
            near = np.abs(columns["score"] - thresholds) < 1e-5  # scores are stored in single precision
            assert np.array_equal(columns[name][~near], (columns["score"] > thresholds)[~near])
        assert not (columns["passes_0p02"] & ~columns["passes_0p1"]).any()

    def test_new_background_passes_as_often_as_the_cut_says(self, folder: Path) -> None:
        new = toy_events(60_000, seed=63)
        columns = score(folder, new)
        inside = columns["region"] == 1
        for efficiency, name in zip(EFFICIENCIES, ("passes_0p1", "passes_0p02"), strict=True):
            n = inside.sum()
            # The cut is a quantile of 1,900 template events per fold and fluctuates with them.
            error = (efficiency * (1 / n + 1 / 5_000)) ** 0.5
            assert columns[name][inside].mean() == pytest.approx(efficiency, abs=4 * error)


def test_friend_tree_and_diagnostics_of_the_run_are_the_same_scores(
    folder: Path, events: Events, result: SearchResult
) -> None:
    stored = read_scores(folder / "scores.root")
    expected = score(folder, events)
    chosen = expected["region"] >= 0
    # The chain of sources is unknown here and ends with the last selected event.
    assert np.array_equal(stored.selected, chosen[: len(stored)])
    assert not chosen[len(stored) :].any()
    for name, values in expected.items():
        kept = np.asarray(stored.columns[name])[events.entry[chosen]]
        assert np.array_equal(kept.astype(values.dtype), values[chosen]), name
    drawn = Diagnostics.load(folder / "diagnostics.npz")
    assert np.array_equal(drawn.scores.astype(np.float32), expected["score"][chosen])
    assert np.array_equal(drawn.passes[0], expected["passes_0p1"][chosen])
    assert len(drawn.template_scores) == result.counts.template
    for fold in range(3):
        mine = drawn.template_fold == fold
        assert (drawn.template_scores[mine] >= result.cuts[0].thresholds[fold]).sum() == round(0.1 * mine.sum())


def test_loaded_scorer_is_the_one_that_was_saved(folder: Path, events: Events, result: SearchResult) -> None:
    scorer = Scorer.load(folder)
    assert (scorer.region, scorer.columns, scorer.folds) == (REGION, COLUMNS, 3)
    assert [tuple(cut.thresholds) for cut in scorer.cuts] == [cut.thresholds for cut in result.cuts]
    found = scorer(events)
    assert found.passes.shape == (2, len(events))
    assert found.passes[:, REGION.signal(events.mass)].sum(axis=1).tolist() == [cut.observed for cut in result.cuts]


class TestRefusals:
    @pytest.mark.parametrize("columns", [("second", "first", "third"), ("first", "second", "3rd"), ("first", "second")])
    def test_other_features(self, folder: Path, columns: tuple[str, ...]) -> None:
        other = Events(np.zeros((5, len(columns))), np.full(5, 3_500.0), columns)
        with pytest.raises(RunFolderError, match=rf"{', '.join(columns)}.*{', '.join(COLUMNS)}"):
            score(folder, other)

    def test_unfinished_run(self, tmp_path: Path, events: Events) -> None:
        with pytest.raises(RunFolderError, match=r"no result\.json.*not a finished run"):
            score(tmp_path, events)

    def test_altered_files(self, folder: Path, events: Events, tmp_path: Path) -> None:
        for name, error in (
            ("classifiers/fold_1/weights.safetensors", ClassifierFolderError),
            ("classifiers/fold_2/card.json", ClassifierFolderError),
            ("result.json", ResultError),
        ):
            copy = tmp_path / name.replace("/", "_")
            shutil.copytree(folder, copy)
            content = (copy / name).read_bytes()
            (copy / name).write_bytes(content[:-20])
            with pytest.raises(error):
                score(copy, events)
