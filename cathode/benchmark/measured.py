"""One search of a benchmark as a task, and what is kept of it."""

from __future__ import annotations

import dataclasses
import math
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from analysis.tasks import task
from cathode.result import SearchResult, TruthEvaluation
from cathode.runtime.seeds import Seeds

#: Analysis file of a method, in the folder of a benchmark.
METHODS = "methods"
#: What its searches share of what they train.
STORE = "store"


@dataclass(frozen=True)
class MeasuredCut:
    """One cut: counted and expected events, the signed significance, and the mass spectrum behind it.

    `sculpting` is χ²/ndf of the spectrum after the cut against the one before; NaN where it was not tested.
    """

    observed: float
    expected: float
    uncertainty: float
    significance: float
    sculpting: float


@dataclass(frozen=True)
class Measured:
    """One search of one method.

    `strength` is S/√B in the window before any cut, `injected` how many signal events that were and `inside` how many
    of them lie in the window. `sic` is the significance improvement by background efficiency, the others are its
    largest and, where true background is known, the largest of the idealised detector; NaN without a signal. `cuts` go
    by background efficiency. `seconds` are CPU seconds with what was taken from the store not counted twice, `peak_mb`
    the largest memory that the process had until then.
    """

    method: str
    signal: str
    strength: float
    seed: int
    injected: int
    inside: int
    events: int
    auc: float
    max_sic: float
    idealised_max_sic: float
    sic: dict[float, float]
    cuts: dict[float, MeasuredCut]
    closure: tuple[float, float]
    validation: str
    seconds: float
    peak_mb: float

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        plain = dataclasses.asdict(self)
        return {
            name: {repr(key): each for key, each in value.items()} if isinstance(value, dict) else value
            for name, value in plain.items()
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        cuts = {float(key): MeasuredCut(**cut) for key, cut in content["cuts"].items()}
        sic = {float(key): value for key, value in content["sic"].items()}
        return cls(**{**content, "cuts": cuts, "sic": sic, "closure": tuple(content["closure"])})


@task
def measured(
    place: Path,
    *,
    folder: str,
    fingerprint: str,
    method: str,
    signal: str,
    overrides: dict[str, Any],
    strength: float,
    inside_only: bool,
    seed: int,
) -> dict[str, Any]:
    """One search of the analysis of `method`, with so much of the signal among its data.

    The signal is what the same analysis reads with `overrides`. All methods get the same signal events; `fingerprint`
    of data, signal and settings is an argument so that searches in others are other tasks.
    """
    from cathode.benchmark.mixing import mixed
    from cathode.config import load_config

    del fingerprint, place
    path = Path(folder) / METHODS / f"{method}.yaml"
    config = load_config(path)
    search = dataclasses.replace(config.search(), seed=seed, workers=1)
    data, pool = config.read_events(), load_config(path, overrides).read_events()
    chosen = Seeds(seed)(f"{signal}/{strength}")
    mixture = mixed(data, pool, search.region, strength, inside_only=inside_only, seed=chosen)
    start = time.process_time()
    result = search.run(
        mixture.events,
        reference=config.read_reference(),
        auxiliary=config.read_auxiliary(),
        store=Path(folder) / STORE,
    )
    return _kept(result, method, signal, strength, seed, mixture.injected, mixture.inside, start).to_dict()


def _kept(
    result: SearchResult, method: str, signal: str, strength: float, seed: int, injected: int, inside: int, start: float
) -> Measured:
    truth = result.truth
    shapes = {each.background_efficiency: each.chi2 / each.ndof for each in result.sculpting if each.ndof > 0}
    return Measured(
        method=method,
        signal=signal,
        strength=strength,
        seed=seed,
        injected=injected,
        inside=inside,
        events=result.counts.signal_region,
        auc=math.nan if truth is None else truth.auc,
        max_sic=_largest(truth),
        idealised_max_sic=_largest(None if truth is None else truth.idealised),
        sic={} if truth is None else {efficiency: value for efficiency, (value, _) in truth.sic.items()},
        cuts={
            cut.background_efficiency: MeasuredCut(
                cut.observed,
                cut.expected,
                cut.uncertainty,
                cut.significance,
                shapes.get(cut.background_efficiency, math.nan),
            )
            for cut in result.cuts
        },
        closure=result.closure_mean,
        validation=result.validation,
        seconds=time.process_time() - start,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _largest(truth: TruthEvaluation | None) -> float:
    return math.nan if truth is None else truth.max_sic
