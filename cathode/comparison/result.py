"""`GeneratorComparison`: how generators compare in the sidebands, as frozen dataclasses that JSON keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from analysis.events import SourceFile
from analysis.metrics.sic_and_auc import Measured
from analysis.printing import html_table
from cathode.errors import ResultError
from cathode.result import Closure, RegionSummary
from cathode.runtime.documents import Document


@dataclass(frozen=True)
class Distance:
    """A distance between data and template, mean over the validation regions.

    Features are in units of their width in the data.

    `floor` is that of two independent samples of one truth of the same sizes, with its standard deviation from sample
    to sample: about there a perfect template would be.
    """

    value: float
    floor: Measured

    @property
    def excess(self) -> float:
        """Standard deviations above the floor."""
        return (self.value - self.floor.value) / self.floor.error


@dataclass(frozen=True)
class Candidate:
    """One generator in validation regions that it was not trained on.

    Attributes
    ----------
    name : kind, and the settings that are not the default ones.
    generator : kind and hyperparameters.
    auc : of boosted trees, or another classifier, that tell template from data in all regions; 0.5 is closure.
    closures : the same region by region.
    wasserstein, energy : sliced Wasserstein distance and energy distance of data and template.
    log_likelihood : mean natural log p(x | m) of at most 10,000 validation events, per unit of x; None without a
        density. Events of zero density are not in it.
    impossible : fraction of these events, by weight, that have zero density.
    behind : how much less likely these events are than for the best density of the comparison, per event, with the
        error of that difference; on the events that no density takes for impossible.
    as_good : whether the AUC is within two standard errors of the best one.
    training_seconds : wall time; None if the training was interrupted.
    sampling_seconds : wall time per million events.
    """

    name: str
    generator: dict[str, Any]
    auc: Measured
    closures: tuple[Closure, ...]
    wasserstein: Distance
    energy: Distance
    log_likelihood: Measured | None = None
    impossible: float = 0.0
    behind: Measured | None = None
    as_good: bool = False
    training_seconds: float | None = None
    sampling_seconds: float | None = None

    @property
    def closes(self) -> bool:
        """Whether every validation region passes the closure test of a search."""
        return all(closure.passed for closure in self.closures)


@dataclass(frozen=True)
class GeneratorComparison(Document):
    """Generators in the order of their closure, made from sideband events alone.

    Attributes
    ----------
    region : borders of the window, which was not looked at, and of the sidebands, GeV.
    validation_regions : borders of what was withheld from the trainings, GeV.
    columns : names of the features.
    training_events, validation_events : sideband events outside of the validation regions, and in them.
    candidates : those that could be evaluated, the best closure first.
    failures : name of a candidate that could not be trained or drawn from -> why.
    inputs : the files that were read.
    versions : package -> version.
    config : the resolved analysis file (JSON types only), or None when the comparison was composed in Python.
    seed : the seed of everything random.
    """

    schema_version: ClassVar[int] = 2
    renamed: ClassVar[Mapping[int, Mapping[str, str]]] = {
        1: {"strips": "validation_regions", "strip_events": "validation_events", "judgements": "candidates"}
    }

    region: RegionSummary
    validation_regions: tuple[tuple[float, float], ...]
    columns: tuple[str, ...]
    training_events: int
    validation_events: int
    candidates: tuple[Candidate, ...]
    failures: dict[str, str] = field(default_factory=dict)
    inputs: tuple[SourceFile, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] | None = None
    seed: int = 0

    def __repr__(self) -> str:
        return f"<GeneratorComparison: {', '.join(each.name for each in self.candidates)}; {len(self.failures)} failed>"

    def _repr_html_(self) -> str:
        """A table for notebooks, the best first."""
        rows = [
            (each.name, f"{each.auc.value:.4f} ± {each.auc.error:.4f}", "yes" if each.as_good else "no")
            for each in self.candidates
        ]
        return html_table(
            "closure in validation regions", ("generator", "AUC, 0.5 is perfect", "as good as the best"), rows
        )

    @property
    def best(self) -> Candidate:
        """The best closure; those that are `as_good` may be cheaper.

        Raises
        ------
        ResultError
            If every candidate failed.
        """
        if not self.candidates:
            failed = " ".join(f"{name}: {why}" for name, why in self.failures.items())
            raise ResultError(f"No candidate could be evaluated. {failed}")
        return self.candidates[0]

    def __str__(self) -> str:
        return "\n".join(
            f"{j.name}: AUC {j.auc.value:.4f} ± {j.auc.error:.4f}, Wasserstein {j.wasserstein.value:.4f} "
            f"(floor {j.wasserstein.floor.value:.4f})"
            + ("" if j.log_likelihood is None else f", log-likelihood {j.log_likelihood.value:.4f}")
            for j in self.candidates
        )


def ranked(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """By AUC, the smallest first, each with whether it is as good as the first."""
    ordered = sorted(candidates, key=lambda j: j.auc.value)
    return tuple(
        replace(j, as_good=j.auc.value - ordered[0].auc.value <= 2 * math.hypot(j.auc.error, ordered[0].auc.error))
        for j in ordered
    )
