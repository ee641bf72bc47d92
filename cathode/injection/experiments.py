"""Searches with an injected signal as tasks: each mixes, trains everything, and keeps what it found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from analysis.tasks import Done, Task, TaskFolder, task
from cathode.injection.mixture import injected
from cathode.runtime.progress import silent
from cathode.runtime.seeds import Seeds

if TYPE_CHECKING:
    from analysis.events import Events
    from cathode.result import SearchResult
    from cathode.search import Search

#: The analysis file of a folder of injections.
ANALYSIS = "analysis.yaml"


@dataclass(frozen=True)
class CutFound:
    """What one cut of one search found; `passing` is the number of injected events in the window that pass it.

    `observed`, `expected` and `error` are sums of weights, `per_event` is the weight that fluctuates like one event,
    and `obstacle` says why the expectation is not to be believed.
    """

    observed: float
    expected: float
    error: float
    significance: float
    passing: float
    per_event: float = 1.0
    obstacle: str = ""


@dataclass(frozen=True)
class Injection:
    """One search with so many injected events, of which `inside` lie in the window; cuts by background efficiency.

    `window` is the weight of all events there, `spectrum` what the mass model expects of background, with its error,
    and `weight` that of one injected event. `validation` says whether the template passed, and `pseudo` whether the
    events are a pseudo-experiment: then they say what is to be expected, and nothing of the data.
    """

    injected: int
    repeat: int
    inside: int
    window: float
    spectrum: tuple[float, float]
    cuts: dict[float, CutFound]
    weight: float = 1.0
    validation: str = "not made"
    pseudo: bool = False

    def beyond(self, background_efficiency: float) -> float:
        """Injected events that pass a cut, less what those in the window add to the expectation of background."""
        return max(self.cuts[background_efficiency].passing - background_efficiency * self.inside, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        return {**dataclasses.asdict(self), "cuts": {repr(e): vars(cut) for e, cut in self.cuts.items()}}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        cuts = {float(e): CutFound(**cut) for e, cut in content["cuts"].items()}
        return cls(**{**content, "spectrum": tuple(content["spectrum"]), "cuts": cuts})


@task
def injected_search(
    place: Path, *, folder: str, signal: list[str], fingerprint: str, number: int, repeat: int, seed: int
) -> dict[str, Any]:
    """Search in the data of the analysis in `folder` with `number` events of `signal` among them.

    `fingerprint` of data and signal is an argument so that searches in other events are other tasks.
    """
    from cathode.config import load_config

    del fingerprint, place
    config = load_config(Path(folder) / ANALYSIS)
    seeds = Seeds(seed)
    # Other repeats inject other events, and train with other seeds.
    search = dataclasses.replace(config.search(), seed=seeds(f"search/{repeat}"), workers=1)
    pool = config.read_files(signal, stage="read signal")
    events = injected(config.read_events(), pool, number, seed=seeds(f"injection/{number}/{repeat}"))
    found = search.run(events, auxiliary=config.read_auxiliary(), progress=silent)
    return found_in(search, events, number, repeat, found).to_dict()


def found_in(
    search: Search, events: Events, number: int, repeat: int, result: SearchResult, *, pseudo: bool = False
) -> Injection:
    """What is kept of a search in events whose truth are the injected ones."""
    assert events.truth is not None
    inside = int((search.region.signal(events.mass) & events.truth).sum())
    mass_model = result.mass_model
    return Injection(
        number,
        repeat,
        inside,
        mass_model.observed,
        (mass_model.expected, mass_model.expected_error),
        {
            cut.background_efficiency: CutFound(
                cut.observed,
                cut.expected,
                cut.uncertainty,
                cut.significance,
                inside * (cut.signal_efficiency or 0.0),
                cut.per_event,
                result.withheld or cut.obstacle,
            )
            for cut in result.cuts
        },
        # Injected events have the mean weight of the others.
        float(events.weights.mean()),
        result.validation,
        pseudo,
    )


def plan(
    folder: Path, numbers: Sequence[int], *, signal: Sequence[str], repeats: int, fingerprint: str, seed: int
) -> TaskFolder:
    """All searches as tasks; more strengths or repeats later keep those that are done."""
    every = {"folder": str(folder.resolve()), "signal": list(signal), "fingerprint": fingerprint, "seed": seed}
    tasks = [
        Task.of(injected_search, number=number, repeat=repeat, **every)
        for repeat in range(repeats)
        for number in numbers
    ]
    return TaskFolder.planned(folder / "searches", tasks)


def collected(done: Sequence[Done]) -> tuple[Injection, ...]:
    """Finished tasks by strength and repeat."""
    found = [Injection.from_dict(each.result) for each in done]
    return tuple(sorted(found, key=lambda each: (each.injected, each.repeat)))
