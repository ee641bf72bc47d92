"""Local worker processes that may die or hang without harm to others, each with one thread."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from analysis.processes import WORKER
from analysis.tasks.outcome import Failure, Outcome
from analysis.tasks.work import Task

#: One thread for whatever library a task may import: workers share the cores, and sums do not depend on their number.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
#: The path as it is here, so that the same name is the same module there.
_START = "import sys; sys.path[:] = sys.argv[1:]; from analysis.tasks.worker import main; main()"
#: Bytes of what a dead worker said last.
_LAST_WORDS = 4_000

logger = logging.getLogger(__name__)


class LocalProcesses:
    """Does tasks in so many processes of this machine; a worker that dies or is over its time is replaced.

    Workers are told what to do by lines of JSON, so nothing that could execute crosses a border, and scripts need no
    ``if __name__ == "__main__"``.
    """

    def __init__(self, workers: int, *, timeout: float | None = None) -> None:
        self.capacity = workers
        self._timeout = timeout
        self._waiting: deque[tuple[Path, Task]] = deque()
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    @property
    def processes(self) -> tuple[int, ...]:
        """Numbers of the processes that exist now."""
        return tuple(worker.process.pid for worker in (*self._busy, *self._idle))

    def submit(self, folder: Path, task: Task) -> None:
        """Do a task as soon as a worker is free."""
        self._waiting.append((folder, task))
        self._assign()

    def as_completed(self) -> Iterator[Outcome]:
        """Outcomes, as workers end what they do."""
        while self._waiting or self._busy:
            for worker in self._ready():
                self._busy.remove(worker)
                outcome = worker.answer(self._timeout)
                if worker.alive:
                    self._idle.append(worker)
                else:
                    worker.end()
                self._assign()
                yield outcome

    def shutdown(self) -> None:
        """End all workers, whatever they do."""
        self._waiting.clear()
        for worker in (*self._busy, *self._idle):
            worker.end()
        self._busy, self._idle = [], []

    def _assign(self) -> None:
        while self._waiting and len(self._busy) < self.capacity:
            folder, task = self._waiting.popleft()
            # One that died while it had nothing to do is no loss.
            while self._idle and self._idle[-1].process.poll() is not None:
                self._idle.pop().end()
            worker = self._idle.pop() if self._idle else _Worker()
            self._busy.append(worker)
            worker.give(folder, task)

    def _ready(self) -> list[_Worker]:
        """Workers that have answered, are dead, or are over their time; waits for the first."""
        with selectors.DefaultSelector() as waiting:
            for worker in self._busy:
                waiting.register(worker.answers, selectors.EVENT_READ, worker)
            left = None
            if self._timeout is not None:
                left = max(0.0, min(w.since for w in self._busy) + self._timeout - time.monotonic())
            found = [key.data for key, _ in waiting.select(left)]
        if self._timeout is not None:
            late = time.monotonic() - self._timeout
            found += [worker for worker in self._busy if worker not in found and worker.since <= late]
        return found


@dataclass(eq=False)
class _Worker:
    """A process and what it does at the moment."""

    process: subprocess.Popen[bytes] = field(init=False)
    words: IO[bytes] = field(init=False)
    key: str = ""
    since: float = 0.0
    alive: bool = True

    def __post_init__(self) -> None:
        self.words = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.words,
            env={**os.environ, **ONE_THREAD, WORKER: "1"},
        )

    @property
    def answers(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def give(self, folder: Path, task: Task) -> None:
        """Let it do a task."""
        self.key, self.since = task.key, time.monotonic()
        asked = {"folder": str(folder), "function": task.function, "arguments": task.arguments, "code": task.code}
        assert self.process.stdin is not None
        # A dead one does not take it; its end is seen when its answer is waited for.
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(asked).encode() + b"\n")
            self.process.stdin.flush()

    def answer(self, timeout: float | None) -> Outcome:
        """What it has to say of its task; it may be dead, or late."""
        seconds = time.monotonic() - self.since
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.answers, selectors.EVENT_READ)
            if not waiting.select(0):
                self.alive = False
                message = f"not done in {timeout:g} s"
                return Outcome(self.key, Failure(reason="timeout", message=message, seconds=seconds))
        line = self.answers.readline()
        if not line.endswith(b"\n"):
            self.alive = False
            return Outcome(self.key, Failure(reason="died", message=self._end(), seconds=seconds))
        said = json.loads(line)
        failure = None if said["failure"] is None else Failure.from_dict(said["failure"])
        return Outcome(said["key"], failure)

    def end(self) -> None:
        """Kill it, if it lives, and leave nothing open."""
        self.alive = False
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.words):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _end(self) -> str:
        """How it ended, and what it said last."""
        try:
            status = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return "its worker closed its answers"
        size = self.words.seek(0, os.SEEK_END)
        self.words.seek(max(0, size - _LAST_WORDS))
        said = self.words.read().decode(errors="replace").strip().splitlines()
        last = f"; last words: {said[-1]}" if said else ""
        if status >= 0:
            return f"its worker ended with status {status}{last}"
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = str(-status)
        memory = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"its worker was ended by {name}{memory}{last}"
