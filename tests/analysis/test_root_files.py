"""ROOT files that hold more than the tree that is meant: older cycles, histograms, folders, containers, leaf lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis import Events, read_events
from analysis.errors import AnalysisError, BranchNotFoundError, ExpressionError, TreeNotFoundError
from analysis.io import root_trees
from analysis.io.root import TTreeTable, open_root

KINDS = ["TTree", "RNTuple"]


def write(file: Any, name: str, columns: dict[str, Any], kind: str = "TTree") -> None:
    if kind == "RNTuple":
        file[name] = columns
        return
    types = {k: v.dtype if isinstance(v, np.ndarray) else v.type.content for k, v in columns.items()}
    file.mktree(name, types).extend(columns)


def masses(n: int, first: float = 2000.0) -> dict[str, Any]:
    return {"m": first + np.arange(n)}


def read(path: Path, **changes: Any) -> Events:
    return read_events(path, **{"mass": "m", "features": {"x": "m"}, "identifiers": "entry", **changes})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["Events", "nominal/Events"])
def test_a_histogram_of_the_same_name_does_not_matter(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "a.root"
    histogram = np.histogram([1.0, 2.0])
    with uproot.recreate(path) as file:
        file[name] = histogram
        write(file, name, masses(10), kind)
        file[name] = histogram
    for tree in (None, name, f"/{name}", f"{name};2"):
        assert len(read(path, tree=tree)) == 10
    assert read(path).sources[0].tree == name
    with pytest.raises(TreeNotFoundError, match=rf"no tree '{name};1'. There are '{name};2'"):
        read(path, tree=f"{name};1")


def test_the_newest_tree_is_read_or_that_of_a_cycle(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        write(file, "Events", masses(3))
        write(file, "Events", masses(5, 3000.0), "RNTuple")
        write(file, "Events", masses(4, 4000.0))
    for tree, mass in ((None, 4000), ("Events;3", 4000), ("Events;2", 3000), ("/Events;1", 2000)):
        assert read(path, tree=tree).mass[0] == mass
    old = read(path, tree="Events;1")
    assert old.sources[0].tree == "Events;1"
    assert (old.ids[:3] != read(path).ids[:3]).any()


def test_what_is_no_tree_is_said_to_be_none(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        write(file, "Events", masses(3))
        file["cutflow"] = np.histogram([1.0, 2.0])
    with pytest.raises(TreeNotFoundError, match="no tree 'cutflow': what is called so is a TH1D"):
        read(tmp_path / "a.root", tree="cutflow")


def test_a_folder_that_can_not_be_read_does_not_matter_unless_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        write(file, "Events", masses(3))
        write(file, "broken/Events", masses(3))
    listed = root_trees._keys

    def keys(folder: Any, place: str, broken: list[str]) -> Any:
        if place == "broken/":
            raise ValueError("no such streamer")
        return listed(folder, place, broken)

    monkeypatch.setattr(root_trees, "_keys", keys)
    assert len(read(path)) == 3
    assert len(read(path, tree="Events")) == 3
    with pytest.raises(AnalysisError, match="folder 'broken' can not be read"):
        read(path, tree="broken/Events")


@pytest.mark.parametrize("kind", KINDS)
def test_containers_that_are_branches_themselves_count_as_their_variables(tmp_path: Path, kind: str) -> None:
    counts = np.array([1, 2, 3, 2])
    jets = ak.unflatten(np.linspace(200, 900, 8), counts)
    columns = masses(4, 3000.0) | {"JetsAuxDyn:eta" if kind == "RNTuple" else "JetsAuxDyn.eta": jets}
    if kind == "RNTuple":
        columns["Jets"] = ak.unflatten(ak.Array([[float(i)] for i in range(8)]), counts)
    else:
        columns["Jets"] = ak.Array(["a", "b", "c", "d"])
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        if kind == "RNTuple":
            write(file, "Events", columns, kind)
        else:
            jagged = columns[next(name for name in columns if "eta" in name)]
            file.mktree("Events", {"m": "f8", "JetsAuxDyn.eta": jagged.type.content, "Jets": "string"}).extend(columns)
    assert read(path, selection="num(Jets) >= 2").entry.tolist() == [1, 2, 3]
    assert read(path, features={"x": "Jets_eta[0]"}).x[0, 0] == 200
    with pytest.raises(ExpressionError, match="'Jets' is a collection"):
        read(path, features={"x": "Jets"})


@pytest.mark.parametrize("kind", KINDS)
def test_lists_beside_names_that_continue_theirs_stay_lists(tmp_path: Path, kind: str) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        lists = ak.unflatten(np.arange(6.0), [1, 2, 3])
        write(file, "Events", masses(3) | {"lep": lists, "lep_n": np.array([1, 2, 3])}, kind)
    assert read(tmp_path / "a.root", selection="num(lep) >= 2 and lep_n < 3").entry.tolist() == [1]


def test_a_type_that_is_no_number_is_named_and_the_file_not_called_corrupted(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("Events", {"m": "f8", "word": "string"}).extend(masses(3) | {"word": ak.Array(["a", "b", "c"])})
    assert len(read(tmp_path / "a.root")) == 3
    with pytest.raises(ExpressionError, match=r"'word' holds a .*expressions work on one number"):
        read(tmp_path / "a.root", features={"x": "word"})


def test_a_tree_without_the_asked_branches_says_which(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        write(file, "Events", {"other": np.ones(3)})
        write(file, "empty/Events", {"other": np.ones(0)})
    with pytest.raises(BranchNotFoundError, match=r"'Events': Expression 'm': No branch 'm'.*'other'"):
        read(tmp_path / "a.root", tree="Events")
    with pytest.raises(AnalysisError, match="None of 0 entries"):
        read(tmp_path / "a.root", tree="empty/Events")


class Leaf:
    def __init__(self, name: str) -> None:
        self._name = name

    def member(self, _: str) -> str:
        return self._name


class Branch:
    """A branch with the leaves `pt/F:n/I`, as uproot shows it; uproot can not write one."""

    branches: tuple[Any, ...] = ()
    entry_offsets = (0, 5)
    uncompressed_bytes = 40

    def __init__(self, name: str, array: ak.Array) -> None:
        self.name, self._array = name, array

    def member(self, _: str) -> list[Leaf]:
        return [Leaf(name) for name in self._array.fields or [self.name]]

    def array(self, entry_start: int, entry_stop: int, library: str) -> ak.Array:
        return self._array[entry_start:entry_stop]


class Tree:
    num_entries = 5

    def __init__(self, branches: dict[str, ak.Array]) -> None:
        self._branches = {name: Branch(name, array) for name, array in branches.items()}

    def iteritems(self, **_: Any) -> Any:
        return self._branches.items()

    def arrays(self, *, filter_branch: Any, entry_start: int, entry_stop: int, **_: Any) -> dict[str, ak.Array]:
        wanted = {name: branch for name, branch in self._branches.items() if filter_branch(branch)}
        return {name: branch.array(entry_start, entry_stop, "ak") for name, branch in wanted.items()}


def test_every_leaf_of_a_list_is_a_column(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        write(file, "t", masses(3))
    tree = Tree({"jet": ak.Array({"pt": np.arange(5.0), "n": np.arange(5) * 2}), "m": ak.Array(np.ones(5))})
    with uproot.open(tmp_path / "a.root") as file:
        table = TTreeTable("a.root", "t", file, tree)
        table._kind_of = lambda name: ""  # type: ignore[method-assign]
        assert table.names == ("jet.pt", "jet.n", "m")
        columns = table.read(("jet.n", "m", "jet.pt"), 1, 4)
    assert columns["jet.n"].values.tolist() == [2, 4, 6]
    assert columns["jet.pt"].values.tolist() == [1, 2, 3]
    assert table.boundaries(["jet.n", "jet.pt"]).tolist() == [0, 5]
    assert table.bytes_per_entry(["jet.n", "jet.pt"]) == 8


def test_the_table_knows_its_tree_without_slashes(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        write(file, "nominal/Events", masses(3))
    table = open_root(str(tmp_path / "a.root"), "/nominal/Events", cache_bytes=0)
    assert table.tree == "nominal/Events"
    table.close()
