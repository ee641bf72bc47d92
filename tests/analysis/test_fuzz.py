"""Damaged files of every format: a named error or the right events, never a crash, a hang or a wrong value unnoticed.

What a format has no checksum for can change without a word; with the hash of the file it can not.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SCRIPT = Path(__file__).parent / "fuzzing.py"
LONGEST = 10.0
START = 120.0
EVENTS = 300

Write = Callable[..., Path]
Make = Callable[..., dict[str, Any]]


def damaged(clean: bytes, rng: np.random.Generator) -> bytes:
    """One bit flipped, some bytes replaced, a block zeroed, taken out or repeated, or the end cut off."""
    data = bytearray(clean)
    kind = rng.choice(["bit", "bytes", "zeros", "gap", "twice", "cut"], p=[0.35, 0.2, 0.15, 0.05, 0.05, 0.2])
    # The structure of a file is at its ends.
    where = int(rng.integers(len(data)) if rng.random() < 0.5 else rng.choice([-1, 0]) * rng.integers(1, 2000))
    where %= len(data)
    size = int(2 ** rng.uniform(0, 12))
    if kind == "bit":
        data[where] ^= 1 << int(rng.integers(8))
    elif kind == "bytes":
        size = min(size, 16)
        data[where : where + size] = rng.bytes(len(data[where : where + size]))
    elif kind == "zeros":
        data[where : where + size] = bytes(len(data[where : where + size]))
    elif kind == "gap":
        del data[where : where + size]
    elif kind == "twice":
        data[where:where] = data[where : where + size]
    else:
        del data[where:]
    return bytes(data)


def plain_hdf5(path: Path, columns: dict[str, Any]) -> None:
    """HDF5 without compression and checksums, lists as arrays of variable length."""
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            if isinstance(values, np.ndarray):
                file[name] = values
                continue
            lists = file.create_dataset(name, (len(values),), h5py.vlen_dtype(np.float32))
            for i, value in enumerate(ak.to_list(values)):
                lists[i] = np.asarray(value, dtype=np.float32)


def plain_parquet(path: Path, columns: dict[str, Any]) -> None:
    """Parquet without compression and checksums."""
    table = {name: pa.array(ak.to_list(ak.Array(values))) for name, values in columns.items()}
    pq.write_table(pa.table(table), path, compression="none", row_group_size=100)


def checked_parquet(path: Path, columns: dict[str, Any]) -> None:
    """Parquet with a checksum on every page."""
    table = {name: pa.array(ak.to_list(ak.Array(values))) for name, values in columns.items()}
    pq.write_table(pa.table(table), path, write_page_checksum=True, row_group_size=100)


OWN_WRITERS = {"plain.h5": plain_hdf5, "plain.parquet": plain_parquet, "checked.parquet": checked_parquet}
FORMATS = ("a.root", "a.rntuple.root", "a.h5", *OWN_WRITERS)


class Watch:
    """Time that a process may take: of a processor, for a busy machine is no hang, and of the clock, for sleep is one.

    seconds : of a processor; of the clock, six times as many.
    """

    def __init__(self, pid: int, seconds: float) -> None:
        self._pid, self._seconds = pid, seconds
        self._clock, self._used = time.monotonic(), self._usage()

    def is_stuck(self) -> bool:
        """Whether the time is over."""
        waited = time.monotonic() - self._clock
        return self._usage() - self._used > self._seconds or waited > 6 * self._seconds

    def _usage(self) -> float:
        try:
            times = psutil.Process(self._pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)


def outcomes(clean: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """What every file of a folder gave, by a process of its own that is started again after a crash or a hang."""
    names = sorted(path.name for path in folder.iterdir())
    first = 0
    while first < len(names):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
        command = [sys.executable, str(SCRIPT), str(clean), str(folder), str(first)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as child:
            assert child.stdout is not None
            assert child.stderr is not None
            lines: queue.Queue[str | None] = queue.Queue()
            reader = threading.Thread(target=_forward, args=(child.stdout, lines), daemon=True)
            reader.start()
            at = first
            watch = Watch(child.pid, START)
            while True:
                try:
                    line = lines.get(timeout=0.5)
                except queue.Empty:
                    if not watch.is_stuck():
                        continue
                    child.kill()
                    yield {"number": at, "gave": "hang", "name": names[at], "manifest": ""}
                    break
                watch = Watch(child.pid, LONGEST)
                if line is None:
                    if at < len(names) and child.wait() != 0:
                        message = child.stderr.read()[-2000:]
                        yield {"number": at, "gave": "crash", "name": names[at], "manifest": "", "message": message}
                    break
                if line.startswith("start "):
                    at = int(line.split()[1])
                else:
                    found = json.loads(line)
                    yield {**found, "name": names[found["number"]]}
                    at = found["number"] + 1
            reader.join()
        first = at + 1 if at < len(names) else at


def _forward(stream: Any, lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def fuzz(tmp_path: Path, write: Write, columns: dict[str, Any], name: str, n: int, seed: int) -> Counter[str]:
    """Damage a file n times, read it, and count what the readings gave."""
    clean, folder = tmp_path / name, tmp_path / "damaged"
    if name in OWN_WRITERS:
        OWN_WRITERS[name](clean, columns)
    else:
        write(clean, columns, step=100)
    folder.mkdir()
    rng = np.random.default_rng(seed)
    content = clean.read_bytes()
    suffix = name.split(".", 1)[1]
    (folder / f"00000.{suffix}").write_bytes(content)
    for i in range(1, n + 1):
        (folder / f"{i:05d}.{suffix}").write_bytes(damaged(content, rng))
    found = list(outcomes(clean, folder))
    assert len(found) == n + 1
    intact, *rest = found
    assert (intact["gave"], intact["manifest"]) == ("same", "same")
    # A cut, gap or repetition of nothing leaves the file as it is.
    same = {path.name for path in folder.iterdir() if path.read_bytes() == content}
    for one in rest:
        assert one["gave"] not in ("unnamed", "crash", "hang"), one
        assert one.get("seconds", 0.0) < LONGEST, one
        assert one["manifest"] == ("same" if one["name"] in same else "InputFileError"), one
    return Counter(one["gave"] for one in rest)


@pytest.mark.parametrize("name", FORMATS)
def test_some_damaged_files(tmp_path: Path, make_nanoaod: Make, write_ntuple: Write, name: str) -> None:
    gave = fuzz(tmp_path, write_ntuple, make_nanoaod(EVENTS, fewest=1), name, 25, seed=1)
    assert gave["same"] < 25
    if name in ("a.h5", "checked.parquet"):
        # All of their numbers have checksums.
        assert gave["differs"] <= 1


SIZES = {
    "a.root": 500,
    "a.rntuple.root": 500,
    "a.h5": 100,
    "plain.h5": 100,
    "plain.parquet": 100,
    "checked.parquet": 100,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_many_damaged_files(tmp_path: Path, make_nanoaod: Make, write_ntuple: Write, name: str) -> None:
    gave = fuzz(tmp_path, write_ntuple, make_nanoaod(EVENTS, fewest=1), name, SIZES[name], seed=2)
    with Path(os.environ.get("FUZZ_REPORT", os.devnull)).open("a") as report:
        report.write(f"{name} {dict(gave)}\n")
