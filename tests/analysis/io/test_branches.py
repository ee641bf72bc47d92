"""What branches hold, in words."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis.io.branches import kind_of_branch, kind_of_field, leaves_of, without_containers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("t", {"x": "float64", "jets": "var * float32", "cov": "3 * float32"}).extend(
            {"x": np.zeros(2), "jets": ak.Array([[1.0], []]), "cov": np.zeros((2, 3), "f4")}
        )
        nested = ak.Array([[[1.0, 2.0], []], []])
        file.mkrntuple("n", {"x": np.zeros(2), "jets": ak.Array([[1.0], []]), "deep": nested, "s": ["a", "b"]})
    return path


def test_numbers_and_lists_need_no_words(path: Path) -> None:
    with uproot.open(path) as file:
        assert [kind_of_branch(file["t"][name]) for name in ("x", "jets", "cov")] == ["", "", ""]
        fields = {field.name: field for field in file["n"].fields}
        assert kind_of_field(fields["x"]) == kind_of_field(fields["jets"]) == ""
        assert "vector" in kind_of_field(fields["deep"])
        assert "string" in kind_of_field(fields["s"])


def test_what_can_not_be_read_is_said_and_no_error() -> None:
    class Unknown:
        typename = "MyObject"

    class Nothing: ...

    assert kind_of_branch(Unknown()) == "a MyObject"
    assert kind_of_branch(Nothing()) == "a type that can not be read"
    assert kind_of_field(Nothing()) == "a type that can not be read"


def test_containers_beside_their_branches_are_left_out() -> None:
    names = ["JetsAux.", "Jets", "Jets.pt", "met", "met_phi"]
    kinds = {"Jets": "a container", "met": ""}
    asked: list[str] = []

    def kind_of(name: str) -> str:
        asked.append(name)
        return kinds[name]

    assert without_containers(names, kind_of) == ("JetsAux.", "Jets.pt", "met", "met_phi")
    assert sorted(asked) == ["Jets", "met"]


def test_a_list_of_leaves_has_a_column_for_each() -> None:
    class Leaf:
        def __init__(self, name: str) -> None:
            self._name = name

        def member(self, name: str) -> str:
            return self._name

    class Branch:
        def __init__(self, *leaves: str) -> None:
            self._leaves = [Leaf(leaf) for leaf in leaves]

        def member(self, name: str) -> list[Leaf]:
            return self._leaves

    assert leaves_of({"ev": Branch("run", "event"), "x": Branch("x")}) == {
        "ev.run": ("ev", "run"),
        "ev.event": ("ev", "event"),
        "x": ("x", ""),
    }
