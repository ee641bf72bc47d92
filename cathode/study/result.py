"""What a study found: one row for every variant, means over its trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from analysis.printing import html_table
from cathode.runtime.documents import Document
from cathode.study.variants import label

#: Metrics that are better when they are large.
LARGE_IS_GOOD = ("equivalent_jets",)


@dataclass(frozen=True)
class StudyRow:
    """One variant: what it sets, and mean and standard deviation over its trainings by metric.

    `trainings` are those that are done; NaN says that there are none, or one and no deviation. `failure` is the error
    of one that failed.
    """

    settings: dict[str, Any]
    mean: dict[str, float]
    deviation: dict[str, float]
    trainings: int
    failure: str = ""


@dataclass(frozen=True)
class StudyResult(Document):
    """All variants, the best first by the metric `sorted_by`; failed ones last."""

    schema_version: ClassVar[int] = 1

    metrics: tuple[str, ...]
    sorted_by: str
    rows: tuple[StudyRow, ...]
    seeds: tuple[int, ...]
    versions: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        failed = sum(bool(row.failure) for row in self.rows)
        return f"<StudyResult: {len(self.rows)} variants by {self.sorted_by}{f', {failed} failed' if failed else ''}>"

    def _repr_html_(self) -> str:
        """A table for notebooks, the best first."""
        header, *rows = self._table()
        return html_table(repr(self)[1:-1], header, rows)

    def markdown(self) -> str:
        """The table."""
        header, *rows = self._table()
        return "\n".join(f"| {' | '.join(each)} |" for each in (header, ["---"] * len(header), *rows)) + "\n"

    def _table(self) -> list[list[str]]:
        """Titles, and a row for every variant."""
        paths = list(dict.fromkeys(path for row in self.rows for path in row.settings))
        lines = [[*paths, *self.metrics, "trainings"]]
        for row in self.rows:
            told = [label({"": row.settings[path]}).strip() if path in row.settings else "" for path in paths]
            numbers = [shown(row.mean.get(name, math.nan), row.deviation.get(name, math.nan)) for name in self.metrics]
            lines.append([*told, *numbers, row.failure or str(row.trainings)])
        return lines


def shown(mean: float, deviation: float) -> str:
    """A mean with its standard deviation, if there is one."""
    if not math.isfinite(mean):
        return "–"
    return f"{mean:.4g}" if not math.isfinite(deviation) else f"{mean:.4g} ± {deviation:.2g}"


def summarised(
    settings: dict[str, Any], found: Sequence[dict[str, float | None]], metrics: Sequence[str], failure: str
) -> StudyRow:
    """A row of the numbers of some trainings."""
    mean, deviation = {}, {}
    for name in metrics:
        values = [each for each in (one.get(name) for one in found) if each is not None]
        mean[name] = float(np.mean(values)) if values else math.nan
        deviation[name] = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return StudyRow(settings, mean, deviation, len(found), failure)


def best_first(rows: Sequence[StudyRow], metric: str) -> tuple[StudyRow, ...]:
    """Rows by a metric; those without a number last."""
    sign = -1 if metric in LARGE_IS_GOOD else 1

    def key(row: StudyRow) -> tuple[bool, float]:
        value = row.mean.get(metric, math.nan)
        return (not math.isfinite(value), sign * value if math.isfinite(value) else 0.0)

    return tuple(sorted(rows, key=key))
