"""Pseudo-experiments as tasks: each draws its events, repeats the whole search, and keeps what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.statistics.counting import p_to_z
from analysis.tasks import Done, Task, TaskFolder, task
from cathode.calibration.pseudo_data import FromSimulation, FromTemplate, PseudoData
from cathode.calibration.result import Experiment
from cathode.errors import CalibrationError
from cathode.runtime.seeds import Seeds

if TYPE_CHECKING:
    from analysis.events import Events
    from cathode.result import SearchResult

#: What the folder of a calibration holds beside its tasks.
TEMPLATE, POOL, SIDEBANDS, ANALYSIS = "template", "pool.npz", "sidebands.npz", "analysis.yaml"


@task
def pseudo_experiment(place: Path, *, source: str, fingerprint: str, number: int, seed: int) -> dict[str, Any]:
    """Search in background-only events; `source` is the folder that `cathode calibrate` prepared.

    `fingerprint` of that folder is an argument so that experiments on other events are other tasks.
    """
    import dataclasses

    from cathode.config import load_config

    del fingerprint, place
    folder = Path(source)
    config = load_config(folder / ANALYSIS)
    search = config.search()
    seeds = Seeds(seed)
    events = pseudo_data(folder).draw(seeds(f"pseudo-data/{number}"))
    alone = dataclasses.replace(search, seed=seeds(f"search/{number}"), workers=1)
    return of_result(alone.run(events, auxiliary=config.read_auxiliary()))


def pseudo_data(folder: Path) -> PseudoData:
    """What the folder of a calibration draws its experiments from.

    Raises
    ------
    CalibrationError
        If it was not prepared.
    """
    from cathode.template.stored import stored_template

    if (folder / POOL).exists():
        stored = _arrays(folder / POOL)
        return FromSimulation(events_of(stored), float(stored["events"]))
    if (folder / SIDEBANDS).exists():
        stored = _arrays(folder / SIDEBANDS)
        template = stored_template(folder / TEMPLATE)
        return FromTemplate(template.sampler, template.mass_model, stored["mass"], template.columns)
    raise CalibrationError(f"{folder}: nothing to draw pseudo-experiments from; prepare it by `cathode calibrate`.")


def of_result(result: SearchResult) -> dict[str, Any]:
    """What is kept of one experiment, in JSON types."""
    return {
        name: {repr(cut.background_efficiency): value(cut) for cut in result.cuts}
        for name, value in (
            ("significance", lambda cut: signed(cut.p_value)),
            ("significance_exact", lambda cut: signed(cut.p_value_exact)),
            ("observed", lambda cut: cut.observed),
            ("expected", lambda cut: cut.expected),
        )
    }


def signed(p_value: float) -> float:
    """Significance of a p-value, negative for a deficit; 38 where it leaves double precision, −38 for p = 1."""
    return float(np.clip(p_to_z(p_value), -38.0, 38.0))


def plan(folder: Path, experiments: int, *, fingerprint: str, seed: int) -> TaskFolder:
    """All experiments as tasks in a folder; more of them later keep those that are done."""
    tasks = [
        Task.of(pseudo_experiment, source=str(folder.resolve()), fingerprint=fingerprint, number=number, seed=seed)
        for number in range(experiments)
    ]
    return TaskFolder.planned(folder / "experiments", tasks)


def collected(done: Sequence[Done]) -> tuple[Experiment, ...]:
    """Finished tasks as experiments."""
    found = []
    for each in done:
        by_cut = {name: {float(e): v for e, v in values.items()} for name, values in each.result.items()}
        found.append(Experiment(seed=int(each.task.arguments["number"]), **by_cut))
    return tuple(found)


def failures(folder: TaskFolder) -> dict[str, int]:
    """Errors of experiments by their text, with their numbers."""
    return dict(Counter(failure.message for _, failure in folder.status().failures))


def store_events(path: Path, events: Events, number: float) -> None:
    """Keep a pool of events for all workers, and how many an experiment has on average."""
    _save(path, x=events.x, mass=events.mass, weights=events.weights, columns=np.array(events.columns), events=number)


def store_sidebands(path: Path, events: Events) -> None:
    """Keep sideband masses for all workers."""
    _save(path, mass=events.mass)


def events_of(stored: dict[str, Any]) -> Events:
    """The pool that `store_events` kept."""
    from analysis.events import Events

    return Events(stored["x"], stored["mass"], tuple(stored["columns"].tolist()), weights=stored["weights"])


def _save(path: Path, **arrays: Any) -> None:
    from analysis.atomic import atomic_path

    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)


def _arrays(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{path}: can not be read ({error}). Calibrate again.") from error
