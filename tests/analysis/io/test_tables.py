"""Which tree of a file is meant."""

from __future__ import annotations

import pytest

from analysis.errors import TreeNotFoundError
from analysis.io.tables import choose_tree


def test_the_named_the_only_or_the_usual_one() -> None:
    assert choose_tree("f", "b", ["a", "b"]) == "b"
    assert choose_tree("f", None, ["a"]) == "a"
    assert choose_tree("f", None, ["a", "Events", "c"], usual=("Events",)) == "Events"


@pytest.mark.parametrize(
    ("tree", "available", "said"),
    [("evnts", ["Events"], "Events"), (None, [], "no tree"), (None, ["a", "b"], "tree='a'"), ("a", [], "no tree")],
)
def test_no_clear_choice_is_refused(tree: str | None, available: list[str], said: str) -> None:
    with pytest.raises(TreeNotFoundError, match=said):
        choose_tree("f", tree, available, usual=("Events",))
