"""Global heaps, where HDF5 keeps arrays of variable length: the library walks through a damaged one without an end."""

from __future__ import annotations

import mmap
import os

# Signature, version and reserved bytes; heaps begin at multiples of 8.
_BEGIN = b"GCOL\x01\x00\x00\x00"
_HEADER = 16
_ALIGNMENT = 8


def refuse_endless_heaps(path: str) -> None:
    """Walk through all global heaps of a file as the library does.

    Raises
    ------
    ValueError
        If one has a free block smaller than its own header, at which the library would never get any further.
    """
    if os.path.getsize(path) == 0:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(_BEGIN)
        while place >= 0:
            if place % _ALIGNMENT == 0:
                _walk(content, place)
            place = content.find(_BEGIN, place + 1)


def _walk(content: mmap.mmap, begin: int) -> None:
    end = min(begin + _number(content, begin + 8, 8), len(content))
    place = begin + _HEADER
    while place + _HEADER <= end:
        size = _number(content, place + 8, 8)
        if _number(content, place, 2):
            size = _HEADER + -(-size // _ALIGNMENT) * _ALIGNMENT
        elif size < _HEADER:
            raise ValueError(f"the heap at byte {begin} has a free block of {size} bytes")
        place += size


def _number(content: mmap.mmap, place: int, size: int) -> int:
    return int.from_bytes(content[place : place + size], "little")
