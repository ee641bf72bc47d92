"""The commands under the name that they had before there were rooms, for scripts of that time."""

from cathode.commands import (
    run_analysis,
    sample_template,
    score_files,
    select_analysis,
    train_template,
    validate_analysis,
)

__all__ = [
    "run_analysis",
    "sample_template",
    "score_files",
    "select_analysis",
    "train_template",
    "validate_analysis",
]
