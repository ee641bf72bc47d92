"""Global heaps, where HDF5 keeps arrays of variable length: the library walks through a damaged one without an end.

And it asks for the memory of any length that a damaged file says, before it looks for the array.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

# Signature, version and reserved bytes; heaps begin at multiples of 8.
_BEGIN = b"GCOL\x01\x00\x00\x00"
_HEADER = 16
_ALIGNMENT = 8
# How an array is referred to: number of elements, address of its heap, number in the heap.
_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("object", "<u4")])


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


def refuse_impossible_lengths(dataset: Any, itemsize: int) -> None:
    """Refuse arrays of variable length that are larger than the file which they are in, if they can be looked at.

    Raises
    ------
    ValueError
        If one is, because its length is damaged.
    """
    size = os.path.getsize(dataset.file.filename)
    for references in _references(dataset):
        largest = int(references["length"].max(initial=0))
        if largest * itemsize > size:
            raise ValueError(f"an array of {largest} elements in a file of {size} bytes")


def _references(dataset: Any) -> Iterator[Any]:
    """What a data set without filters stores in place of its arrays."""
    offset = dataset.id.get_offset()
    if dataset.chunks is None and offset is not None:
        with open(dataset.file.filename, "rb") as file:
            file.seek(offset)
            content = file.read(dataset.size * _REFERENCE.itemsize)
        yield np.frombuffer(content[: len(content) // _REFERENCE.itemsize * _REFERENCE.itemsize], _REFERENCE)
    elif dataset.chunks is not None and dataset.id.get_create_plist().get_nfilters() == 0:
        places: list[tuple[int, ...]] = []
        dataset.id.chunk_iter(lambda chunk: places.append(chunk.chunk_offset))
        for place in places:
            yield np.frombuffer(dataset.id.read_direct_chunk(place)[1], _REFERENCE)


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
