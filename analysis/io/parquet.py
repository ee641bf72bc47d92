"""Parquet files by pyarrow: plain columns, lists, and lists of records as awkward writes them; and folders of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AmbiguousNameError, ExpressionError
from analysis.expressions.chunk import column_of
from analysis.expressions.column import Column
from analysis.io.decoding import checked, decoding
from analysis.io.hive import keys_of
from analysis.io.parquet_pages import has_checksum
from analysis.io.tables import choose_tree

_LEVELS = re.compile(r"\.(?:(?:list|bag)\.(?:element|item|array_element)|key_value)(?=\.|$)")


class ParquetTable:
    """A parquet file; its one table is called Events.

    A row group is unpacked as a whole, so the smallest memory is that of one row group of the named columns; the last
    one is kept for the next read. What the folders above say about all of its rows (`year=2018`) are columns as well.
    """

    uuid = ""

    def __init__(self, path: str, tree: str | None) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self.tree = choose_tree(path, tree, ["Events"])
        with decoding(path):
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
            schema = self._file.schema
            leaves = [_LEVELS.sub("", schema.column(i).path) for i in range(len(schema))]
            self._leaves = {name: i for i, name in enumerate(leaves)}
            self._keys = keys_of(path)
            self.names: Sequence[str] = (*leaves, *(key for key in self._keys if key not in self._leaves))
            metadata = self._file.metadata
            self._groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
            if not all(_has_its_rows(group) for group in self._groups):
                raise ValueError("a row group has fewer values than rows, or values without rows")
            if metadata.num_rows != sum(group.num_rows for group in self._groups):
                raise ValueError(f"{metadata.num_rows} rows are announced, but the row groups have others")
            self._starts = np.cumsum([0, *(g.num_rows for g in self._groups)]).astype(np.int64)
            self.entries = int(self._starts[-1])
        self._kept: tuple[int, dict[str, Any]] = (-1, {})
        self._pages: dict[tuple[int, int], bool] = {}

    @property
    def verified(self) -> bool:
        """Whether the pages that were read carry checksums, which are compared; judged by the first page of each."""
        return bool(self._pages) and all(self._pages.values())

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """Borders of the row groups."""
        return np.unique(self._starts)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Unpacked size from the file's metadata."""
        leaves = [self._leaves[n] for n in names if n in self._leaves]
        with decoding(self.path):
            total = sum(int(group.column(i).total_uncompressed_size) for group in self._groups for i in leaves)
        return max(total, 0) / max(self.entries, 1)

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """The named columns for entries start to stop."""
        columns = {}
        for name in names:
            with decoding(self.path, name, (start, stop)):
                columns[name] = self._column(name, start, stop)
                if len(columns[name]) != stop - start:
                    raise ValueError(f"it has {len(columns[name])} entries for {stop - start}")
        return columns

    def _column(self, name: str, start: int, stop: int) -> Column:
        key = self._keys[name].column(stop - start) if name in self._keys else None
        if key is not None and name not in self._leaves:
            return key
        import pyarrow as pa

        parts = [chunk for part in self._parts(name, start, stop) for chunk in part.chunks]
        column = _numbers(pa.chunked_array(parts) if parts else self._nothing(name), name)
        if key is not None and not (np.array_equal(column.values, key.values) and column.missing is None):
            raise AmbiguousNameError(
                f"'{self.path}' has a column '{name}' whose values are not the {self._keys[name].text} of its folder. "
                "Rename one of them."
            )
        return column

    def _nothing(self, name: str) -> Any:
        """No entry of a column."""
        return self._file.reader.read_row_groups([], column_indices=[self._leaves[name]]).column(0)

    def _parts(self, name: str, start: int, stop: int) -> list[Any]:
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        parts = []
        while first < len(self._groups) and self._starts[first] < stop:
            group = self._row_group(first, name)
            begin = max(start - int(self._starts[first]), 0)
            end = min(stop, int(self._starts[first + 1])) - int(self._starts[first])
            parts.append(group if end - begin == len(group) else _copied(group, begin, end))
            first += 1
        return parts

    def _row_group(self, number: int, name: str) -> Any:
        """One column of a row group, by the number of its leaf: names may be shared, and neighbours may be odd."""
        if self._kept[0] != number:
            self._kept = (number, {})
        columns = self._kept[1]
        if name not in columns:
            leaf = self._leaves[name]
            self._pages[number, leaf] = has_checksum(self.path, self._groups[number].column(leaf))
            table = self._file.reader.read_row_group(number, column_indices=[leaf], use_threads=False)
            columns[name] = table.column(0)
        return columns[name]

    def close(self) -> None:
        """Release the file."""
        self._kept = (-1, {})
        self._file.close()


def _copied(column: Any, begin: int, end: int) -> Any:
    """Rows of a column; not a slice, because awkward 2.14 loses the nulls of an array that begins inside of another."""
    import pyarrow as pa

    return column.take(pa.array(np.arange(begin, end)))


def _has_its_rows(group: Any) -> bool:
    """Whether every column has at least one value or level for every row, and none without any row."""
    counts = [group.column(i).num_values for i in range(group.num_columns)]
    return group.num_rows >= 0 and all(n >= group.num_rows and (group.num_rows > 0 or n == 0) for n in counts)


def _numbers(column: Any, name: str) -> Column:
    """The column of the only leaf of what may be records of lists of records."""
    import awkward as ak
    import pyarrow as pa

    problem = str(column.type)
    column = _without_maps(column)
    try:
        # Of no chunk with any entry awkward did not always know the type.
        array = ak.from_arrow(column if len(column) else column.combine_chunks())
        while fields := ak.fields(array):
            array = array[fields[0]]
    except (NotImplementedError, TypeError, ValueError, pa.ArrowException) as error:
        raise ExpressionError(
            f"Column '{name}' has the type '{problem}'; expressions work on one number, or one list of numbers, per "
            f"event. ({' '.join(str(error).split())[:80]})"
        ) from None
    return checked(column_of(array, name))


def _without_maps(column: Any) -> Any:
    """A map as the list of records that it is."""
    import pyarrow as pa

    if not pa.types.is_map(column.type):
        return column
    kind = pa.list_(pa.struct([("key", column.type.key_type), ("value", column.type.item_type)]))
    return pa.chunked_array([chunk.cast(kind) for chunk in column.chunks], kind)
