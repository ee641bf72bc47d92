"""A file that is simulated in parts: tasks in a folder beside it, handed on in their order."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from analysis.errors import SimulationError
from analysis.tasks import Executor, Task, TaskFolder, resumed

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
