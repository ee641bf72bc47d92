"""Decoders read whatever is in a file: what they raise becomes one named error, and what they give is looked over."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from analysis.errors import AnalysisError, ExpressionError, InputFileError, NtupleReadError
from analysis.expressions.column import Column

# What the system refuses says nothing about the content of a file.
_OF_THE_SYSTEM = frozenset(
    {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ETIMEDOUT}
)
_BEING_WRITTEN = "already open for write"


@contextmanager
def decoding(path: str, branch: str = "", entries: tuple[int, int] | None = None) -> Iterator[None]:
    """Turn whatever a decoder raises on damaged input into one named error with the place."""
    try:
        yield
    except ExpressionError as error:
        raise error if path in str(error) else ExpressionError(f"'{path}': {error}") from None
    except AnalysisError:
        raise
    except Exception as error:
        place = f"'{path}'"
        if branch:
            place += f", branch '{branch}'"
        if entries is not None:
            place += f", entries {entries[0]} to {entries[1]}"
        reason = " ".join(str(error).split())[:200]
        if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM:
            raise InputFileError(f"{place} can not be read: {os.strerror(error.errno)}. ({reason})") from error
        if _BEING_WRITTEN in reason:
            raise InputFileError(
                f"{place} is being written, or its writer did not close it. Wait for it, or close it: h5clear -s. "
                f"({reason})"
            ) from error
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
