"""Peak memory of fitting and sampling over the size of the events, and of a training that reads them from a disk.

    python benchmarks/memory.py --folder FOLDER [--stream-gb 4] [--json OUT]

Every case runs in a process of its own. `fit_over_x` and `sample_over_x` are what the process holds at most beyond what
it held before the call, over the size of x in single precision (of ragged clouds, that of the constituents that are
there). x itself is not counted when fitting, the result is when sampling. `stream_peak_mb` is the peak of the whole
process, with torch. FOLDER holds the file of the stream, which is removed.

`read_over_result` is the same of `read_events`, over the size of the events. Measured, one run each, one thread; more
in `docs/benchmarks/memory.md`:

| case | size (MB) | fit_over_x | sample_over_x | read_over_result | stream_peak_mb |
|---|---|---|---|---|---|
| (50,000, 368) | 74 | 1.93 | 1.01 | | |
| (20,000, 6,480) | 518 | 1.34 | 1.00 | | |
| ragged (20,000, ≤ 1,000, 4) | 160 | 2.85 | 1.13 | | |
| 3,000,000 events of 60 features | 864 | | | 1.12 | |
| 10,000,000 events of 6 features | 720 | | | 1.25 | |
| stream of 4 GB | 4000 | | | | 1179 |
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

CASES = ("368", "6480", "clouds", "read", "read_narrow", "stream")


class Peak:
    """The largest resident memory of this process while the block runs, beyond that at its beginning, in bytes."""

    def __enter__(self) -> Peak:
        self._process = psutil.Process()
        self.start = self.largest = self._process.memory_info().rss
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(0.002):
            self.largest = max(self.largest, self._process.memory_info().rss)

    @property
    def beyond(self) -> int:
        """Bytes beyond those at the beginning."""
        return self.largest - self.start


def vectors(rows: int, columns: int) -> tuple[Any, Any]:
    """Correlated positive features given one number, made without a large temporary."""
    rng = np.random.default_rng(1)
    c = rng.uniform(1, 2, (rows, 1)).astype(np.float32)
    x = rng.standard_normal((rows, columns), dtype=np.float32)
    x *= c
    return x, c


def clouds(rows: int, points: int) -> tuple[Any, Any, int]:
    """Ragged clouds of up to so many points of (x, y, energy, z), and the bytes of the points that are there."""
    from generators.ragged import Ragged

    rng = np.random.default_rng(1)
    counts = rng.integers(1, points + 1, rows)
    offsets = np.concatenate([[0], counts.cumsum()])
    values = rng.random((int(offsets[-1]), 4), dtype=np.float32) + np.float32(0.01)
    return Ragged(values, offsets), counts[:, None] / points, values.nbytes


def generator(kind: str, **more: Any) -> Any:
    """A generator that trains for a moment: how long a training is does not change what it holds."""
    from generators.registry import create

    training = {"steps": 4, "epochs": None, "batch_size": 64, "best_states": 1, "precision": "32-true"}
    return create({"kind": kind, "training": training, **more})


def measured(case: str, folder: Path, stream_gb: float) -> dict[str, float]:
    """One case, in this process."""
    import torch

    torch.set_num_threads(1)
    if case == "stream":
        return streamed(folder, stream_gb)
    if case.startswith("read"):
        return read(folder, *{"read": (3_000_000, 60), "read_narrow": (10_000_000, 6)}[case])
    if case == "clouds":
        x, c, size = clouds(20_000, 1_000)
        model = generator("epic_fm", hidden=16, layers=1, latent=4, frequencies=4, sampling_steps=1, solver="euler")
    else:
        x, c = vectors(*{"368": (50_000, 368), "6480": (20_000, 6_480)}[case])
        size = x.nbytes
        model = generator("flow_matching", hidden=32, layers=1, sampling_steps=2)
    # What is loaded at the first use is no part of it.
    generator("flow_matching", hidden=4, layers=1).fit(
        x=np.random.default_rng(1).random((60, 2)), context=np.ones((60, 1)), seed=1
    )
    start = time.process_time()
    with Peak() as fit:
        model.fit(x, c, seed=1)
    fitted = time.process_time() - start
    rows = len(x)
    del x
    with Peak() as sample:
        drawn = model.sample(c, seed=2)
    out = drawn.nbytes if case != "clouds" else max(drawn.nbytes, size)
    return {
        "rows": rows,
        "size_mb": size / 1e6,
        "fit_over_x": fit.beyond / size,
        "sample_over_x": sample.beyond / out,
        "fit_cpu_s": fitted,
        "sample_cpu_s": time.process_time() - start - fitted,
    }


def read(folder: Path, rows: int, columns: int) -> dict[str, float]:
    """`read_events` of a parquet file of features, whose events are in no order, with its usual ceiling of memory."""
    import pyarrow
    from pyarrow import parquet

    from analysis import read_events

    path, rng, step = folder / "memory_benchmark.parquet", np.random.default_rng(1), 100_000
    names = [f"f{number}" for number in range(columns)]
    kinds = [*((name, pyarrow.float32()) for name in names), ("mjj", pyarrow.float64()), ("event", pyarrow.int64())]
    with parquet.ParquetWriter(path, pyarrow.schema(kinds), compression="none") as file:
        for start in range(0, rows, step):
            values = {name: rng.standard_normal(step, dtype=np.float32) for name in names}
            more = {"mjj": rng.uniform(2_000, 5_000, step), "event": rng.permutation(step) + (rows - start)}
            file.write_table(pyarrow.table(values | more, schema=pyarrow.schema(kinds)))

    def reading(features: list[str]) -> Any:
        said = {"mass": "mjj", "features": {name: name for name in features}, "identifiers": "event", "units": "GeV"}
        return read_events(path, **said)

    try:
        reading(names[:1])
        start_s = time.process_time()
        with Peak() as peak:
            events = reading(names)
        spent = time.process_time() - start_s
    finally:
        path.unlink()
    held = (events.x, events.mass, events.weights, events.ids, events.entry)
    size = sum(each.nbytes for each in held)
    return {"rows": rows, "size_mb": size / 1e6, "read_over_result": peak.beyond / size, "read_cpu_s": spent}


def streamed(folder: Path, gigabytes: float) -> dict[str, float]:
    """A pass over so many gigabytes of vectors in a file."""
    columns = 1_000
    rows = int(gigabytes * 1e9 / (4 * columns))
    path = folder / "memory_benchmark.npy"
    rng = np.random.default_rng(1)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, columns))
    for start in range(0, rows, 10_000):
        file[start : start + 10_000] = rng.standard_normal(file[start : start + 10_000].shape, dtype=np.float32)
        file.flush()
    del file
    try:
        from generators.sources import NumpyRows

        start_s = time.process_time()
        with Peak() as peak:
            model = generator("flow_matching", hidden=32, layers=1, bijection="standardise")
            model.training = type(model.training)(
                **{**vars(model.training), "steps": rows // 1_024, "batch_size": 1_024}
            )
            model.fit(NumpyRows(path), np.ones((rows, 1)), seed=1)
        return {
            "rows": rows,
            "size_mb": rows * columns * 4 / 1e6,
            "stream_peak_mb": peak.largest / 1e6,
            "fit_cpu_s": time.process_time() - start_s,
        }
    finally:
        path.unlink()


def main() -> None:
    """All cases, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("."))
    parser.add_argument("--stream-gb", type=float, default=4)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", choices=CASES)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measured(arguments.case, arguments.folder, arguments.stream_gb)))
        return
    found = {}
    for case in CASES:
        command = [sys.executable, __file__, "--case", case, "--folder", str(arguments.folder)]
        command += ["--stream-gb", str(arguments.stream_gb)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[case] = json.loads(done.stdout.splitlines()[-1])
        print(case, " ".join(f"{name}={value:.3g}" for name, value in found[case].items()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
