"""What one search of a scan was asked, and what is kept of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from cathode.result import CutResult, SearchResult


@dataclass(frozen=True)
class Asked:
    """Where one search looks, edges in GeV, by which method, with which seed, and in which data.

    `injected` events of `signal` are among the data, or 0 of "". `experiment` is the number of a background-only
    experiment, from 1, or 0 for the data themselves.
    """

    method: str
    low: float
    high: float
    seed: int
    signal: str = ""
    injected: int = 0
    experiment: int = 0


@dataclass(frozen=True)
class WindowCut:
    """One cut in one window, in events; `passing` are injected ones that pass it.

    `p_value` and `significance` are local, with all errors; `obstacle` says why they are not to be believed. Events are
    sums of weights, and `per_event` is the weight that fluctuates like one event.
    """

    observed: float
    expected: float
    error: float
    p_value: float
    significance: float
    passing: float
    obstacle: str = ""
    per_event: float = 1.0

    @classmethod
    def of(cls, cut: CutResult, inside: int) -> Self:
        """What is kept of a cut, where so many injected events lie in the window."""
        passing = inside * (cut.signal_efficiency or 0.0)
        found = (cut.observed, cut.expected, cut.uncertainty, cut.p_value, cut.significance, passing)
        return cls(*found, cut.obstacle, cut.per_event)


@dataclass(frozen=True)
class WindowSearch:
    """One search: what it was asked, and what it found; cuts by background efficiency.

    `events` are all in the window, `inside` the injected ones of them, `spectrum` what the mass model expects there,
    with its error, `closure` the mean AUC in the validation regions, with its error. `quick` says that it was a cheap
    trial, which is no result. `weight` is that of one injected event, `observed` that of all events in the window; None
    in scans of before.
    """

    asked: Asked
    events: int
    inside: int
    spectrum: tuple[float, float]
    closure: tuple[float, float]
    validation: str
    cuts: dict[float, WindowCut]
    quick: bool = False
    weight: float = 1.0
    observed: float | None = None

    @classmethod
    def of(cls, asked: Asked, result: SearchResult, inside: int, weight: float = 1.0) -> Self:
        """What is kept of a search, where so many injected events of such a weight lie in the window."""
        return cls(
            asked=asked,
            events=result.counts.signal_region,
            inside=inside,
            spectrum=(result.mass_model.expected, result.mass_model.expected_error),
            closure=result.closure_mean,
            validation=result.validation,
            cuts={cut.background_efficiency: WindowCut.of(cut, inside) for cut in result.cuts},
            quick=result.quick,
            weight=weight,
            observed=result.mass_model.observed,
        )

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        plain = dataclasses.asdict(self)
        return {**plain, "cuts": {repr(efficiency): cut for efficiency, cut in plain["cuts"].items()}}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        cuts = {float(efficiency): WindowCut(**cut) for efficiency, cut in content["cuts"].items()}
        pairs = {name: tuple(content[name]) for name in ("spectrum", "closure")}
        return cls(**{**content, **pairs, "asked": Asked(**content["asked"]), "cuts": cuts})
