"""An analysis file tried on the first entries of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.errors import InputFileError, TrialError
from analysis.io.trial import try_expressions
from cathode.config.analysis import AnalysisConfig
from cathode.config.messages import Places
from cathode.errors import ConfigError


@dataclass(frozen=True)
class Tried:
    """What was done, in one sentence; and of every branch its unit in the file and its median, in GeV."""

    sentence: str
    units: Mapping[str, tuple[str, float]] = field(default_factory=dict)


def try_data(config: AnalysisConfig, path: Path, overrides: Sequence[str] = ()) -> Tried:
    """Evaluate every expression of `data` on a few entries.

    path, overrides : what the configuration was loaded from, to name the line that fails.

    Raises
    ------
    ConfigError
        If an expression is malformed or fails on the first file.
    """
    try:
        trial = try_expressions(config.data.reading(config.data.files))
    except InputFileError as error:
        return Tried(f"Its expressions were not tried on data: {error}")
    except TrialError as error:
        places = Places(str(path), path.read_text(encoding="utf-8"))
        places.overridden = {override.partition("=")[0] for override in overrides}
        key = f"data.{error.argument}"
        raise ConfigError(f"{places(key)}: {key}: {error}") from error
    said = f"Every expression has a value in the first {trial.rows} entries of '{trial.path}'; {trial.selected} pass."
    return Tried(said, trial.units)
