"""Independent pieces of work on threads, each of which keeps to one core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def default_jobs() -> int:
    """Cores of this process, or fewer where OMP_NUM_THREADS or threadpoolctl limit OpenMP."""
    from threadpoolctl import threadpool_info

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits: list[int] = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"]
    environment = os.environ.get("OMP_NUM_THREADS", "")
    if not limits and environment.isdigit():
        limits = [int(environment)]
    return max(1, min([cores, *limits]))


def ordered_map(
    work: Callable[[_T], _R], pieces: Iterable[_T], *, jobs: int, finished: Callable[[int, int], None] | None = None
) -> list[_R]:
    """`[work(piece) for piece in pieces]` on `jobs` threads; `finished` gets (done, total) by the calling thread.

    Inside of `work` OpenMP uses one thread, so sums do not depend on the number of cores. The first error ends it:
    what has not begun is cancelled.
    """
    with ThreadPoolExecutor(jobs, thread_name_prefix="classifier", initializer=_one_openmp_thread) as pool:
        futures = [pool.submit(work, piece) for piece in pieces]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if finished is not None:
                    finished(done, len(futures))
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    return [future.result() for future in futures]


def _one_openmp_thread() -> None:
    from threadpoolctl import threadpool_limits

    # OpenMP keeps this number per thread, so the caller's own stays as it was.
    threadpool_limits(limits=1, user_api="openmp")
