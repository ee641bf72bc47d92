"""Checksums of RNTuple pages, which uproot reads over: XXH3 of the stored bytes, where the writer left one.

Format: ROOT's RNTuple binary format specification, version 1; header and footer are compared by uproot itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analysis.errors import NtupleReadError

_SIZE = 8


class PageChecksums:
    """Compares every page before it is read for the first time, and the lists that say where the pages are."""

    def __init__(self, path: str, content: Any) -> None:
        self._path, self._content = path, content
        self._seen: set[tuple[int, int]] = set()
        self._compared = 0
        self._without = False

    @property
    def verified(self) -> bool:
        """Whether there was something to compare and every page that was asked for had a checksum."""
        return self._compared > 0 and not self._without

    def compare(self, name: str, columns: Iterable[int], start: int, stop: int) -> None:
        """Compare the pages of the physical columns of a field in the clusters that hold entries start to stop.

        Raises
        ------
        NtupleReadError
            If the bytes of a page are not those that were written.
        """
        if not self._seen:
            self._compare_page_lists()
        for number, summary in enumerate(self._content.cluster_summaries):
            first = int(summary.num_first_entry)
            if first < stop and start < first + int(summary.num_entries):
                for column in columns:
                    self._compare_column(name, number, column)

    def _compare_column(self, name: str, cluster: int, column: int) -> None:
        if (cluster, column) in self._seen:
            return
        self._seen.add((cluster, column))
        for place in self._representations(cluster, column):
            for page in place.pages:
                if not page.has_checksum:
                    self._without = True
                elif int(page.locator.num_bytes):
                    self._compare_bytes(name, int(page.locator.offset), int(page.locator.num_bytes))

    def _representations(self, cluster: int, column: int) -> list[Any]:
        """Where the column is stored in this cluster: by itself, or by another column of the same field."""
        places = self._content.page_link_list[cluster]
        if column >= len(places):
            return []
        if not places[column].suppressed:
            return [places[column]]
        records = self._content.column_records
        field = records[column].field_id
        return [place for i, place in enumerate(places) if records[i].field_id == field and not place.suppressed]

    def _compare_bytes(self, name: str, offset: int, size: int) -> None:
        stored = self._bytes(offset, size + _SIZE)
        if not _agrees(stored):
            raise NtupleReadError(
                f"'{self._path}', branch '{name}': the page of {size} bytes at byte {offset} does not agree with its "
                "checksum: the file is corrupted. Copy it again, or remove it from the list.",
                file=self._path,
                branch=name,
            )
        self._compared += 1

    def _compare_page_lists(self) -> None:
        for record in self._content.footer.cluster_group_records:
            link = record.page_list_link
            chunk, cursor = self._content.read_locator(link.locator, link.env_uncomp_size)
            if not _agrees(cursor.bytes(chunk, int(link.env_uncomp_size), {}).tobytes()):
                raise NtupleReadError(
                    f"'{self._path}': the list of pages of '{self._content.name}' does not agree with its checksum: "
                    "the file is corrupted. Copy it again, or remove it from the list.",
                    file=self._path,
                )

    def _bytes(self, start: int, size: int) -> bytes:
        chunk = self._content.file.source.chunk(start, start + size)
        return bytes(chunk.raw_data[:size])


def _agrees(content: bytes) -> bool:
    """Whether the last eight bytes are the hash of those before them."""
    import xxhash

    return xxhash.xxh3_64_intdigest(content[:-_SIZE]) == int.from_bytes(content[-_SIZE:], "little")
