"""Signal in pseudo-experiments instead of the data: what a search finds of it before anybody looks into the window."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.tasks import Task, TaskFolder, task
from cathode.calibration.event_file import store_events, stored_events
from cathode.calibration.experiments import ANALYSIS, Drawn, drawn_from, pseudo_data
from cathode.errors import InjectionError
from cathode.injection.experiments import found_in
from cathode.injection.mixture import injected
from cathode.runtime.progress import silent
from cathode.runtime.seeds import Seeds
from generators.artifact import fingerprint

if TYPE_CHECKING:
    from analysis.events import Events

#: The signal that all experiments draw from.
SIGNAL = "signal.npz"

#: Standard deviations of a Poisson number that there must be signal events for.
_FLUCTUATION = 6.0


@task
def injected_experiment(
    place: Path, *, drawn: dict[str, Any], signal: str, fingerprint: str, number: int, repeat: int
) -> dict[str, Any]:
    """Search in one pseudo-experiment with a Poisson number of signal events, `number` on average.

    `drawn` says what the background comes from, `signal` is a file of events, and `fingerprint` that of both.
    """
    from cathode.config import load_config

    del fingerprint, place
    source = Drawn(**drawn)
    config = load_config(Path(source.folder) / ANALYSIS)
    seeds = Seeds(source.seed)
    name = f"injected/{number}/{repeat}"
    search = dataclasses.replace(config.search(), seed=seeds(f"search/{name}"), workers=1)
    background = pseudo_data(Path(source.folder), source.source, source.events).draw(seeds(f"pseudo-data/{name}"))
    signal_events = int(np.random.default_rng(seeds(f"strength/{name}")).poisson(number))
    events = injected(background, stored_events(Path(signal)), signal_events, seed=seeds(f"injection/{name}"))
    found = search.run(events, auxiliary=config.read_auxiliary(), progress=silent)
    return found_in(search, events, number, repeat, found, pseudo=True).to_dict()


def plan_in_pseudo_experiments(
    folder: Path, calibration: Path, signal: Events, numbers: Sequence[int], *, repeats: int
) -> TaskFolder:
    """All searches as tasks; `calibration` is a folder of `cathode calibrate`, whose pseudo-experiments get signal.

    More strengths or repeats later keep those that are done.

    Raises
    ------
    CalibrationError
        If the folder is no calibration.
    InjectionError
        If there are fewer signal events than a Poisson number may be.
    """
    needed = max(numbers) + _FLUCTUATION * max(numbers) ** 0.5
    if needed > len(signal):
        raise InjectionError(
            f"{max(numbers)} signal events on average can be {needed:.0f}, of a signal of which {len(signal)} pass the "
            "selection. Ask for fewer, or simulate more."
        )
    drawn = drawn_from(calibration)
    folder.mkdir(parents=True, exist_ok=True)
    place = folder.resolve() / SIGNAL
    store_events(place, signal)
    both = f"{drawn.fingerprint}/{fingerprint(signal.x, signal.mass)}"
    tasks = [
        Task.of(
            injected_experiment,
            drawn=dataclasses.asdict(drawn),
            signal=str(place),
            fingerprint=both,
            number=number,
            repeat=repeat,
        )
        for repeat in range(repeats)
        for number in numbers
    ]
    return TaskFolder.planned(folder / "searches", tasks)
