"""One file that can not be read does not end the reading of the others, if it is allowed to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from analysis import Events, read_events
from analysis.errors import (
    AnalysisError,
    BranchNotFoundError,
    EmptySelectionError,
    InputFileError,
    NtupleReadError,
    TooManyFailuresError,
    TreeNotFoundError,
)
from analysis.io.ntuples import iterate_events

N = 4000


def write(path: Path, number: int, *, tree: str = "Events", n: int = N, **more: Any) -> None:
    columns = {
        "run": np.full(n, number, "u4"),
        "luminosityBlock": np.ones(n, "u4"),
        "event": np.arange(n, dtype="u8"),
        "m": np.linspace(2000, 5000, n),
        "k": np.full(n, number, "i4"),
    }
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        writer = file.mktree(tree, {k: v.dtype for k, v in columns.items()})
        for start in range(0, n, 500):
            writer.extend({k: v[start : start + 500] for k, v in columns.items()})


def truncated(path: Path) -> None:
    write(path, 2)
    path.write_bytes(path.read_bytes()[:4000])


def damaged(path: Path) -> None:
    """Readable up to its last basket of masses."""
    write(path, 2)
    with uproot.open(path) as file:
        branch = file["Events"]["m"]
        basket = branch.basket(branch.num_baskets - 1)
        start = int(branch.member("fBasketSeek")[branch.num_baskets - 1]) + basket.member("fKeylen")
    content = bytearray(path.read_bytes())
    content[start : start + 40] = bytes(40)
    path.write_bytes(content)


def other_tree(path: Path) -> None:
    with uproot.recreate(path) as file:
        for name in ("Runs", "Lumis"):
            file.mktree(name, {"x": "f8"}).extend({"x": np.zeros(3)})


def other_branches(path: Path) -> None:
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f8"}).extend({"x": np.zeros(3)})


def text(path: Path) -> None:
    path.write_text("<html>")


FAULTS: dict[str, tuple[Callable[[Path], None], type[AnalysisError]]] = {
    "truncated": (truncated, NtupleReadError),
    "damaged": (damaged, NtupleReadError),
    "other tree": (other_tree, TreeNotFoundError),
    "other branches": (other_branches, BranchNotFoundError),
    "text": (text, InputFileError),
}


def read(folder: Path, files: Any = None, **changes: Any) -> Events:
    return read_events(files or str(folder / "f_*.root"), mass="m", features={"k": "k"}, **changes)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("listed", [False, True])
def test_a_file_is_left_out_with_a_word(
    tmp_path: Path, fault: str, listed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    make, kind = FAULTS[fault]
    write(tmp_path / "f_1.root", 1)
    make(tmp_path / "f_2.root")
    write(tmp_path / "f_3.root", 3)
    files = [str(tmp_path / f"f_{i}.root") for i in (1, 2, 3)] if listed else None
    with pytest.raises(kind, match=r"f_2\.root"):
        read(tmp_path, files)
    with caplog.at_level(logging.WARNING):
        events = read(tmp_path, files, on_error="skip", max_failed_fraction=0.4, selection="m > 3000", memory="1 MB")
    assert "Left out" in caplog.text
    # Nothing of the damaged file, whatever of it could be read before the damage.
    assert set(events.x[:, 0]) == {1, 3}
    assert [s.entries for s in events.sources] == [N, 0, N]
    assert [bool(s.error) for s in events.sources] == [False, True, False]
    assert "f_2.root" in events.sources[1].error
    assert sum(s.selected for s in events.sources) == len(events)
    assert events.place_of(len(events) - 1) == f"entry {N - 1} of '{tmp_path / 'f_3.root'}'"
    with pytest.raises(TooManyFailuresError, match=r"1 of 3 files.*max_failed_fraction = 0.3.*\n.*f_2\.root"):
        read(tmp_path, files, on_error="skip", max_failed_fraction=0.3)
    with pytest.raises(TooManyFailuresError, match=r"max_failed_fraction = 0 allows"):
        read(tmp_path, files, on_error="skip")


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_files_without_entries_are_no_failure(tmp_path: Path, on_error: str) -> None:
    write(tmp_path / "f_1.root", 1)
    write(tmp_path / "f_2.root", 2, n=0)
    with uproot.recreate(tmp_path / "f_3.root") as file:
        file.mktree("Events", {"dummy": "f4"})
    events = read(tmp_path, on_error=on_error, truth="k == 1", weight="m")
    assert [s.entries for s in events.sources] == [N, 0, 0]
    assert len(events) == N
    assert events.truth is not None
    assert events.truth.all()


def test_a_file_of_which_nothing_passes_has_no_rows(tmp_path: Path) -> None:
    write(tmp_path / "f_1.root", 1)
    write(tmp_path / "f_2.root", 2)
    assert [s.selected for s in read(tmp_path, selection="k == 2").sources] == [0, N]
    with pytest.raises(EmptySelectionError):
        read(tmp_path, selection="k == 3")


def test_what_is_wrong_with_all_files_is_no_failure_of_one(tmp_path: Path) -> None:
    text(tmp_path / "f_1.root")
    with pytest.raises(TooManyFailuresError, match="1 of 1 files"):
        read(tmp_path, on_error="skip", max_failed_fraction=1)
    with pytest.raises(InputFileError, match="No file matches"):
        read(tmp_path, str(tmp_path / "g_*.root"), on_error="skip", max_failed_fraction=1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"on_error": "ignore"}, "neither 'stop' nor 'skip'"),
        ({"on_error": "skip", "max_failed_fraction": 2}, "no fraction"),
        ({"on_error": "skip", "max_failed_fraction": float("nan")}, "no fraction"),
        ({"max_failed_fraction": 0.5}, "only with on_error"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    write(tmp_path / "f_1.root", 1)
    with pytest.raises(AnalysisError, match=said):
        read(tmp_path, **settings)


def test_chunks_of_a_reading_that_skips_are_those_of_whole_files(tmp_path: Path) -> None:
    write(tmp_path / "f_1.root", 1)
    damaged(tmp_path / "f_2.root")
    parts = list(
        iterate_events(
            str(tmp_path / "f_*.root"),
            mass="m",
            features={"k": "k"},
            memory=10**6,
            on_error="skip",
            max_failed_fraction=0.5,
        )
    )
    assert {float(v) for part in parts for v in part.x[:, 0]} == {1}


def test_a_listed_file_that_is_not_there_is_left_out_too(tmp_path: Path) -> None:
    write(tmp_path / "f_1.root", 1)
    write(tmp_path / "f_3.root", 3)
    (tmp_path / "f_4.root").symlink_to(tmp_path / "gone.root")
    files = [str(tmp_path / f"f_{i}.root") for i in (1, 2, 3, 4)]
    with pytest.raises(InputFileError, match=r"no file '.*f_2\.root'"):
        read(tmp_path, files)
    for checksums in (False, True):
        events = read(tmp_path, files, on_error="skip", max_failed_fraction=0.5, checksums=checksums)
        assert [s.entries for s in events.sources] == [N, 0, N, 0]
        assert ["no file" in s.error for s in events.sources] == [False, True, False, True]
    with pytest.raises(TooManyFailuresError, match="2 of 4 files"):
        read(tmp_path, files, on_error="skip", max_failed_fraction=0.3)
    # A pattern says nothing of how many files are missing.
    with pytest.raises(InputFileError, match="No file matches"):
        read(tmp_path, [*files, str(tmp_path / "g_*.root")], on_error="skip", max_failed_fraction=1)
    with pytest.raises(InputFileError, match="listed twice"):
        read(tmp_path, [files[0], files[1], files[1]], on_error="skip", max_failed_fraction=1)
