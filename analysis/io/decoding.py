"""Decoders read whatever is in a file: what they raise becomes one named error, and what they give is looked over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from analysis.errors import AnalysisError, NtupleReadError
from analysis.expressions.column import Column


@contextmanager
def decoding(path: str, branch: str = "", entries: tuple[int, int] | None = None) -> Iterator[None]:
    """Turn whatever a decoder raises on damaged input into one named error with the place."""
    try:
        yield
    except AnalysisError:
        raise
    except Exception as error:
        place = f"'{path}'"
        if branch:
            place += f", branch '{branch}'"
        if entries is not None:
            place += f", entries {entries[0]} to {entries[1]}"
        reason = " ".join(str(error).split())[:200]
        raise NtupleReadError(
            f"{place} can not be read: the file is truncated, corrupted or of an unknown type "
            f"({type(error).__name__}: {reason}). Copy it again, or remove it from the list.",
            file=path,
            branch=branch,
            entries=entries,
        ) from error


def checked(column: Column) -> Column:
    """The same column, if its lists are consistent; damaged offsets would otherwise surface far from here."""
    if column.offsets is not None:
        ends = column.offsets
        # Compared, not subtracted: the difference of two damaged offsets can wrap around.
        if len(ends) == 0 or ends[0] != 0 or ends[-1] != len(column.values) or (ends[1:] < ends[:-1]).any():
            raise ValueError("the list lengths are not consistent")
    return column
