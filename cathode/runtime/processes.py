"""Processes and threads: work in other processes, torch on one thread."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, Protocol

from analysis.processes import is_worker, not_outliving
from cathode.errors import WorkerError
from cathode.runtime.heard import Said, recorded, repeat

#: Where an error of another process has what was said before it.
_SAID = "_said"

logger = logging.getLogger(__name__)


class Answer(Protocol):
    """What a piece of work will have given."""

    def result(self, timeout: float | None = None) -> Any:
        """Wait for it, at most so many seconds, and log what the other process warned of."""
        ...


@contextmanager
def in_parallel(workers: int, function: Any, *args: Any, **kwargs: Any) -> Iterator[Answer]:
    """Compute `function(*args, **kwargs)` in a second process while the block runs; before it, with a single worker.

    See `all_in_parallel`.
    """
    with all_in_parallel(workers, [partial(function, *args, **kwargs)]) as (answer,):
        yield answer


def helpers(workers: int, pieces: int) -> int:
    """Processes beside this one that so many workers are for so many pieces of work.

    A process that is a worker itself has none. Where there are GPUs there is one, which has the second of several.
    """
    if workers < 2 or pieces < 2:
        return 0
    if is_worker():
        logger.info("This process is a worker itself: the work is done in it, one part after the other.")
        return 0
    import torch

    return 1 if torch.cuda.device_count() else min(workers, pieces) - 1


@contextmanager
def all_in_parallel(workers: int, work: Sequence[Callable[[], Any]]) -> Iterator[tuple[Answer, ...]]:
    """Do all pieces of work in other processes while the block runs; before it, if there are none.

    Warnings of another process are logged in this one when its result is taken, so in the order in which that is done.

    An error in the block ends those processes too: nobody would wait for their answers. Loky and not a bare process
    pool: scripts and notebooks need no ``if __name__ == "__main__"``.

    Raises
    ------
    WorkerError
        If another process was killed, perhaps for want of memory.
    """
    others = helpers(workers, 1 + len(work))
    if not others:
        yield tuple(map(_done, work))
        return
    from loky import BrokenProcessPool, get_reusable_executor

    environment = {"OMP_NUM_THREADS": "1", **_second_device()}
    executor = get_reusable_executor(max_workers=others, timeout=60, env=environment)
    try:
        yield tuple(_Elsewhere(executor.submit(_not_outliving, os.getpid(), piece)) for piece in work)
    except BaseException as error:
        # Not waited for, the next call could take the kill back, and the end of the program would wait for the worker.
        executor.shutdown(wait=True, kill_workers=True)
        if isinstance(error, BrokenProcessPool):
            raise WorkerError(
                "The second process ended before its work was done; perhaps it was killed, or there was too little "
                "memory for two. Try again, with one process if need be (threads: 1, or workers=1)."
            ) from error
        raise


def _second_device() -> dict[str, str]:
    """The environment of a process that sees the second of several GPUs alone; this process trains on the first."""
    import torch

    if torch.cuda.device_count() < 2:
        return {}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return {"CUDA_VISIBLE_DEVICES": visible.split(",")[1].strip() if "," in visible else "1"}


@dataclasses.dataclass(frozen=True)
class _Elsewhere:
    """The answer of another process, with what was said there."""

    future: Future[tuple[Any, list[Said]]]

    def result(self, timeout: float | None = None) -> Any:
        try:
            answer, said = self.future.result(timeout)
        except Exception as error:
            repeat(vars(error).pop(_SAID, ()))
            raise
        repeat(said)
        # Once is enough.
        said.clear()
        return answer


def _done(work: Callable[[], Any]) -> Answer:
    done: Future[Any] = Future()
    done.set_result(work())
    return done


def _not_outliving(parent: int, work: Callable[[], Any]) -> tuple[Any, list[Said]]:
    """Do the work, and end this process with its parent."""
    with not_outliving(parent), recorded() as said:
        try:
            return work(), said
        except Exception as error:
            vars(error)[_SAID] = said
            raise


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: the networks are small, and sums do not depend on the number of cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def installed(part: Any) -> bool:
    """Whether another process can import the classes of a part and of the parts in it.

    Those of an installed package, yes; a class of a script or of a notebook exists in this process alone.
    """
    if part is None or isinstance(part, str | int | float):
        return True
    if isinstance(part, list | tuple):
        return all(installed(each) for each in part)
    module = type(part).__module__.partition(".")[0]
    inside = (getattr(part, f.name) for f in dataclasses.fields(part)) if dataclasses.is_dataclass(part) else ()
    return module in _distributed() and all(installed(each) for each in inside)


@cache
def _distributed() -> frozenset[str]:
    """Top-level names of everything that is installed, and of this package where it runs from its sources."""
    from importlib.metadata import packages_distributions

    return frozenset({"builtins", "pathlib", "cathode", "generators", "analysis", *packages_distributions()})
