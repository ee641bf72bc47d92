"""Files that can not be read: the reading stops, or leaves them out and says so."""

from __future__ import annotations

import logging

import numpy as np

from analysis.errors import (
    AnalysisError,
    BranchNotFoundError,
    InputFileError,
    NtupleReadError,
    TooManyFailuresError,
    TreeNotFoundError,
)
from analysis.events import Events, SourceFile
from analysis.io.contents import Content

log = logging.getLogger(__name__)

STOP, SKIP = "stop", "skip"
#: What is wrong with one file, not with what is asked of all.
SKIPPED = (InputFileError, NtupleReadError, TreeNotFoundError, BranchNotFoundError)
_SHOWN = 5


class Failures:
    """The account of one reading.

    Parameters
    ----------
    on_error : "stop" or "skip".
    max_failed_fraction : of the files that may be left out, from 0 to 1.

    Raises
    ------
    AnalysisError
        If one of them is out of range, or the fraction is given where nothing is left out.
    """

    def __init__(self, on_error: str, max_failed_fraction: float) -> None:
        if on_error not in (STOP, SKIP):
            raise AnalysisError(f"on_error='{on_error}' is neither 'stop' nor 'skip'.")
        if not 0 <= max_failed_fraction <= 1:
            raise AnalysisError(f"max_failed_fraction={max_failed_fraction} is no fraction; it is between 0 and 1.")
        if on_error == STOP and max_failed_fraction:
            raise AnalysisError("max_failed_fraction has an effect only with on_error='skip'.")
        self.skip = on_error == SKIP
        self._largest = max_failed_fraction
        self._found: list[tuple[str, str]] = []

    def add(self, path: str, error: AnalysisError, files: int) -> None:
        """Take the next failure, of so many files.

        Raises
        ------
        AnalysisError
            The error itself if nothing is left out.
        TooManyFailuresError
            If it is one too many, or no file is left.
        """
        if not self.skip:
            raise error
        self._found.append((path, str(error)))
        failed = len(self._found)
        if failed > self._largest * files or failed == files:
            listed = "\n".join(f"  {reason}" for _, reason in self._found[:_SHOWN])
            more = f"\n  and {failed - _SHOWN} more" if failed > _SHOWN else ""
            raise TooManyFailuresError(
                f"{failed} of {files} files can not be read, more than max_failed_fraction = {self._largest:g} "
                f"allows:\n{listed}{more}\nMend or remove them, or raise max_failed_fraction."
            ) from error
        log.warning("Left out: %s", error)


def left_out(path: str, error: AnalysisError, content: Content, *, truth: bool) -> Events:
    """No events of a file, and the reason."""
    return Events(
        x=np.empty((0, *content.shape)),
        mass=np.empty(0),
        columns=content.columns,
        truth=np.empty(0, dtype=bool) if truth else None,
        sources=(SourceFile(path, "", 0, 0, error=" ".join(str(error).split())),),
    )
