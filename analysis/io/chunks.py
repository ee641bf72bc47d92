"""How many entries at once: a memory ceiling turned into ranges that fall on the borders of the file's own packing."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

#: Bytes of the least ceiling. Below, a file is read event by event for hours, and most likely a unit was forgotten.
SMALLEST = 10**6

# While a chunk is read, its compressed, unpacked and joined forms coexist.
_COPIES = 4.0
# Double-precision temporaries of an expression, per event.
_TEMPORARIES = 200.0
#: A ceiling below 1 MB that somebody writes with its unit is taken as it is, down to this.
_SMALLEST_WRITTEN = 10_000.0


def parse_memory(memory: str | int) -> int:
    """Bytes of a size such as "200 MB" or 200_000_000.

    Raises
    ------
    AnalysisError
        If it is no size, less than 1 MB without a larger unit, or less than 10 kB.

    >>> parse_memory("1.5 GB")
    1500000000
    """
    match = re.fullmatch(r"((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[0-9]{1,3})?)\s*([A-Za-z]*)", str(memory).strip())
    size = float(match[1]) * _SIZES.get(match[2].upper(), 0) if match else 0.0
    if size == 0:
        raise AnalysisError(f"memory={memory!r} is not a size; write for example '200 MB'.")
    # A number alone, or in bytes, that is so small has lost its unit; kB are written on purpose.
    smallest = SMALLEST if match and match[2].upper() in {"", "B"} else min(SMALLEST, _SMALLEST_WRITTEN)
    if not smallest <= size < math.inf:
        raise AnalysisError(
            f"memory={memory!r} is {size:g} bytes; a ceiling is finite and at least 1 MB. Write it with its unit, for "
            "example '200 MB'."
        )
    return int(size)


def entries_within(memory: int, bytes_per_entry: float, bytes_per_event: float = 0.0) -> int:
    """Entries that can be read and evaluated at once inside of the ceiling; at least one.

    bytes_per_entry : of the columns, unpacked; bytes_per_event : of what is made of them.
    """
    return max(1, int(memory / (_COPIES * bytes_per_entry + bytes_per_event + _TEMPORARIES)))


def plan_chunks(boundaries: NDArray[np.int64], largest: int) -> list[tuple[int, int]]:
    """Ranges that cover all entries, none larger than `largest`, cut at boundaries wherever one is in reach.

    boundaries : increasing, from 0 to the number of entries.
    """
    entries = int(boundaries[-1])
    ranges: list[tuple[int, int]] = []
    start = 0
    while start < entries:
        reach = int(boundaries[np.searchsorted(boundaries, start + largest, side="right") - 1])
        stop = reach if reach > start else min(start + largest, entries)
        ranges.append((start, stop))
        start = stop
    return ranges
