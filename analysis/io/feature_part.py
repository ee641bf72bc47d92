"""The selected events of one ntuple as parquet: the same bytes whatever chunks they were read in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.errors import NtupleReadError
from analysis.events import Events, SourceFile, joined_sources
from analysis.io.decoding import decoding

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows that are packed together, and the least that is unpacked.
ROWS = 65_536

_MASS, _WEIGHT, _ENTRY, _TRUTH, _X = "mass", "weight", "entry", "truth", "x"
_NUMBERS = ("run", "luminosityBlock", "event")


@dataclass(frozen=True)
class Written:
    """What a part holds: where its events come from, and the sums of their weights and of the squares of these."""

    source: SourceFile
    truth: bool
    sum_of_weights: float
    sum_of_squared_weights: float


def write_part(path: Path, chunks: Iterable[Events]) -> Written:
    """Write the events of one file, chunk by chunk; `entry` counts from the beginning of the file.

    A feature called tau21 is the column `x.tau21`, constituents are the column `x`; beside them are `mass`, `weight`,
    `run`, `luminosityBlock`, `event`, `entry` and, where it is known, `truth`.
    """
    import pyarrow.parquet as pq

    sources: list[SourceFile] = []
    sums: list[tuple[float, float]] = []
    writer: Any = None
    known = False
    try:
        for table in _in_rows(_counted(chunks, sources, sums)):
            if writer is None:
                floats = [field.name for field in table.schema if str(field.type) in ("float", "double")]
                known = _TRUTH in table.column_names
                writer = pq.ParquetWriter(
                    path,
                    table.schema,
                    compression="zstd",
                    # Bytes of measured numbers pack better by their place in the number than by repeated values.
                    use_dictionary=False,
                    use_byte_stream_split=floats,
                    write_page_checksum=True,
                )
            writer.write_table(table, row_group_size=ROWS)
    finally:
        if writer is not None:
            writer.close()
    (source,) = joined_sources(sources)
    return Written(source, known, math.fsum(w for w, _ in sums), math.fsum(s for _, s in sums))


def read_part(
    path: Path, source: SourceFile, *, columns: Sequence[str], shape: tuple[int, ...], truth: bool, rows: slice
) -> Events:
    """Some rows of a part, with the named features alone; `shape` is that of x of an event.

    Raises
    ------
    NtupleReadError
        If it is damaged, or not what was written for this source.
    """
    import pyarrow.parquet as pq

    with decoding(str(path)), pq.ParquetFile(path, page_checksum_verification=True) as file:
        if file.metadata.num_rows != source.selected:
            raise NtupleReadError(
                f"'{path}' has {file.metadata.num_rows} events where {source.selected} were written for "
                f"'{source.path}'. Remove its folder and prepare again.",
                file=str(path),
            )
        names = [f"{_X}.{name}" for name in columns] if len(shape) == 1 else [_X]
        wanted = [*names, _MASS, _WEIGHT, *_NUMBERS, _ENTRY, *([_TRUTH] if truth else [])]
        table = _rows_of(file, wanted, rows)
        plain = {name: table.column(name).combine_chunks() for name in wanted}
        x = np.empty((len(table), *shape), dtype=np.float32)
        if len(shape) == 1:
            for place, name in enumerate(names):
                x[:, place] = plain[name].to_numpy()
        else:
            x[:] = plain[_X].flatten().to_numpy(zero_copy_only=False).reshape(x.shape)
        return Events(
            x=x,
            mass=plain[_MASS].to_numpy(),
            columns=tuple(columns),
            weights=plain[_WEIGHT].to_numpy(),
            ids=np.stack([plain[name].to_numpy() for name in _NUMBERS], axis=1),
            truth=plain[_TRUTH].to_numpy(zero_copy_only=False) if truth else None,
            entry=plain[_ENTRY].to_numpy(),
            sources=(source,),
        )


def _rows_of(file: Any, names: list[str], rows: slice) -> Any:
    """A range of rows, of which no more row groups are unpacked than it touches."""
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
    edges = np.cumsum([0, *sizes])
    start, stop, _ = rows.indices(int(edges[-1]))
    touched = [n for n in range(len(sizes)) if edges[n] < stop and edges[n + 1] > start]
    table = file.read_row_groups(touched, columns=names, use_threads=False)
    return table.slice(start - int(edges[touched[0]]), max(stop - start, 0)) if touched else table


def _counted(
    chunks: Iterable[Events], sources: list[SourceFile], sums: list[tuple[float, float]]
) -> Iterator[pa.Table]:
    """Chunks as tables; what they come from and weigh is put down."""
    for events in chunks:
        sources += events.sources
        sums.append((math.fsum(events.weights), math.fsum(events.weights**2)))
        yield _table(events)


def _table(events: Events) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {}
    if events.x.ndim == 2:
        columns |= {f"{_X}.{name}": events.x[:, place] for place, name in enumerate(events.columns)}
    else:
        flat = pa.array(events.x.reshape(-1))
        columns[_X] = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(events.x.shape[1:])))
    columns |= {_MASS: events.mass, _WEIGHT: events.weights}
    columns |= dict(zip(_NUMBERS, events.ids.T, strict=True))
    columns[_ENTRY] = events.entry + events.sources[0].start
    if events.truth is not None:
        columns[_TRUTH] = events.truth
    return pa.table({name: np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for name, v in columns.items()})


def _in_rows(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROWS`, the last one with what is left: at least one, perhaps empty."""
    import pyarrow as pa

    held: Any = None
    written = False
    for table in tables:
        held = table if held is None else pa.concat_tables([held, table])
        while len(held) >= ROWS:
            yield held.slice(0, ROWS)
            held, written = held.slice(ROWS), True
    if held is not None and (len(held) or not written):
        yield held
