"""Tables of every kind give the same events."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pandas as pd
import pytest

from analysis.arrays import named_columns
from analysis.errors import AnalysisError, NonFiniteError
from analysis.events import Events

COLUMNS = {"mjj": [3500.0, 3600.0, 3700.0], "a": [1.0, 2.0, 3.0], "b": [0.1, 0.2, 0.3], "signal": [0, 1, 0]}


def tables() -> list[Any]:
    frame = pd.DataFrame(COLUMNS)
    return [COLUMNS, frame, frame.to_records(index=False), ak.zip({k: np.array(v) for k, v in COLUMNS.items()})]


@pytest.mark.parametrize("table", tables(), ids=["mapping", "pandas", "records", "awkward"])
def test_every_table_gives_the_same_events(table: Any) -> None:
    events = Events.from_arrays(table, "mjj", truth="signal")
    assert events.columns == ("a", "b")
    assert np.allclose(events.x, [[1, 0.1], [2, 0.2], [3, 0.3]])
    assert events.mass.tolist() == [3500, 3600, 3700]
    assert events.truth is not None
    assert events.truth.tolist() == [False, True, False]
    assert Events.from_arrays(table, "mjj", ["b"]).columns == ("b",)


def test_plain_arrays_need_names() -> None:
    x, mass = np.ones((2, 1)), np.array([3500.0, 3600.0])
    assert Events.from_arrays(x, mass, ["a"], weights=[1, -1]).weights.tolist() == [1, -1]
    for wrong in (lambda: Events.from_arrays(x, mass), lambda: Events.from_arrays(x, "mjj", ["a"])):
        with pytest.raises(AnalysisError, match="no names"):
            wrong()


def test_what_is_no_column_is_named() -> None:
    with pytest.raises(AnalysisError, match="no column 'mass'; there are mjj"):
        Events.from_arrays(COLUMNS, "mass")
    with pytest.raises(AnalysisError, match="'jets'"):
        named_columns(ak.Array({"jets": [[1.0], [1.0, 2.0]]}))
    with pytest.raises(AnalysisError, match="from_arrays"):
        Events.from_arrays({**COLUMNS, "c": [1.0]}, "mjj")
    with pytest.raises(NonFiniteError, match="feature 'a'"):
        Events.from_arrays({**COLUMNS, "a": [1.0, float("nan"), 2.0]}, "mjj")
    assert named_columns(np.ones((2, 2))) is None


def test_events_are_shown_in_a_line_and_in_a_table() -> None:
    events = Events.from_arrays({**COLUMNS, "<b>": [1.0, 2.0, 4.0]}, "mjj", truth="signal")
    assert repr(events) == "<Events: 3 events, mass 3500–3700 GeV, features a, b, <b>, 1 of true signal>"
    shown = events._repr_html_()
    assert "<td>&lt;b&gt;</td><td>1</td><td>2.333</td><td>4</td>" in shown
    assert events[:0]._repr_html_()
