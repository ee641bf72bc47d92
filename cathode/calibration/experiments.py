"""Pseudo-experiments as tasks: each draws its events, repeats the whole search, and keeps what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analysis.errors import TasksError
from analysis.statistics.p_values import p_to_z
from analysis.tasks import Done, Task, TaskFolder, task
from cathode.calibration.event_file import store_events, stored_events
from cathode.calibration.pseudo_data import FromSidebands, FromSimulation, FromTemplate, PseudoData
from cathode.calibration.recording import recorded
from cathode.calibration.result import Experiment
from cathode.errors import CalibrationError
from cathode.runtime.seeds import Seeds

if TYPE_CHECKING:
    from analysis.events import Events
    from cathode.region import Region
    from cathode.result import SearchResult

#: What the folder of a calibration holds beside its tasks.
TEMPLATE, POOL, SIDEBANDS, ANALYSIS = "template", "pool.npz", "sidebands.npz", "analysis.yaml"


#: What features come from where no file of simulated background is given.
Source = Literal["template", "sidebands"]


@dataclass(frozen=True)
class Drawn:
    """What the pseudo-experiments of a calibration are drawn from, as `pseudo_data` takes it, and their seed."""

    folder: str
    source: str
    events: float
    fingerprint: str
    seed: int


@task
def pseudo_experiment(
    place: Path, *, folder: str, source: str, events: float, fingerprint: str, number: int, seed: int
) -> dict[str, Any]:
    """Search in background-only events; `folder` is what `cathode calibrate` prepared.

    `fingerprint` of the events there is an argument so that experiments on other events are other tasks. The result
    and the held-out scores stay beside what is returned, so that other statistics need no other training.
    """
    import dataclasses

    from cathode.config import load_config

    del fingerprint
    prepared = Path(folder)
    config = load_config(prepared / ANALYSIS)
    search = config.search()
    seeds = Seeds(seed)
    drawn = pseudo_data(prepared, source, events).draw(seeds(f"pseudo-data/{number}"))
    alone = dataclasses.replace(search, seed=seeds(f"search/{number}"), workers=1)
    return of_result(recorded(alone, drawn, place, auxiliary=config.read_auxiliary()))


def prepare(
    folder: Path, events: Events, region: Region, *, source: Source, pool: Events | None
) -> Literal["template", "sidebands", "simulation"]:
    """Keep for all workers what experiments are drawn from, and say what that is."""
    if pool is not None:
        store_events(folder / POOL, pool)
        return "simulation"
    store_events(folder / SIDEBANDS, events[region.sideband(events.mass)])
    return source


def pseudo_data(folder: Path, source: str, events: float) -> PseudoData:
    """What the folder of a calibration draws its experiments from; of simulation, so many `events` on average.

    Raises
    ------
    CalibrationError
        If it was not prepared.
    """
    from cathode.template.stored import stored_template

    if source == "simulation":
        return FromSimulation(stored_events(folder / POOL), events)
    sideband = stored_events(folder / SIDEBANDS)
    template = stored_template(folder / TEMPLATE)
    if source == "sidebands":
        return FromSidebands(template.sampler, template.mass_model, sideband)
    return FromTemplate(template.sampler, template.mass_model, sideband.mass, template.columns)


def drawn_from(folder: Path | str) -> Drawn:
    """What a folder of `cathode calibrate` draws its experiments from, so that others can draw from it too.

    Raises
    ------
    CalibrationError
        If it is none.
    """
    place = Path(folder).resolve()
    try:
        known = TaskFolder(place / "experiments").tasks[0].arguments
        return Drawn(
            str(place),
            str(known["source"]),
            float(known["events"]),
            str(known["fingerprint"]),
            int(known["seed"]),
        )
    except (TasksError, IndexError, KeyError) as error:
        raise CalibrationError(f"{folder}: no calibration ({error}). Make one by `cathode calibrate`.") from error


def of_result(result: SearchResult) -> dict[str, Any]:
    """What is kept of one experiment, in JSON types.

    Raises
    ------
    CalibrationError
        If the search quotes no significance.
    """
    if result.withheld:
        raise CalibrationError(f"There is no significance to calibrate: {result.withheld}.")
    return {
        name: {repr(cut.background_efficiency): value(cut) for cut in result.cuts}
        for name, value in (
            ("significance", lambda cut: bounded(cut.significance)),
            ("significance_exact", lambda cut: signed(cut.p_value_exact)),
            ("observed", lambda cut: cut.observed),
            ("expected", lambda cut: cut.expected),
        )
    }


def signed(p_value: float) -> float:
    """Significance of a p-value, negative for a deficit."""
    return bounded(float(p_to_z(p_value)))


def bounded(significance: float) -> float:
    """A significance within ±38, where p-values leave double precision."""
    return float(np.clip(significance, -38.0, 38.0))


def plan(folder: Path, experiments: int, *, source: str, events: float, fingerprint: str, seed: int) -> TaskFolder:
    """All experiments as tasks in a folder; more of them later keep those that are done."""
    common = {"folder": str(folder.resolve()), "source": source, "events": events}
    tasks = [
        Task.of(pseudo_experiment, number=number, fingerprint=fingerprint, seed=seed, **common)
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
