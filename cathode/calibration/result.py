"""`Calibration`: what pseudo-experiments of a search found, as a document that survives a trip through JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from analysis.printing import html_table, p_value
from cathode.calibration.null import FEWEST, NullDistribution
from cathode.errors import CalibrationError
from cathode.runtime.documents import Document


@dataclass(frozen=True)
class Experiment:
    """One pseudo-experiment: seed, and by background efficiency the signed significance with and without systematic.

    `observed` and `expected` are events by background efficiency.
    """

    seed: int
    significance: dict[float, float]
    significance_exact: dict[float, float]
    observed: dict[float, float]
    expected: dict[float, float]


@dataclass(frozen=True)
class Calibration(Document):
    """Background-only pseudo-experiments of one search, everything retrained in each.

    Attributes
    ----------
    settings : of the search, without its seed; it calibrates searches with these settings and no others.
    source : where the events came from, in words.
    events : events in window and sidebands of an experiment, on average.
    experiments : in the order of their seeds.
    failures : experiments that ended with an error, by its text: they are not in the distribution.
    versions : package -> version.
    """

    schema_version: ClassVar[int] = 1

    settings: dict[str, Any]
    source: str
    events: float
    experiments: tuple[Experiment, ...]
    failures: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        failed = f", {sum(self.failures.values())} failed" if self.failures else ""
        return f"<Calibration: {len(self.experiments)} pseudo-experiments{failed}, {self.events:,.0f} events each>"

    def _repr_html_(self) -> str:
        """A table for notebooks: what the significances of every cut are distributed like."""
        header = ("background efficiency", "mean, 0 is perfect", "width, 1 is perfect", "p of N(0, 1)")
        rows = []
        for efficiency in self.experiments[0].significance if len(self.experiments) >= FEWEST else ():
            null = self.null(efficiency)
            (mean, mean_error), (width, width_error) = null.mean, null.width
            told = (f"{mean:.2f} ± {mean_error:.2f}", f"{width:.2f} ± {width_error:.2f}", p_value(null.ks_p_value))
            rows.append((f"{efficiency:g}", *told))
        return html_table(repr(self)[1:-1], header, rows)

    def null(self, background_efficiency: float, *, exact: bool = False) -> NullDistribution:
        """Significances at one cut, with the systematic error or, `exact`, without it.

        Raises
        ------
        CalibrationError
            If there is no such cut, or there are too few experiments.
        """
        values = [each.significance_exact if exact else each.significance for each in self.experiments]
        if any(background_efficiency not in each for each in values):
            raise CalibrationError(f"The calibration has no cut at background efficiency {background_efficiency:g}.")
        return NullDistribution(tuple(each[background_efficiency] for each in values))

    def require(self, settings: dict[str, Any]) -> None:
        """Refuse to calibrate another search.

        Raises
        ------
        CalibrationError
            Names every setting that differs, with both values.
        """
        differ = list(_differences(self.settings, comparable(settings)))
        if differ:
            raise CalibrationError(
                f"The calibration is of another search: {'; '.join(differ)}. Calibrate this one, or leave the "
                "calibration out."
            )


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Settings that differ, by their path."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif before != now:
        yield f"{path} was {before!r} and is {now!r}"


def comparable(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a search as a calibration keeps them: its seed is one of many."""
    import json

    plain: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    plain.pop("seed", None)
    return plain
