"""A flipped byte in a page of an RNTuple is found by its checksum; what has none is not called verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import xxhash
from uproot.writing import _cascadentuple

from analysis import read_events
from analysis.errors import NtupleReadError

N = 3000


@pytest.fixture
def with_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """uproot writes none: as ROOT does, eight bytes behind every page, and a negative number of elements."""
    add = _cascadentuple.NTuple.add_rblob
    pack = _cascadentuple._rntuple_page_num_elements_format.pack

    def checked(self: Any, sink: Any, raw: Any, size: int) -> Any:
        return add(self, sink, bytes(raw) + xxhash.xxh3_64_intdigest(bytes(raw)).to_bytes(8, "little"), size)

    def serialize(self: Any) -> bytes:
        return bytes(pack(-self.num_entries) + self.locator.serialize())

    monkeypatch.setattr(_cascadentuple.NTuple, "add_rblob", checked)
    monkeypatch.setattr(_cascadentuple.NTuple_PageDescription, "serialize", serialize)


def write(path: Path, compression: Any = None) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    columns = {
        "m": rng.uniform(2000, 5000, N),
        "pt": ak.unflatten(rng.uniform(200, 900, 2 * N).astype(np.float32), np.full(N, 2)),
        "unused": rng.normal(size=N),
    }
    with uproot.recreate(path, compression=compression) as file:
        half = {name: values[: N // 2] for name, values in columns.items()}
        rest = {name: values[N // 2 :] for name, values in columns.items()}
        file.mkrntuple("Events", ak.Array(half)).extend(ak.Array(rest))
    return columns


def read(path: Path, **changes: Any) -> Any:
    return read_events(path, mass="m", features={"pt": "pt[0]"}, identifiers="entry", **changes)


@pytest.mark.usefixtures("with_checksums")
@pytest.mark.parametrize("compression", [None, uproot.ZLIB(4)])
@pytest.mark.parametrize("memory", ["200 MB", "1 MB"])
def test_pages_with_checksums_are_compared(tmp_path: Path, compression: Any, memory: str) -> None:
    columns = write(tmp_path / "a.root", compression)
    events = read(tmp_path / "a.root", memory=memory)
    np.testing.assert_array_equal(events.mass, columns["m"])
    np.testing.assert_array_equal(events.x[:, 0], ak.to_numpy(columns["pt"][:, 0]))
    assert events.sources[0].verified


def test_pages_without_are_not_called_verified(tmp_path: Path) -> None:
    write(tmp_path / "a.root")
    assert not read(tmp_path / "a.root").sources[0].verified


@pytest.mark.usefixtures("with_checksums")
def test_every_flipped_byte_of_a_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    columns = write(path)
    whole = path.read_bytes()
    bytes_of = {
        "m": columns["m"][: N // 2].tobytes(),
        "pt": ak.to_numpy(ak.flatten(columns["pt"][N // 2 :])).tobytes(),
    }
    rng = np.random.default_rng(2)
    for name, page in bytes_of.items():
        # uproot stores the bytes of numbers split by their place.
        width = len(page) // (N // 2 if name == "m" else N)
        stored = np.frombuffer(page, np.uint8).reshape(-1, width).T.tobytes()
        first = whole.find(stored if stored in whole else page)
        assert first > 0
        for place in rng.integers(first, first + len(page), 10):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            with pytest.raises(NtupleReadError, match=rf"branch '{name}'.*does not agree with its checksum"):
                read(path)


@pytest.mark.usefixtures("with_checksums")
def test_the_lists_of_pages_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    write(path)
    with uproot.open(path) as file:
        locator = file["Events"].footer.cluster_group_records[0].page_list_link.locator
        start, size = int(locator.offset), int(locator.num_bytes)
    damaged = bytearray(path.read_bytes())
    damaged[start + size // 2] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(NtupleReadError):
        read(path)
