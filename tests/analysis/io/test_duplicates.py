"""No event twice, whatever the order."""

from __future__ import annotations

import re

import numpy as np
import pytest

from analysis.errors import IdentifierError, InputFileError
from analysis.events import Events, SourceFile
from analysis.io.duplicates import refuse_copies, refuse_duplicates


def events(ids: list[tuple[int, int, int]], identifiers: tuple[str, ...] = ("event",)) -> Events:
    n = len(ids)
    source = SourceFile(path="a.root", tree="t", entries=n, selected=n, identifiers=identifiers)
    return Events(
        x=np.zeros((n, 1)),
        mass=np.ones(n),
        columns=("x",),
        ids=np.array(ids, dtype=np.uint64).reshape(-1, 3),
        entry=np.arange(n),
        sources=(source,),
    )


def test_events_in_order_and_out_of_it_pass() -> None:
    rng = np.random.default_rng(0)
    ids = [(run, lumi, event) for run in (1, 2) for lumi in (1, 2) for event in range(50)]
    refuse_duplicates(events(ids))
    refuse_duplicates(events([ids[i] for i in rng.permutation(len(ids))]))
    refuse_duplicates(events([]))


@pytest.mark.parametrize("apart", [1, 7])
def test_a_duplicate_is_found_with_both_places_and_the_number(apart: int) -> None:
    ids = [(1, 1, e) for e in range(10)]
    ids.insert(2 + apart, (1, 1, 2))
    with pytest.raises(IdentifierError, match=re.escape("(1, 1, 2)")) as caught:
        refuse_duplicates(events(ids))
    assert "1 events in all" in str(caught.value)
    assert "a.root" in str(caught.value)


def test_the_remedy_depends_on_what_numbers_the_events() -> None:
    twice = [(1, 1, 1), (1, 1, 1)]
    with pytest.raises(IdentifierError, match="identifiers='entry'"):
        refuse_duplicates(events(twice))
    with pytest.raises(IdentifierError, match="changed copy"):
        refuse_duplicates(events(twice, ("entry",)))


def test_a_file_under_two_names_is_a_copy() -> None:
    def source(path: str, sha256: str, entries: int = 3) -> SourceFile:
        return SourceFile(path=path, tree="t", entries=entries, selected=entries, sha256=sha256)

    refuse_copies([source("a", "1"), source("b", "2"), source("c", "3", entries=0), source("d", "3")])
    with pytest.raises(InputFileError, match="'b' is a copy of 'a'"):
        refuse_copies([source("a", "1"), source("b", "1")])
