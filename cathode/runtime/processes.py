"""Processes and threads: work in a second process, torch on one thread, cores that may be used."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

#: Seconds between two looks of a worker for its parent.
_WATCH = 0.5


@contextmanager
def beside(workers: int, function: Any, *args: Any, **kwargs: Any) -> Iterator[Future[Any]]:
    """Compute `function(*args, **kwargs)` in a second process while the block runs; before it, with a single worker.

    An error in the block ends that process too: nobody would wait for its answer. Loky and not a bare process pool:
    scripts and notebooks need no ``if __name__ == "__main__"``.
    """
    if workers < 2:
        done: Future[Any] = Future()
        done.set_result(function(*args, **kwargs))
        yield done
        return
    from loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=1, timeout=60, env={"OMP_NUM_THREADS": "1"})
    try:
        yield executor.submit(_not_outliving, os.getpid(), function, args, kwargs)
    except BaseException:
        # Not waited for, the next call could take the kill back, and the end of the program would wait for the worker.
        executor.shutdown(wait=True, kill_workers=True)
        raise


def _not_outliving(parent: int, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `function`, and end this process with its parent.

    A worker whose parent was killed would go on for the length of a training, and write into the folder in which the
    next run already continues.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_WATCH):
            if os.getppid() != parent:
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        return function(*args, **kwargs)
    finally:
        done.set()


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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
