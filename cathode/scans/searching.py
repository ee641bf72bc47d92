"""One search of a scan as a task."""

from __future__ import annotations

import dataclasses
import json
import resource
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.atomic import write_text
from analysis.events import Events
from analysis.tasks import task
from cathode.calibration.pseudo_data import FromSimulation
from cathode.errors import InjectionError
from cathode.injection.mixture import injected
from cathode.runtime.run_folder import RESULT
from cathode.runtime.seeds import Seeds
from cathode.scans.measured import Asked, WindowSearch
from cathode.validation.claims import concluded
from generators.artifact import fingerprint

if TYPE_CHECKING:
    from cathode.config import AnalysisConfig
    from cathode.result import SearchResult

#: In the folder of a scan: analysis files by method, how samples are read, and what searches share of their trainings.
METHODS, SAMPLES, STORE = "methods", "samples", "store"
#: In the folder of a task: the run of its search, if its page is to be drawn, and what it cost, which is no result.
RUN, COST = "run", "cost.json"
#: The sample from which background-only experiments are drawn.
BACKGROUND = "background"


@task
def window_search(place: Path, *, folder: str, events: str, settings: str, page: bool, **asked: Any) -> dict[str, Any]:
    """Search as it is `asked` by the analysis of a method in the folder of a scan.

    `events` is the fingerprint of what is read, and `settings` of the analysis, so that searches in others are other
    tasks. With `page` the folder of the run is kept.

    Raises
    ------
    InjectionError
        If the files hold other events than when the scan was planned.
    """
    from threadpoolctl import threadpool_limits

    from cathode.config import load_config

    del settings
    start, used = time.perf_counter(), time.process_time()
    this = Asked(**asked)
    path = Path(folder) / METHODS / f"{this.method}.yaml"
    # Sums in a process of many threads are those in a worker of one.
    with threadpool_limits(limits=1):
        config = load_config(path, {"region.signal": [this.low, this.high]})
        data = _data(config, path, this, events)
        # Of an experiment the training is another one as well.
        seed = Seeds(this.seed)(f"experiment/{this.experiment}") if this.experiment else this.seed
        search = dataclasses.replace(config.search(), seed=seed, workers=1)
        result = search.run(
            data,
            output=place / RUN if page else None,
            reference=config.read_reference(),
            auxiliary=config.read_auxiliary(),
            store=Path(folder) / STORE,
        )
    result = dataclasses.replace(result, config=config.resolved(), quick=config.quick)
    inside = 0
    if this.injected and data.truth is not None:
        inside = int((search.region.signal(data.mass) & data.truth).sum())
    if page:
        _finish_run(place / RUN, config, result, this)
    cost = {
        "cpu_s": time.process_time() - used,
        "wall_s": time.perf_counter() - start,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    (place / COST).write_text(json.dumps(cost), encoding="utf-8")
    return WindowSearch.of(this, result, inside, float(data.weights.mean())).to_dict()


def print_of(*samples: Events) -> str:
    """Hash of everything that is read."""
    return "/".join(fingerprint(each.x, each.mass, each.weights) for each in samples)


def _data(config: AnalysisConfig, path: Path, asked: Asked, expected: str) -> Events:
    """The data, with signal among them, or an experiment of as many events as there are data.

    All windows and methods get the same signal events and the same experiments.
    """
    from cathode.config import load_config

    data = _read(_Reading(config.data.model_dump_json(), expected, config))
    sample = asked.signal or (BACKGROUND if asked.experiment else "")
    if not sample:
        _refuse_others(print_of(data), expected)
        return data
    reading = json.loads((path.parents[1] / SAMPLES / f"{sample}.json").read_text(encoding="utf-8"))
    of_sample = load_config(path, reading)
    pool = _read(_Reading(of_sample.data.model_dump_json(), expected, of_sample))
    _refuse_others(print_of(data, pool), expected)
    seeds = Seeds(asked.seed)
    if asked.signal:
        return injected(data, pool, asked.injected, seed=seeds(f"{asked.signal}/{asked.injected}"))
    return FromSimulation(pool, float(data.weights.sum())).draw(seeds(f"background/{asked.experiment}"))


@dataclass(frozen=True)
class _Reading:
    """What is read, by its settings and by what is expected of it."""

    data: str
    expected: str
    config: AnalysisConfig = field(compare=False, repr=False)


@lru_cache(maxsize=2)
def _read(reading: _Reading) -> Events:
    """The events, which the next search of this process is likely to ask for as well: the data and one sample."""
    return reading.config.read_events()


def _refuse_others(found: str, expected: str) -> None:
    if found != expected:
        raise InjectionError("The files hold other events than when the scan was planned. Plan it again.")


def _finish_run(run: Path, config: AnalysisConfig, result: SearchResult, asked: Asked) -> None:
    """Leave in the folder of a run what `cathode run` does, and a warning where its data are not those of the file."""
    warnings = result.warnings
    if asked.injected:
        said = f"{asked.injected:,} events of the signal {asked.signal} were put among the data: this is a study."
        warnings = (said, *warnings)
    write_text(run / "config.yaml", config.to_yaml())
    concluded(dataclasses.replace(result, warnings=warnings)).write(run / RESULT)
