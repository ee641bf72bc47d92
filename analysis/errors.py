"""Named errors of the analysis layer: each says what was found, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AnalysisError(Exception):
    """Base of every error that `analysis` raises on bad input."""


class InputFileError(AnalysisError):
    """A file is missing, is not of the declared format, or matches no pattern."""


class OutputError(AnalysisError, OSError):
    """An output would replace an input or something that is not ours, or its place can not be written."""


class NtupleReadError(AnalysisError):
    """A file could not be decoded: truncated, corrupted, or not what its header says.

    `file`, `branch` and `entries` (first, one past the last) hold the place, as far as it is known.
    """

    def __init__(
        self, message: str, *, file: str = "", branch: str = "", entries: tuple[int, int] | None = None
    ) -> None:
        super().__init__(message)
        self.file, self.branch, self.entries = file, branch, entries


class TooManyFailuresError(AnalysisError):
    """More files can not be read than may be left out."""


class TreeNotFoundError(AnalysisError):
    """The file is readable but has no tree of that name."""


class BranchNotFoundError(AnalysisError):
    """An expression names a branch or column that the input does not have."""


class AmbiguousNameError(AnalysisError):
    """A name could mean several branches or columns of the input."""


class ExpressionError(AnalysisError):
    """An expression is malformed or uses something outside of the allow-list."""


class TrialError(AnalysisError):
    """One of the arguments of a reading fails on the first entries; `argument` is its name: features.mj_light."""

    def __init__(self, message: str, argument: str) -> None:
        super().__init__(message)
        self.argument = argument


class UnitsError(AnalysisError):
    """Energies are not in the declared unit."""


class MissingValueError(AnalysisError):
    """An expression asks selected events for an element that they do not have, such as the second of one jet."""


class NonFiniteError(AnalysisError):
    """A feature, mass or weight holds NaN or infinity."""


class IdentifierError(AnalysisError):
    """Event identifiers are missing, duplicated or out of range."""


class FeatureNameError(AnalysisError):
    """A feature has a name that can be no file, is not visible, or can not be told from another one."""


class EmptySelectionError(AnalysisError):
    """No event passes the selection."""


class ScoreAlignmentError(AnalysisError):
    """Scores do not line up with the source that they are to be befriended to."""


class DownloadError(AnalysisError):
    """A data set could not be fetched, or what came does not have the published checksum."""


class ConstituentError(AnalysisError):
    """Constituents of jets that do not have the expected shape."""


class GeometryError(AnalysisError):
    """A calorimeter geometry, its file, or voxels and points that do not belong to it."""


class SimulationError(AnalysisError):
    """An optional simulation dependency is missing or refused its settings."""


class CountingError(AnalysisError):
    """A count, background or uncertainty is out of range for a p-value."""


class MetricError(AnalysisError):
    """Scores, truth or weights from which no metric can be made."""


class TooFewEventsError(AnalysisError):
    """A metric or a fit needs more events than there are."""


class SpectrumError(AnalysisError):
    """A mass spectrum could not be fitted, or the fit was handed events that it must not see."""


class FeatureStoreError(AnalysisError):
    """A feature store can not be read, or was prepared with other expressions than it is asked for."""


class TasksError(AnalysisError):
    """A plan of tasks can not be made, read or collected, or names work that is not here."""


def nearest(name: str, known: Iterable[str], *, limit: int = 3) -> str:
    """Sentence that names the known names closest to `name`, for use inside an error message.

    >>> nearest("FatJet_ptt", ["FatJet_pt", "FatJet_eta", "MET"])
    "Nearest: 'FatJet_pt', 'FatJet_eta'."
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=limit, cutoff=0.5)
    if close:
        return "Nearest: " + ", ".join(repr(c) for c in close) + "."
    if not names:
        return "There is none at all."
    shown = ", ".join(repr(n) for n in sorted(names)[:12])
    return f"Available: {shown}{', …' if len(names) > 12 else ''}."
