"""An event is the same whatever its file is called and whichever files are read with it; no file is read twice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis import Events, read_events
from analysis.errors import IdentifierError, InputFileError, OutputError
from analysis.folds import fold_of
from analysis.io import paths
from analysis.io.ntuples import iterate_events
from analysis.outputs import check_output_file

Write = Callable[..., Path]
SUFFIXES = (".root", ".rntuple.root", ".h5", ".parquet")


def table(n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"m": rng.uniform(2000, 5000, n), "x": rng.normal(size=n)}


def read(files: Any, **changes: Any) -> Events:
    return read_events(files, **{"mass": "m", "features": {"x": "x"}, "identifiers": "entry", **changes})


def by_event(events: Events) -> dict[float, tuple[int, ...]]:
    """Numbers of every event, by its mass, which no two have in common."""
    return {m: tuple(i) for m, i in zip(events.mass.tolist(), events.ids.tolist(), strict=True)}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_position_is_that_in_the_file(tmp_path: Path, write_ntuple: Write, suffix: str) -> None:
    a, b = (write_ntuple(tmp_path / f"{name}{suffix}", table(n, n), step=50) for name, n in (("a", 110), ("b", 130)))
    both = read([a, b])
    assert len(set(map(tuple, both.ids.tolist()))) == 240
    np.testing.assert_array_equal(both.ids[:, 2], np.r_[:110, :130])
    numbers = by_event(both)
    assert by_event(read([b, a])) == numbers
    moved = tmp_path / "elsewhere" / f"z{suffix}"
    moved.parent.mkdir()
    shutil.copy(b, moved)
    for again in (read(b), read(moved), read(moved, selection="x > 0", memory=5_000)):
        assert all(numbers[mass] == ids for mass, ids in by_event(again).items())
        np.testing.assert_array_equal(fold_of(again.ids, 5), [fold_of(np.array([numbers[m]], np.uint64), 5)[0]
                                                               for m in again.mass])  # fmt: skip


def test_positions_of_two_trees_are_other_numbers(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        for name in ("nominal", "shifted"):
            file.mktree(name, {"m": "f8", "x": "f8"}).extend(table(10, 1))
    first, second = (read(tmp_path / "a.root", tree=tree).ids for tree in ("nominal", "shifted"))
    assert (first != second).any(axis=1).all()


def test_a_file_is_listed_once_however_it_is_spelled(
    tmp_path: Path, write_ntuple: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_ntuple(Path("a.root"), table(10, 1))
    os.mkdir("d")
    os.symlink("../a.root", "d/soft.root")
    os.link("a.root", "d/hard.root")
    shutil.copy("a.root", "d/copy.root")
    for other in ("a.root", "./a.root", "d/../a.root", str(tmp_path / "a.root"), "a*.root", "d/soft.root"):
        with pytest.raises(InputFileError, match=r"a\.root.*listed twice"):
            read(["a.root", other])
        with pytest.raises(InputFileError, match="listed twice"):
            next(iter(iterate_events(["a.root", other], mass="m", features={"x": "x"}, identifiers="entry")))
    with pytest.raises(InputFileError, match=r"'a\.root' and 'd/hard\.root' are one file"):
        read(["a.root", "d/hard.root"])
    for identifiers in ("entry", None):
        with pytest.raises((InputFileError, IdentifierError), match=r"copy\.root' is a copy of 'a\.root'|no branch"):
            read(["a.root", "d/copy.root"], identifiers=identifiers)


@pytest.mark.parametrize("suffix", [".h5", ".parquet"])
def test_copies_without_an_identifier_are_found_by_their_bytes(
    tmp_path: Path, write_ntuple: Write, suffix: str
) -> None:
    a = write_ntuple(tmp_path / f"a{suffix}", table(10, 1))
    shutil.copy(a, tmp_path / f"b{suffix}")
    for checksums in (True, False):
        with pytest.raises(InputFileError, match="is a copy of"):
            read(tmp_path / f"*{suffix}", checksums=checksums)


def test_a_copy_that_was_written_on_is_another_file(tmp_path: Path, write_ntuple: Write) -> None:
    numbers = {"run": np.ones(10, np.uint32), "luminosityBlock": np.ones(10, np.uint32)}
    a = write_ntuple(tmp_path / "a.root", table(10, 1) | numbers | {"event": np.arange(10)})
    shutil.copy(a, tmp_path / "b.root")
    with uproot.update(tmp_path / "b.root") as file:
        new = table(10, 2) | numbers | {"event": np.arange(10, 20)}
        file.mktree("Events", {k: v.dtype for k, v in new.items()}).extend(new)
    assert len(read(tmp_path / "*.root", identifiers=None)) == 20


def test_empty_files_may_be_alike(tmp_path: Path, write_ntuple: Write) -> None:
    write_ntuple(tmp_path / "a_1.root", table(10, 1))
    empty = write_ntuple(tmp_path / "a_2.root", {"dummy": np.empty(0)})
    shutil.copy(empty, tmp_path / "a_3.root")
    events = read(tmp_path / "a_*.root", checksums=True)
    assert [source.entries for source in events.sources] == [10, 0, 0]


def test_a_pattern_has_one_order_on_every_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["run_1.root", "run_01.root", "run_001.root", "run_2.root", "RUN_1.root", "run_10.root"]
    for name in names:
        (tmp_path / name).touch()
    listed = paths.glob.glob
    orders = set()
    for seed in range(5):
        shuffled = np.random.default_rng(seed).permutation
        monkeypatch.setattr(
            paths.glob, "glob", lambda p, recursive, s=shuffled: list(s(listed(p, recursive=recursive)))
        )
        orders.add(paths.expand(str(tmp_path / "*.root")))
    assert len(orders) == 1
    order = [Path(path).name for path in orders.pop()]
    assert order == ["RUN_1.root", "run_001.root", "run_01.root", "run_1.root", "run_2.root", "run_10.root"]


def test_delphes_numbers_its_events_in_lists_of_one(tmp_path: Path, write_ntuple: Write) -> None:
    n = 12
    one, two = (ak.unflatten(np.arange(k * n, dtype="i8"), np.full(n, k)) for k in (1, 2))
    path = write_ntuple(tmp_path / "d.root", table(n, 1) | {"Event.Number": one, "pair": two})
    for name in ("Event_Number", "Event.Number", "Event_Number[0]"):
        events = read(path, identifiers=name)
        np.testing.assert_array_equal(events.ids[:, 2], np.arange(n))
        assert events.sources[0].identifiers == (name,)
    np.testing.assert_array_equal(read(path, identifiers=("pair[1]", "Event_Number")).ids[:, 0], 2 * np.arange(n) + 1)
    with pytest.raises(IdentifierError, match="'pair' holds a list per event"):
        read(path, identifiers="pair")


def test_numbers_stay_exact_or_are_refused(tmp_path: Path, write_ntuple: Write) -> None:
    n = 10
    high = np.arange(n, dtype="u8") + np.uint64(2**63 + 5)
    columns = {
        "high": high,
        "narrow": np.arange(n, dtype="i1"),
        "single": np.arange(n).astype("f4"),
        "rounded": np.arange(2**24, 2**24 + 4 * n, 4).astype("f4"),
        "double": np.arange(2**53 - n, 2**53).astype("f8"),
    }
    path = write_ntuple(tmp_path / "a.root", table(n, 1) | columns)
    for name, values in columns.items():
        if name != "rounded":
            np.testing.assert_array_equal(read(path, identifiers=name).ids[:, 2], values.astype("u8"))
    assert len(read(path, identifiers="high", selection=f"high == {int(high[3])}")) == 1
    with pytest.raises(IdentifierError, match=r"'rounded' has values such as 16777252.*float32 rounds"):
        read(path, identifiers="rounded")


@pytest.mark.parametrize("suffix", [".h5", ".root"])
def test_a_tree_is_the_same_however_its_name_is_written(tmp_path: Path, write_ntuple: Write, suffix: str) -> None:
    path = write_ntuple(tmp_path / f"a{suffix}", table(10, 1))
    ids = read(path).ids
    for name in ("Events", "/Events", *(["Events/", "//Events/"] if suffix == ".h5" else ["Events;1"])):
        np.testing.assert_array_equal(read(path, tree=name).ids, ids)
        assert read(path, tree=name).sources[0].tree == "Events"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("root://Host//s/a.root", "root://host//s/a.root"),
        ("root://host:1094//s/a.root", "xrootd://me@host///s//a.root"),
        ("https://host/s/a.root", "HTTPS://host:443/x/../s/./a%2Eroot#top"),
        ("http://host/s/a.root?part=1", "http://host:80/s/a.root?part=1"),
    ],
)
def test_spellings_of_a_url_are_one_file(one: str, other: str) -> None:
    with pytest.raises(InputFileError, match="listed twice"):
        paths.expand([one, other])


@pytest.mark.parametrize(
    "other",
    [
        "root://host//s/A.root",
        "root://other//s/a.root",
        "http://host/s/a.root",
        "root://host:1095//s/a.root",
        "root://host//s/a.root?part=1",
        "root://[not a host//a.root",
    ],
)
def test_other_urls_are_other_files(other: str) -> None:
    assert paths.expand(["root://host//s/a.root", other]) == ("root://host//s/a.root", other)


def test_a_url_of_this_machine_is_a_path(tmp_path: Path, write_ntuple: Write) -> None:
    path = write_ntuple(tmp_path / "a b.root", table(10, 1))
    url = "file://" + str(path).replace(" ", "%20")
    assert read(url).sources == read(path).sources
    assert read("file://localhost" + str(path), checksums=True).sources[0].sha256
    for again in (path, f"{tmp_path}/*.root"):
        with pytest.raises(InputFileError, match="listed twice"):
            read([url, again])
    with pytest.raises(OutputError, match="an input as well"):
        check_output_file(path, inputs=[url])
