"""Parts of a feature store: the same bytes from any chunks, and any rows of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.events import Events, SourceFile
from analysis.io import feature_part
from analysis.io.feature_part import Written, read_part, write_part


def chunks(edges: list[int], shape: tuple[int, ...]) -> list[Events]:
    """Events of which every second entry was selected, cut at some entries, with both zeros and numbers near them."""
    total = edges[-1]
    rng = np.random.default_rng(3)
    x = rng.choice(np.array([0.0, -0.0, 1e-42, 3.5], np.float32), size=(total, *shape))
    names = ("a", "b") if len(shape) == 1 else ("pt", "eta", "phi")
    found = []
    for low, high in pairwise(edges):
        rows = np.arange(low, high)[low % 2 :: 2]
        found.append(
            Events(
                x=x[rows],
                mass=np.linspace(1, 2, total)[rows],
                columns=names,
                weights=np.linspace(-1, 1, total)[rows],
                ids=np.stack([rows, rows, rows], axis=1).astype(np.uint64),
                truth=rows % 3 == 0,
                entry=rows - low,
                sources=(SourceFile("a.root", "Events", high - low, len(rows), start=low),),
            )
        )
    return found


@pytest.mark.parametrize("shape", [(2,), (2, 4, 3)])
def test_chunks_change_no_byte_and_rows_are_rows(
    shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_part, "ROWS", 16)
    written = [
        write_part(tmp_path / f"{n}.parquet", chunks(edges, shape))
        for n, edges in enumerate(([0, 200], [0, 2, 90, 92, 200], [0, 31, 64, 200]))
    ]
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert {(w.source.entries, w.source.selected, w.truth) for w in written} == {(200, 100, True)}
    (whole,) = chunks([0, 200], shape)
    assert written[0].sum_of_squared_weights == pytest.approx((whole.weights**2).sum())
    source = written[0].source
    for low, high in ((0, 100), (0, 16), (15, 17), (40, 100), (99, 100), (5, 5)):
        found = read_part(
            tmp_path / "0.parquet", source, columns=whole.columns, shape=shape, truth=True, rows=slice(low, high)
        )
        for name in ("x", "mass", "weights", "ids", "truth", "entry"):
            assert getattr(found, name).tobytes() == getattr(whole[low:high], name).tobytes(), (name, low, high)
    assert pq.ParquetFile(tmp_path / "0.parquet").metadata.num_row_groups == 7


def test_no_events_are_a_part_too(tmp_path: Path) -> None:
    (events,) = chunks([0, 2], (2,))
    nothing = events[:0]
    written = write_part(tmp_path / "a.parquet", [nothing])
    assert written == Written(nothing.sources[0], True, 0.0, 0.0)
    source = SourceFile("a.root", "Events", 2, 0)
    found = read_part(tmp_path / "a.parquet", source, columns=("a", "b"), shape=(2,), truth=True, rows=slice(None))
    assert found.x.shape == (0, 2)
