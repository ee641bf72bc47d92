"""The window with its edges moved, in background-only experiments: a significance should not hang on where they are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from analysis.tasks import Done, Task, TaskFolder, task
from cathode.calibration.experiments import ANALYSIS, Drawn, bounded, drawn_from, pseudo_data
from cathode.region import Region
from cathode.runtime.progress import silent
from cathode.runtime.seeds import Seeds

#: How far an edge moves, in widths of the window.
STEP = 0.1


@dataclass(frozen=True)
class Morphed:
    """Significances by cut of one experiment with one edge moved, NaN for none; the name is empty if none is."""

    number: int
    name: str
    significance: dict[float, float]

    @classmethod
    def of(cls, done: Done) -> Self:
        """From a finished task."""
        arguments = done.task.arguments
        found = {float(cut): float(z) for cut, z in done.result.items()}
        return cls(int(arguments["number"]), str(arguments["name"]), found)


def moved_edges(region: Region) -> dict[str, Region]:
    """The window, under an empty name, and the four with one edge moved by a tenth of its width."""
    by = STEP * region.width
    edges = {
        "": (region.low, region.high),
        "lower edge down": (region.low - by, region.high),
        "lower edge up": (region.low + by, region.high),
        "upper edge down": (region.low, region.high - by),
        "upper edge up": (region.low, region.high + by),
    }
    return {name: dataclasses.replace(region, low=low, high=high) for name, (low, high) in edges.items()}


@task
def morphed_search(
    place: Path, *, drawn: dict[str, Any], name: str, region: dict[str, Any], number: int
) -> dict[str, Any]:
    """Search in one pseudo-experiment with the edges of `region`; all edges see the same events and seeds."""
    from cathode.config import load_config

    del place, name
    source = Drawn(**drawn)
    config = load_config(Path(source.folder) / ANALYSIS)
    seeds = Seeds(source.seed)
    veto = tuple((low, high) for low, high in region.get("veto", ()))
    search = dataclasses.replace(
        config.search(), region=Region(**{**region, "veto": veto}), seed=seeds(f"search/morphed/{number}"), workers=1
    )
    events = pseudo_data(Path(source.folder), source.source, source.events).draw(seeds(f"morphed/{number}"))
    found = search.run(events, auxiliary=config.read_auxiliary(), progress=silent)
    return {
        repr(cut.background_efficiency): "nan" if cut.obstacle or found.withheld else bounded(cut.significance)
        for cut in found.cuts
    }


def plan_morphing(folder: Path, calibration: Path, region: Region, experiments: int) -> TaskFolder:
    """All searches as tasks; more experiments later keep those that are done."""
    drawn = dataclasses.asdict(drawn_from(calibration))
    tasks = [
        Task.of(morphed_search, drawn=drawn, name=name, region=moved.to_dict(), number=number)
        for number in range(experiments)
        for name, moved in moved_edges(region).items()
    ]
    return TaskFolder.planned(folder, tasks)


def morphed(done: Sequence[Done]) -> tuple[Morphed, ...]:
    """Finished tasks; experiments whose chosen window is missing or has no significance are left out."""
    found = [Morphed.of(each) for each in done]
    known = {each.number for each in found if not each.name and any(map(math.isfinite, each.significance.values()))}
    return tuple(each for each in found if each.number in known)
