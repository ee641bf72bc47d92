"""What a scan costs: searches by method and data, what is done of them, and CPU seconds of what is."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from analysis.tasks import Task, TaskFolder, run_one
from analysis.tasks.folder import DONE
from cathode.scans.searching import COST


@dataclass(frozen=True)
class Share:
    """Searches of one method in one kind of data; `seconds` are CPU seconds of one, NaN while none is done."""

    method: str
    data: str
    windows: int
    searches: int
    done: int
    failed: int
    seconds: float

    @property
    def left(self) -> int:
        """Searches that are neither done nor failed."""
        return self.searches - self.done - self.failed

    @property
    def seconds_left(self) -> float:
        """CPU seconds that are still to be spent, at most: what the store has is not trained again."""
        return self.left * self.seconds if self.left else 0.0


def shares(folder: TaskFolder) -> tuple[Share, ...]:
    """All searches of a scan in the order of its plan; what one costs is the mean over those of its method."""
    tasks = folder.tasks
    failed = {task.key for task, _ in folder.status().failures}
    groups: dict[tuple[str, str], list[Task]] = {}
    spent: dict[str, list[float]] = {}
    for task in tasks:
        groups.setdefault((str(task.arguments["method"]), _data(task)), []).append(task)
        spent.setdefault(str(task.arguments["method"]), []).extend(_seconds(folder, task))
    return tuple(
        Share(
            method,
            data,
            windows=len({(task.arguments["low"], task.arguments["high"]) for task in group}),
            searches=len(group),
            done=sum(folder.is_done(task) for task in group),
            failed=sum(task.key in failed for task in group),
            seconds=sum(spent[method]) / len(spent[method]) if spent[method] else math.nan,
        )
        for (method, data), group in groups.items()
    )


def probe(folder: TaskFolder) -> None:
    """Do the first search of every method of which none is done, to know what one costs; it stays done."""
    for method in {str(task.arguments["method"]): None for task in folder.tasks}:
        mine = [task for task in folder.tasks if task.arguments["method"] == method]
        if not any(folder.is_done(task) for task in mine):
            run_one(folder.path, mine[0].key)


def _data(task: Task) -> str:
    """What a task searches in, in words."""
    if task.arguments["experiment"]:
        return "background-only experiments"
    if task.arguments["signal"]:
        return f"{task.arguments['injected']:,} events of {task.arguments['signal']} injected"
    return "data"


def _seconds(folder: TaskFolder, task: Task) -> Iterator[float]:
    with suppress(OSError, ValueError, KeyError, TypeError):
        cost = json.loads((folder.path / DONE / task.key / COST).read_text(encoding="utf-8"))
        yield float(cost["cpu_s"])
