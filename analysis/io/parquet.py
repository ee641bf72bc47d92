"""Parquet files by pyarrow: plain columns, lists, and lists of records as awkward writes them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.expressions.chunk import column_of
from analysis.expressions.column import Column
from analysis.io.decoding import checked, decoding
from analysis.io.tables import choose_tree

_LIST_LEVELS = re.compile(r"\.(list|bag)\.(element|item|array_element)")


class ParquetTable:
    """A parquet file; its one table is called Events.

    A row group is unpacked as a whole, so the smallest memory is that of one row group of the named columns; the last
    one is kept for the next read.
    """

    uuid = ""
    verified = False

    def __init__(self, path: str, tree: str | None) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self.tree = choose_tree(path, tree, ["Events"])
        with decoding(path):
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
            schema = self._file.schema
            leaves = [schema.column(i) for i in range(len(schema))]
            self._paths = {_LIST_LEVELS.sub("", leaf.path): leaf.path for leaf in leaves}
            self.names: Sequence[str] = tuple(self._paths)
            metadata = self._file.metadata
            groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
            self._sizes = [{c.path_in_schema: c.total_uncompressed_size for c in _columns(g)} for g in groups]
            self._starts = np.cumsum([0, *(g.num_rows for g in groups)]).astype(np.int64)
            self.entries = int(self._starts[-1])
        self._kept: tuple[tuple[int, tuple[str, ...]], Any] | None = None

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """Borders of the row groups."""
        return np.unique(self._starts)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Unpacked size from the file's metadata."""
        total = sum(int(group.get(self._paths[n], 0)) for group in self._sizes for n in names)
        return total / max(self.entries, 1)

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """The named columns for entries start to stop."""
        with decoding(self.path, ", ".join(names), (start, stop)):
            import awkward as ak
            import pyarrow as pa

            table = pa.concat_tables(self._parts(tuple(names), start, stop))
            columns = {}
            for name in names:
                top, *fields = name.split(".") if self._paths[name] not in table.column_names else [name]
                array = ak.from_arrow(table.column(top))
                for field in fields:
                    array = array[field]
                columns[name] = checked(column_of(array, name))
            return columns

    def _parts(self, names: tuple[str, ...], start: int, stop: int) -> list[Any]:
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        parts = []
        while first < len(self._sizes) and self._starts[first] < stop:
            group = self._row_group(first, names)
            begin = max(start - int(self._starts[first]), 0)
            end = min(stop, int(self._starts[first + 1])) - int(self._starts[first])
            parts.append(group.slice(begin, end - begin))
            first += 1
        return parts

    def _row_group(self, number: int, names: tuple[str, ...]) -> Any:
        if self._kept is None or self._kept[0] != (number, names):
            self._kept = None
            table = self._file.read_row_group(number, columns=[self._paths[n] for n in names])
            self._kept = ((number, names), table)
        return self._kept[1]

    def close(self) -> None:
        """Release the file."""
        self._kept = None
        self._file.close()


def _columns(group: Any) -> list[Any]:
    return [group.column(i) for i in range(group.num_columns)]
