"""One writer at a time in a run folder, across processes and machines."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.atomic import host
from analysis.errors import OutputError
from cathode.errors import RunFolderError

LOCK = ".lock"

#: What a file system without locks says.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}

#: Attempts to take a lock, and seconds between them.
_ATTEMPTS, _PAUSE = 4, 0.02

logger = logging.getLogger(__name__)

_held: dict[str, FolderLock] = {}
_guard = threading.Lock()


class FolderLock:
    """The right of this thread to write into a folder, from `take` to `release` or to the end of the process.

    The system gives it back when the process ends, however it ends. `flock` and not `lockf`, which another part of the
    same process would lose by closing the file; network file systems turn it into a lock of their server. Where there
    are no locks at all, a warning says so.

    Attributes
    ----------
    before : machine and process of a writer that had it before and was killed; None if the last one ended in order.
    """

    def __init__(self, folder: Path, handle: int, before: tuple[str, int] | None, *, made: bool) -> None:
        self.before, self._made = before, made
        self._folder, self._handle = folder, handle
        self._owner, self._depth = (os.getpid(), threading.get_ident()), 1

    @classmethod
    def take(cls, folder: Path) -> FolderLock:
        """Take the lock of a folder, which is made; what this thread holds already is taken once more.

        Raises
        ------
        RunFolderError
            If another process, or another thread, writes there.
        OutputError
            If the folder can not be written.
        """
        key = os.path.realpath(folder)
        made = not folder.exists()
        with _guard:
            mine = _held.get(key)
            if mine is not None and mine._owner == (os.getpid(), threading.get_ident()):
                mine._depth += 1
                return mine
            if mine is not None and mine._owner[0] == os.getpid():
                raise RunFolderError(
                    f"{folder} is being written by another thread of this process. Wait for it, or name another."
                )
            found = cls(folder, *_locked(folder), made=made)
            _held[key] = found
            return found

    def release(self) -> None:
        """Give it back, once for every `take`."""
        with _guard:
            self._depth -= 1
            if self._depth > 0 or self._owner[0] != os.getpid():
                return
            _held.pop(os.path.realpath(self._folder), None)
            # While it is still ours: who opened the file meanwhile finds out that it has no name any more.
            with suppress(OSError):
                (self._folder / LOCK).unlink()
            os.close(self._handle)
            if self._made:
                # Where nothing was written, nothing stays; a folder with content can not be removed like this.
                with suppress(OSError):
                    self._folder.rmdir()


@contextmanager
def alone_in(folder: Path) -> Iterator[FolderLock]:
    """Hold the lock of a folder inside of the block."""
    lock = FolderLock.take(folder)
    try:
        yield lock
    finally:
        lock.release()


def refuse_busy(folder: Path) -> None:
    """Refuse a folder that another process writes at the moment; nothing is made.

    Raises
    ------
    RunFolderError
        Names the process.
    """
    mine = _held.get(os.path.realpath(folder))
    if mine is not None and mine._owner == (os.getpid(), threading.get_ident()):
        return
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{folder}: can not be written ({error.strerror}). Choose another folder.") from error
    try:
        _flock(handle, folder)
    finally:
        # Its content stays, and says who was killed here.
        os.close(handle)


def _locked(folder: Path) -> tuple[int, tuple[str, int] | None]:
    """An open lock file that is ours, and who had it before."""
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            try:
                supported = _flock(handle, folder)
                if not supported or _is_named(handle, path):
                    break
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
        before = _writer(handle)
        said = {"host": host(), "process": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(said).encode(), 0)
    except OSError as error:
        raise OutputError(f"{folder}: can not be written ({error.strerror}). Choose another folder.") from error
    return handle, None if before is None else (str(before["host"]), int(before["process"]))


def _flock(handle: int, folder: Path) -> bool:
    """Lock an open file; whether the file system knows how to."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - not on this system
        return False
    try:
        for left in reversed(range(_ATTEMPTS)):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not left:
                    raise
                # Somebody may only be looking whether it is free.
                time.sleep(_PAUSE)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            logger.warning("%s: its file system has no locks; see to it that only one run writes there.", folder)
            return False
        writer = _writer(handle)
        who = "" if writer is None else f" (process {writer['process']} on {writer['host']}, since {writer['since']})"
        raise RunFolderError(
            f"{folder} is being written by another process{who}. Wait for it, or choose another output folder."
        ) from error
    return True


def _is_named(handle: int, path: Path) -> bool:
    """Whether the open file still is the one of that name: the one who had it before may just have removed it."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _writer(handle: int) -> dict[str, Any] | None:
    """What a writer said of itself; None if it did not get that far."""
    try:
        said = json.loads(os.pread(handle, 4096, 0))
        return {"host": str(said["host"]), "process": int(said["process"]), "since": str(said["since"])}
    except (ValueError, KeyError, TypeError, OSError):
        return None
