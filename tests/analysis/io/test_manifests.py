"""Manifests: what they list is compared whenever a file is read, and they never replace anything else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from analysis import Events, read_events
from analysis.errors import InputFileError, OutputError
from analysis.io.manifests import read_manifest, write_manifest


def ntuple(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    with uproot.recreate(path, compression=None) as file:
        mass = np.random.default_rng(seed).uniform(2000, 5000, 100)
        file.mktree("t", {"m": "f8"}).extend({"m": mass})
    return path


def read(files: Any, checksums: Any) -> Events:
    return read_events(files, mass="m", features={"x": "m"}, identifiers="entry", checksums=checksums)


@pytest.mark.parametrize("name", ["a.root", "a b.root", "ä\\b.root", "with\nbreak.root", "a:b[1].root"])
def test_a_manifest_verifies_and_finds_a_flipped_byte(tmp_path: Path, name: str) -> None:
    path = ntuple(tmp_path / "data" / name)
    hashes = write_manifest([path], tmp_path / "m.sha256")
    assert read_manifest(tmp_path / "m.sha256") == {str(path): hashes[str(path)]}
    (source,) = read(path, tmp_path / "m.sha256").sources
    assert (source.verified, source.verified_by) == (True, "SHA-256")
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputFileError, match="damaged or another version"):
        read(path, str(tmp_path / "m.sha256"))


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_sha256sum_agrees_both_ways(tmp_path: Path) -> None:
    paths = [ntuple(tmp_path / "data" / name, i) for i, name in enumerate(["a.root", "a\\b.root", "c\nd.root"])]
    write_manifest(paths, tmp_path / "m.sha256")
    subprocess.run(["sha256sum", "--check", "--strict", "m.sha256"], cwd=tmp_path, check=True, capture_output=True)
    said = subprocess.run(["sha256sum", *paths], check=True, capture_output=True).stdout
    (tmp_path / "theirs.sha256").write_bytes(said)
    assert read_manifest(tmp_path / "theirs.sha256") == read_manifest(tmp_path / "m.sha256")


def test_files_are_found_by_path_and_by_a_name_that_is_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = ntuple(tmp_path / "one" / "a.root", 1), ntuple(tmp_path / "two" / "a.root", 2)
    write_manifest([one, two], tmp_path / "m.sha256")
    monkeypatch.chdir(tmp_path)
    for path in (one, two, "one/a.root", "./two/a.root", "two/../one/a.root"):
        assert read(str(path), "m.sha256").sources[0].verified
    os.symlink(one, tmp_path / "link.root")
    assert read("link.root", "m.sha256").sources[0].verified
    shutil.copy(one, tmp_path / "a.root")
    with pytest.raises(InputFileError, match="2 checksums are listed for files of this name"):
        read("a.root", "m.sha256")
    write_manifest([one], tmp_path / "m.sha256")
    assert read("a.root", "m.sha256").sources[0].verified
    with pytest.raises(InputFileError, match="not in the list of 1"):
        read(str(ntuple(tmp_path / "b.root")), "m.sha256")


def test_nothing_else_is_replaced(tmp_path: Path) -> None:
    path = ntuple(tmp_path / "a.root")
    before = path.read_bytes()
    with pytest.raises(OutputError):
        write_manifest([path], path)
    os.symlink(path, tmp_path / "m.sha256")
    with pytest.raises(OutputError):
        write_manifest([path], tmp_path / "m.sha256")
    assert path.read_bytes() == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="no manifest"):
        write_manifest([path], tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.root", "m.sha256", "notes.txt"]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "00  a.root\n", "x" * 64 + "  a.root", f"{'0' * 64}  a\n{'1' * 64}  ./a\n"]
)
def test_what_is_no_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.sha256").write_text(text)
    with pytest.raises(InputFileError, match=r"m\.sha256"):
        read(ntuple(tmp_path / "a.root"), tmp_path / "m.sha256")
    with pytest.raises(InputFileError, match="can not be read"):
        read(tmp_path / "a.root", tmp_path / "missing")


@pytest.mark.parametrize("value", ["00", "", "z" * 64])
def test_what_is_no_hash_is_named(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputFileError, match="no SHA-256"):
        read(ntuple(tmp_path / "a.root"), {"a.root": value})


@pytest.mark.parametrize("checksums", [True, False])
def test_a_recorded_hash_is_no_verification(tmp_path: Path, checksums: bool) -> None:
    (source,) = read(ntuple(tmp_path / "a.root"), checksums).sources
    assert (source.verified, source.verified_by, bool(source.sha256)) == (False, "", checksums)
