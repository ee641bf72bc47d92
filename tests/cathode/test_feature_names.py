from __future__ import annotations

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from analysis.datasets import embedded
from analysis.errors import FeatureNameError
from analysis.events import Events
from analysis.feature_names import check_feature_names
from analysis.io.ntuples import read_events
from cathode.config.data import DataConfig
from cathode.report.figures import file_names

BAD = [
    [""], [" "], [" pt"], ["pt\n"], ["."], [".."], [".pt"], ["../pt"], ["a/b"], ["a\\b"], ["/"], ["a\0b"], ["a\tb"],
    ["a\x1b[31m"], ["a\u202eb"], ["a\u200bb"], ["\ud800"], ["con"], ["NUL"], ["Lpt1.x"], ["x" * 101],
    ["pt", "pt"], ["a", "b", "a"],    ["\u00e9", "e\u0301"], ["\ufb01t", "fit"],
]  # fmt: skip
GOOD = [
    ["pt"],
    ["Pt", "pt", "PT"],
    ["delta m", "delta_m"],
    ["Δm", "τ21"],
    ["a.b", "a-b"],
    ["contact", "console"],
    ["é"],
]


@pytest.mark.parametrize("names", BAD, ids=repr)
def test_names_that_can_not_be_used_are_refused_wherever_they_are_declared(names: list[str]) -> None:
    with pytest.raises(FeatureNameError):
        check_feature_names(names)
    with pytest.raises(FeatureNameError):
        Events(x=np.zeros((3, len(names))), mass=np.ones(3), columns=tuple(names))
    if len(set(names)) == len(names):
        features = dict.fromkeys(names, "FatJet_pt[0]")
        with pytest.raises(FeatureNameError):
            read_events(str(embedded("dijets")), mass="mjj(FatJet)", features=features)
        with pytest.raises(ValidationError, match="feature name"):
            DataConfig(files=("a.root",), features=features)


@pytest.mark.parametrize("names", GOOD, ids=repr)
def test_other_names_are_fine(names: list[str]) -> None:
    events = Events(x=np.zeros((3, len(names))), mass=np.ones(3), columns=tuple(names))
    assert events.columns == tuple(names)


def test_a_number_is_no_name() -> None:
    with pytest.raises(FeatureNameError, match="of type int"):
        Events(x=np.zeros((3, 1)), mass=np.ones(3), columns=(1,))  # type: ignore[arg-type]


def test_no_two_features_share_a_figure() -> None:
    names = ["pt", "a/b", "a_b", "a b", "Mass", "mass", "MASS", "Δm", "τm", "é", "e\u0301", "x" * 90, "x" * 99, ".", ""]
    files = file_names(names)
    assert len({file.casefold() for file in files.values()}) == len(names)
    assert files["pt"] == "pt"
    assert all(
        set(file) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") for file in files.values()
    )
    for order in itertools.islice(itertools.permutations(names), 50):
        assert file_names(order) == files
