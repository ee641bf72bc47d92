"""Tasks on a cluster by Dask: a scheduler that runs already, one on this machine, or workers as batch jobs."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.errors import TasksError
from analysis.tasks.folder import TaskFolder
from analysis.tasks.local import ONE_THREAD
from analysis.tasks.outcome import Failure, Outcome, Reason
from analysis.tasks.perform import perform
from analysis.tasks.work import Task

#: Seconds to find a scheduler, and to see on a shared file system what a worker has written.
_CONNECTING, _VISIBLE = 15.0, 10.0
#: Seconds for which a number of workers is believed.
_COUNTED = 5.0

logger = logging.getLogger(__name__)


class DaskCluster:
    """Does tasks on the workers of a Dask scheduler, which see the folder of tasks under the same path.

    Between the machines go text alone and names of functions; results are files. What a worker was doing that died is
    given to another one by Dask, as often as its `allowed-failures` say, then it is an outcome. `cluster` is ended with
    this; a scheduler that somebody else has started stays.

    Raises
    ------
    TasksError
        If Dask is not installed, or nobody answers at the address.
    """

    def __init__(self, address: str, *, cluster: Any = None, expected: int = 0) -> None:
        distributed = _require("distributed")
        self._cluster, self._expected = cluster, expected
        self._counted = (-_COUNTED, 0)
        try:
            self._client = distributed.Client(address, timeout=_CONNECTING, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            if cluster is not None:
                cluster.close()
            raise TasksError(
                f"scheduler {address}: nobody answers there ({error}). Start one with `dask scheduler`, or correct "
                "the address."
            ) from error
        self._asked: dict[str, tuple[str, Path, float]] = {}
        self._ending = distributed.as_completed(loop=self._client.loop)
        if not self._threads():
            logger.warning(
                "%s has no workers yet; tasks wait for the first one. If its batch jobs run and none comes, their logs "
                "say why.",
                address,
            )

    @property
    def dashboard(self) -> str:
        """Address of the page on which the cluster can be watched, empty if there is none."""
        return str(self._client.dashboard_link or "")

    @property
    def capacity(self) -> int:
        """Two tasks for each worker, so that none waits for this process, also for those that are still to come."""
        since, threads = self._counted
        if time.monotonic() - since > _COUNTED:
            threads = self._threads()
            self._counted = time.monotonic(), threads
        return max(2 * max(threads, self._expected), 8)

    def submit(self, folder: Path, task: Task) -> None:
        """Give a task to the scheduler."""
        place = folder.resolve()
        text = json.dumps([str(place), task.function, dict(task.arguments), task.code])
        future = self._client.submit(perform_text, text, pure=False, retries=0)
        self._asked[future.key] = task.key, place, time.monotonic()
        self._ending.add(future)

    def as_completed(self) -> Iterator[Outcome]:
        """Outcomes as tasks end.

        Raises
        ------
        TasksError
            If the scheduler is gone.
        """
        while self._asked:
            future = next(self._ending)
            key, place, since = self._asked.pop(future.key)
            yield self._outcome(future, key, place, time.monotonic() - since)

    def shutdown(self) -> None:
        """Forget what is not done, leave the scheduler, and end the cluster if it is ours."""
        self._asked.clear()
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def _threads(self) -> int:
        return sum(self._client.nthreads().values())

    def _outcome(self, future: Any, key: str, place: Path, seconds: float) -> Outcome:
        if future.status in ("cancelled", "lost"):
            raise TasksError("The Dask scheduler is gone. What is done stays done; start it again and resume.")
        if future.status == "error":
            error = future.exception()
            killed = type(error).__name__ == "KilledWorker"
            message = (
                "its workers died, the last one "
                f"{getattr(error.last_worker, 'address', '')}: the end of their walltime, want of memory, or a "
                "machine that failed; the log of the batch job says which"
                if killed
                else " ".join(str(error).split())
            )
            kind = "" if killed else type(error).__name__
            reason: Reason = "died" if killed else "error"
            return Outcome(key, Failure(reason=reason, kind=kind, message=message, seconds=seconds))
        said = json.loads(future.result())
        failure = None if said is None else Failure.from_dict(said)
        if failure is None and not _seen(TaskFolder(place), key):
            failure = Failure(
                reason="error",
                kind="TasksError",
                message=f"done, but nothing is in {place} here: all workers must see this folder under this path",
                seconds=seconds,
            )
        return Outcome(key, failure)


def perform_text(text: str) -> str:
    """What a Dask worker calls: a folder and a task of it as JSON; the failure as JSON, null if there is none."""
    from threadpoolctl import threadpool_limits

    # Libraries that a task is the first to load ask for these, whatever the worker was started with.
    os.environ.update(ONE_THREAD)
    folder, function, arguments, code = json.loads(text)
    with threadpool_limits(limits=1):
        outcome = perform(TaskFolder(Path(folder)), Task(function, arguments, code))
    return json.dumps(None if outcome.failure is None else outcome.failure.to_dict())


def dask_executor(scheduler: str, workers: int) -> DaskCluster:
    """The executor of `tcp://host:port`, of "dask", which is this machine, or of a YAML file of batch jobs.

    Raises
    ------
    TasksError
        If it is none of them, or can not be used.
    """
    _require("distributed")
    if "://" in scheduler:
        return DaskCluster(scheduler)
    if scheduler == "dask":
        cluster = _local(workers)
    elif scheduler.endswith((".yaml", ".yml")):
        from analysis.tasks.batch import batch_cluster

        cluster = batch_cluster(Path(scheduler), workers)
    else:
        raise TasksError(
            f"scheduler {scheduler}: name an address such as tcp://host:8786, 'dask' for this machine, or the YAML "
            "file of a batch system."
        )
    return DaskCluster(cluster.scheduler_address, cluster=cluster, expected=workers)


def _require(name: str) -> Any:
    """A module of the extra `dask`.

    Raises
    ------
    TasksError
        If it is not installed.
    """
    from importlib import import_module

    try:
        found = import_module(name)
    except ImportError as error:
        raise TasksError(f"{name} is not installed: pip install 'cathode-hep[dask]'.") from error
    if not logger.isEnabledFor(logging.INFO):
        # It writes every connection to the terminal, by a handler of its own, unless somebody wants to know.
        logging.getLogger("distributed").setLevel(logging.ERROR)
    return found


def _local(workers: int) -> Any:
    distributed = _require("distributed")
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        # Loopback alone: nobody else is to give tasks to this machine.
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        env=dict(ONE_THREAD),
        silence_logs=logging.ERROR,
    )


def _seen(folder: TaskFolder, key: str) -> bool:
    """Whether a result is there; a network file system may take some seconds to show it."""
    until = time.monotonic() + _VISIBLE
    while not (folder.has(key)):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True
