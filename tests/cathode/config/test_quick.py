"""A quick trial is the same search with smaller numbers, in another folder, and says what it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cathode.cli.options import place, with_quick
from cathode.config import parse_config
from cathode.config.quick import LARGEST, smaller
from cathode.result import Counts, CutResult, MassModelSummary, RegionSummary, SearchResult
from cathode.validation.claims import headline

MINIMAL = "data: {files: a.root}\nregion: {signal: [3300, 3700]}\nclassifier: {kind: mlp, hidden: 77}\n"


def test_numbers_of_trainings_become_small_and_nothing_else_changes() -> None:
    whole, trial = parse_config(MINIMAL), parse_config(MINIMAL, overrides=["quick=true"])
    assert (whole.quick, trial.quick) == (False, True)
    assert trial.folds == LARGEST["folds"] < whole.folds
    assert trial.classifier.hyperparameters["hidden"] == 77
    assert trial.classifier.hyperparameters["epochs"] == LARGEST["epochs"]
    assert trial.region == whole.region
    assert trial.background_efficiencies == whole.background_efficiencies
    assert parse_config(trial.to_yaml()).resolved() == trial.resolved()
    trial.search()


def test_what_is_small_stays_and_truth_values_are_no_numbers() -> None:
    assert smaller({"steps": 3, "members": True, "x": [{"epochs": 90}], "patience": None}) == {
        "steps": 3,
        "members": True,
        "x": [{"epochs": 5}],
        "patience": None,
    }


def test_a_trial_is_no_result_and_lies_elsewhere() -> None:
    assert place(Path("runs/a"), True) == Path("runs/a-quick")
    assert place(Path("runs/a"), False) == Path("runs/a")
    assert with_quick(["folds=3"], True) == ["folds=3", "quick=true"]
    cut = CutResult(0.01, 12, 10, 1, 1, 0.3, 0.3, 0.5, (0.5, 0.5), 100, 10_000)
    result = SearchResult(
        region=RegionSummary(3300, 3700),
        columns=("a",),
        counts=Counts(10, 5, 3, 2, 20),
        mass_model=MassModelSummary("kde", {}, None, None, None, (3000, 4000), 5, 1, 5),
        cuts=(cut,),
    )
    assert headline(dataclasses.replace(result, quick=True)) == f"Quick trial, no result: {headline(result)}"
