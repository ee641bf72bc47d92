"""Whether the pages of a parquet file carry checksums, which its metadata do not say."""

from __future__ import annotations

from typing import Any

_CRC = 4
_I32 = 5
_LONGEST_HEADER = 64


def has_checksum(path: str, column: Any) -> bool:
    """Whether the first page of a column of a row group has a checksum; writers give one to all pages or to none."""
    start = column.data_page_offset
    if column.dictionary_page_offset is not None and 0 < column.dictionary_page_offset < start:
        start = column.dictionary_page_offset
    with open(path, "rb") as file:
        file.seek(max(start, 0))
        return _has_crc(file.read(_LONGEST_HEADER))


def _has_crc(header: bytes) -> bool:
    """Look for field 4 of a page header: Thrift's compact protocol, in which fields 1 to 4 are 32-bit numbers."""
    field = place = 0
    while place < len(header):
        step, kind = divmod(header[place], 16)
        field += step
        if step == 0 or kind != _I32 or field > _CRC:
            return False
        if field == _CRC:
            return True
        place += 1
        while place < len(header) and header[place] & 0x80:
            place += 1
        place += 1
    return False
