"""The commands under the names that they had before there were rooms, for scripts of that time."""

from cathode.commands import (
    compare_analysis,
    run_analysis,
    sample_template,
    score_files,
    train_template,
    validate_analysis,
)

#: Its name of before comparisons were called that.
select_analysis = compare_analysis

__all__ = [
    "run_analysis",
    "sample_template",
    "score_files",
    "select_analysis",
    "train_template",
    "validate_analysis",
]
