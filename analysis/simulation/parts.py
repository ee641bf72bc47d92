"""A file that is simulated in parts: tasks in a folder beside it, handed on in their order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from analysis.errors import SimulationError
from analysis.tasks import Executor, Task, TaskFolder, resumed

if TYPE_CHECKING:
    import awkward as ak

#: A part that tried so many and keeps hardly any of them would never end.
ACCEPTANCE_AFTER = 5_000
FORM, BUFFERS = "form.json", "buffers.npz"

_P = TypeVar("_P")


@contextmanager
def folder_beside(output: Path, chunks: Sequence[Task]) -> Iterator[TaskFolder]:
    """A hidden folder of tasks beside a file that is made of them; after an interruption it stays, and is continued."""
    place = output.with_name(f".{output.name}.tasks")
    # Outside of the block: a folder that is refused is somebody else's.
    folder = TaskFolder.planned(place, chunks)
    try:
        yield folder
    except Exception:
        shutil.rmtree(place, ignore_errors=True)
        raise
    shutil.rmtree(place, ignore_errors=True)


def in_order(folder: TaskFolder, by: Executor, read: Callable[[Path], _P]) -> Iterator[_P]:
    """What `read` finds in the place of each task, in their order, each as soon as those before it are there.

    Raises
    ------
    SimulationError
        If one can not be simulated.
    """
    with closing(resumed(folder, by)) as outcomes:
        for each in folder.tasks:
            while not folder.is_done(each):
                ended = next(outcomes, None)
                if ended is None:
                    raise SimulationError(f"{folder.path} is changed by another process. Try again.")
                if ended[1].failure is not None:
                    raise SimulationError(ended[1].failure.message)
            yield read(folder.result(each).place)


def enough(selected: Iterable[tuple[ak.Array, int]], wanted: int, *, of: str, passing: str) -> ak.Array:
    """The first `wanted` of what is selected, from pairs of it and the number of events that it was selected from.

    Raises
    ------
    SimulationError
        If hardly any event passes; it is named by what the events are `of` and what is `passing`.
    """
    import awkward as ak

    parts: list[ak.Array] = []
    kept = tried = 0
    for found, n in selected:
        parts.append(found)
        kept, tried = kept + len(found), tried + n
        if kept >= wanted:
            break
        if tried >= ACCEPTANCE_AFTER and kept < 1e-3 * tried:
            raise SimulationError(f"{kept} of {tried} '{of}' events {passing}.")
    return ak.concatenate(parts)[:wanted]


def write_events(place: Path, events: ak.Array) -> None:
    """Events as plain arrays, to the last bit and type."""
    import awkward as ak

    form, length, buffers = ak.to_buffers(ak.to_packed(events))
    (place / FORM).write_text(json.dumps({"form": form.to_dict(), "length": length}), encoding="utf-8")
    np.savez_compressed(place / BUFFERS, **buffers)


def read_events(place: Path) -> ak.Array:
    """What `write_events` wrote."""
    import awkward as ak

    content = json.loads((place / FORM).read_text(encoding="utf-8"))
    with np.load(place / BUFFERS, allow_pickle=False) as buffers:
        return ak.from_buffers(ak.forms.from_dict(content["form"]), content["length"], dict(buffers))
