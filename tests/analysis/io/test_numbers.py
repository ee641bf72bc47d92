"""What numbers the events of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from analysis.errors import BranchNotFoundError, IdentifierError
from analysis.expressions.column import Column
from analysis.io.numbers import EventNumbers, as_numbers


@dataclass
class Given:
    columns: Mapping[str, Any]
    path: str = "a.root"
    tree: str = "Events"
    uuid: str = "u-1"
    entries: int = 3
    names: Any = field(init=False)

    def __post_init__(self) -> None:
        self.names = tuple(self.columns)


def numbered(table: Any, identifiers: Any = None) -> Any:
    numbers = EventNumbers(table, identifiers, "auto")
    return numbers.ids({n: Column(table.columns[n]) for n in numbers.branches}, 0, 3).tolist()


def test_the_usual_branches() -> None:
    table = Given({"run": np.full(3, 7), "luminosityBlock": np.array([1, 1, 2]), "event": np.array([5, 6, 5])})
    assert numbered(table) == [[7, 1, 5], [7, 1, 6], [7, 2, 5]]


def test_run_and_event_have_one_luminosity_block() -> None:
    table = Given({"r": np.array([1, 1, 2]), "n": np.array([5, 6, 5])})
    assert numbered(table, ("r", "n")) == [[1, 1, 5], [1, 1, 6], [2, 1, 5]]
    assert numbered(table, ("n + 1",))[0] == [1, 1, 6]


def test_positions_are_those_of_the_content_not_of_the_name() -> None:
    one, renamed, other = (
        numbered(Given({}, path=path, uuid=uuid), ("entry",)) for path, uuid in [("a", "u"), ("b", "u"), ("a", "v")]
    )
    assert one == renamed != other
    assert [row[2] for row in one] == [0, 1, 2]
    assert max(row[1] for row in one) < 2**63


def test_a_wrong_name_gets_a_hint() -> None:
    with pytest.raises(BranchNotFoundError, match="event"):
        numbered(Given({"event": np.arange(3)}), ("evnt",))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (Column(np.array([1.5])), "not whole"),
        (Column(np.array([-1])), "negative"),
        (Column(np.array([np.nan])), "not whole"),
        (Column(np.array([2.0**25], dtype=np.float32)), "rounds"),
        (Column(np.array([1]), np.array([True])), "missing"),
        (Column(np.array([1, 2]), None, np.array([0, 2])), "list"),
    ],
)
def test_what_can_not_number_events(column: Column, said: str) -> None:
    with pytest.raises(IdentifierError, match=said):
        as_numbers(column)


def test_lists_of_one_and_floats_that_are_exact_can() -> None:
    assert as_numbers(Column(np.array([3, 4]), None, np.array([0, 1, 2]))).tolist() == [3, 4]
    assert as_numbers(Column(np.array([2.0**24], dtype=np.float32))).tolist() == [2**24]
    assert as_numbers(Column(np.array([2**64 - 1], dtype=np.uint64))).tolist() == [2**64 - 1]
