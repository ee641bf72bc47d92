"""Which share of the machine is this process's own, and whether it works for another one."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Tells a process, and all that it starts, that it is a worker with one core.
WORKER = "CATHODE_WORKER"

#: Seconds between two looks of a worker for its parent.
_WATCH = 0.5


def is_worker() -> bool:
    """Whether this process works for another one, of ours, multiprocessing, joblib or Dask: it has its share of cores.

    Daemons among them may not even start a process.
    """
    process = multiprocessing.current_process()
    if process.daemon or multiprocessing.parent_process() is not None or type(process).__module__.startswith("loky"):
        return True
    if WORKER in os.environ:
        return True
    worker = sys.modules.get("distributed.worker")
    if worker is None:
        return False
    try:
        worker.get_worker()
    except ValueError:
        return False
    return True


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def not_outliving(parent: int) -> Iterator[None]:
    """End this process with its parent inside of the block.

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
        yield
    finally:
        done.set()
