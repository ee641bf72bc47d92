"""Branches of one leaf name under two parents: each is read by its own path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from analysis.io.root import TTreeTable


class Split:
    """A tree whose branches `a…` and `b…` lie below parents A and B, where both are called the same."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self.num_entries = tree.num_entries
        self.arrays = tree.arrays

    def iteritems(self, *, recursive: bool, full_paths: bool) -> Any:
        for branch in self._tree.branches:
            parent = {b"A": "A/", b"B": "B/"}.get(branch.member("fTitle").encode()[:1], "")
            yield f"{parent}{branch.name}", branch


@pytest.mark.parametrize("names", [("A/x_pt",), ("B/x_pt",), ("B/x_pt", "A/x_pt", "m"), ("m", "B/x_pt")])
def test_equal_leaves_are_read_by_their_path(tmp_path: Path, names: tuple[str, ...]) -> None:
    expected = {"A/x_pt": np.full(5, 1.0), "B/x_pt": np.full(5, 2.0), "m": np.arange(5.0)}
    path = tmp_path / "a.root"
    with uproot.recreate(path, compression=None) as file:
        file.mktree("t", {"A_pt": "f8", "B_pt": "f8", "m": "f8"}).extend(
            {"A_pt": expected["A/x_pt"], "B_pt": expected["B/x_pt"], "m": expected["m"]}
        )
    # The names of the branches are made equal, the titles stay; uproot writes no parents.
    content = path.read_bytes()
    for letter in (b"A", b"B"):
        content = content.replace(b"\x04" + letter + b"_pt\x06" + letter + b"_pt", b"\x04x_pt\x06" + letter + b"_pt")
    path.write_bytes(content)
    with uproot.open(path) as file:
        tree = file["t"]
        assert [branch.name for branch in tree.branches] == ["x_pt", "x_pt", "m"]
        found = TTreeTable(str(path), "t", file, Split(tree)).read(names, 0, 5)
        assert list(found) == list(names)
        for name in names:
            np.testing.assert_array_equal(found[name].values, expected[name])
