"""`Benchmark`: what all searches of a benchmark found, and the table of its methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from analysis.printing import html_table
from cathode.benchmark.measured import Measured
from cathode.runtime.documents import Document

#: Significance at which a discovery is claimed.
DISCOVERY = 5.0


@dataclass(frozen=True)
class Mean:
    """Mean over searches, its standard error (NaN of a single one), and how many there were."""

    value: float
    error: float
    number: int

    def __str__(self) -> str:
        if not self.number:
            return "–"
        # No scatter at all is one training that all searches share.
        scatter = f" ± {_digits(self.error, 1)}" if self.error > 0 else ""
        return f"{_digits(self.value, 3)}{scatter}".replace("-", "−")


def _digits(value: float, digits: int) -> str:
    """So many significant digits, and all digits before the point."""
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


@dataclass(frozen=True)
class Benchmark(Document):
    """All searches, and by its text how many ended with an error."""

    schema_version: ClassVar[int] = 1

    measured: tuple[Measured, ...]
    failures: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    load_average: float = 0.0

    def __repr__(self) -> str:
        return f"<Benchmark: {len(self.measured)} searches by {', '.join(self.methods) or 'no method'}>"

    def _repr_html_(self) -> str:
        """A table for notebooks: means over the searches of every method."""
        if not self.measured:
            return html_table(repr(self)[1:-1], (), ())
        strongest, first = max(self.strengths), self.efficiencies[0]
        header = (
            "method",
            f"max SIC, S/√B {strongest:g}",
            f"Z at {first:g}",
            "bias without a signal",
            "closure, AUC",
            "CPU s",
        )
        keys = ("max_sic", "significance", "bias_1pct", "closure_auc", "seconds")
        rows = [
            (name, *(str(Mean(found[key][0], found[key][1], int(math.isfinite(found[key][0])))) for key in keys))
            for name, found in self.summary()["methods"].items()
        ]
        return html_table(repr(self)[1:-1], header, rows)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names in the order of the file."""
        return tuple(dict.fromkeys(each.method for each in self.measured))

    @property
    def signals(self) -> tuple[str, ...]:
        """Names in the order of the file."""
        return tuple(dict.fromkeys(each.signal for each in self.measured))

    @property
    def strengths(self) -> tuple[float, ...]:
        """S/√B in rising order."""
        return tuple(sorted({each.strength for each in self.measured}))

    @property
    def efficiencies(self) -> tuple[float, ...]:
        """Background efficiencies of the cuts, in the order in which they were asked for."""
        return tuple(dict.fromkeys(efficiency for each in self.measured for efficiency in each.cuts))

    def of(self, method: str, *, signal: str | None = None, strength: float | None = None) -> list[Measured]:
        """The searches of a method, of one signal and strength where they are named."""
        return [
            each
            for each in self.measured
            if each.method == method
            and signal in (None, each.signal)
            and (strength is None or each.strength == strength)
        ]

    def curve(self, method: str, signal: str, quantity: Callable[[Measured], float]) -> tuple[list[float], list[Mean]]:
        """A quantity against strength: those of which there are searches, and means over them."""
        strengths = [s for s in self.strengths if self.of(method, signal=signal, strength=s)]
        return strengths, [mean_of(self.of(method, signal=signal, strength=s), quantity) for s in strengths]

    def reach(self, method: str, signal: str, efficiency: float) -> float | None:
        """The smallest S/√B from which on a cut has five standard deviations, by interpolation; None if not reached."""
        strengths, found = self.curve(method, signal, lambda each: each.cuts[efficiency].significance)
        values = [each.value for each in found]
        for (low, below), (high, above) in zip(
            list(zip(strengths, values, strict=True))[:-1], list(zip(strengths, values, strict=True))[1:], strict=True
        ):
            if below < DISCOVERY <= above:
                return low + (DISCOVERY - below) / (above - below) * (high - low)
        return strengths[0] if values and values[0] >= DISCOVERY else None

    def summary(self) -> dict[str, Any]:
        """The table as plain numbers: method -> quantity -> (mean, error)."""
        strongest, first = max(self.strengths), self.efficiencies[0]
        found: dict[str, Any] = {}
        for method in self.methods:
            with_signal = self.of(method, strength=strongest) if strongest > 0 else []
            without = self.of(method, strength=0.0)
            every = self.of(method)
            row = {
                "max_sic": mean_of(with_signal, lambda each: each.max_sic),
                "sic_at_1e-3": mean_of(with_signal, lambda each: each.sic.get(1e-3, math.nan)),
                "significance": mean_of(with_signal, lambda each: each.cuts[first].significance),
                "bias_1pct": mean_of(without, _bias),
                "closure_auc": mean_of(every, lambda each: each.closure[0]),
                "sculpting_chi2_ndf": mean_of(without or every, lambda each: each.cuts[first].sculpting),
                "seconds": mean_of(every, lambda each: each.seconds),
                "peak_mb": mean_of(every, lambda each: each.peak_mb),
            }
            found[method] = {name: [each.value, each.error] for name, each in row.items()}
        return {"methods": found, **self._ratios(strongest)}

    def _ratios(self, strongest: float) -> dict[str, Any]:
        """What single methods are compared by, where they are there under these names; else None."""

        def sic(method: str) -> float | None:
            searches = self.of(method, strength=strongest)
            value = mean_of(searches, lambda each: each.max_sic).value
            return value if math.isfinite(value) else None

        def ratio(above: str, below: str) -> float | None:
            one, other = sic(above), sic(below)
            return one / other if one and other else None

        latent = [each for each in self.of("lacathode") if each.strength == 0] or self.of("lacathode")
        sculpted = mean_of(latent, lambda each: each.cuts[self.efficiencies[0]].sculpting)
        return {
            "cathode_over_idealised": ratio("cathode", "idealised"),
            "lacathode_sculpting": sculpted.value if sculpted.number else None,
            "trees_noise_retention": ratio("cathode+noise", "cathode"),
        }


def mean_of(searches: Sequence[Measured], quantity: Callable[[Measured], float]) -> Mean:
    """Mean of what is finite."""
    values = np.array([quantity(each) for each in searches], dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return Mean(math.nan, math.nan, 0)
    error = float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else math.nan
    return Mean(float(values.mean()), error, len(values))


def _bias(each: Measured) -> float:
    """Observed over expected less one, of the cut at 1 % or the loosest below."""
    loosest = max((e for e in each.cuts if e <= 1e-2), default=max(each.cuts))
    cut = each.cuts[loosest]
    return cut.observed / cut.expected - 1 if cut.expected > 0 else math.nan
