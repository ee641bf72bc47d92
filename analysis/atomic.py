"""Writing files so that a kill at any moment leaves either the old file or the new one."""

from __future__ import annotations

import errno
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from analysis.errors import OutputError

#: What a file system or a limit says to a write that was in order: no other program's fault, and none of the content's.
_REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE}

#: Bytes of a name that are kept in the name of its temporary file; names end at 255.
_KEPT = 100

_TEMPORARY = re.compile(r"\..*\.(?P<host>\w+)-(?P<process>\d+)-[a-z0-9_]{8}(\.\w+)?")


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it is synced to disk and renamed to `path`.

    On an exception the temporary file is removed and `path` stays as it was. The suffix is kept, because several
    writers choose their format by it.

    Raises
    ------
    OutputError
        If the place can not be written, holds something that is no file, or is full; names it.
    """
    target = Path(path)
    if target.is_dir() or (target.exists() and not target.is_file()):
        raise OutputError(f"{target} is no file but a {kind_of(target)}. Name a file to write.")
    with _named(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        handle, name = tempfile.mkstemp(prefix=temporary_prefix(target.stem), suffix=target.suffix, dir=target.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        with _named(target, _REFUSED):
            yield temporary
        with _named(target):
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            # mkstemp creates 0600; a result file should follow the user's umask like any other.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def temporary_prefix(name: str) -> str:
    """How the name of a temporary file begins: hidden, for what it is, and by which process of which machine."""
    shown = name.encode()[:_KEPT].decode(errors="ignore")
    return f".{shown}.{host()}-{os.getpid()}-"


def writer_of(name: str) -> tuple[str, int] | None:
    """Machine and process that made a temporary file or folder of this name; None if it is none of ours."""
    found = _TEMPORARY.fullmatch(name)
    return (found["host"], int(found["process"])) if found else None


def is_abandoned(name: str) -> bool:
    """Whether a name is that of a temporary file whose process ran on this machine and is no more."""
    writer = writer_of(name)
    return writer is not None and writer[0] == host() and not is_alive(writer[1])


def is_alive(process: int) -> bool:
    """Whether a process of this machine exists."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def host() -> str:
    """Name of this machine in letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname()) or "unknown"


def kind_of(path: Path) -> str:
    """What a place is, in a word, if it is no regular file."""
    kinds = {"folder": path.is_dir, "named pipe": path.is_fifo, "socket": path.is_socket}
    return next((kind for kind, holds in kinds.items() if holds()), "device")


def _sweep(target: Path) -> None:
    """Remove what killed writers of this file left on this machine; nobody else's."""
    begin = temporary_prefix(target.stem).rsplit("-", 2)[0]
    for name in os.listdir(target.parent):
        if name.startswith(begin) and is_abandoned(name):
            with suppress(OSError):
                (target.parent / name).unlink()


@contextmanager
def _named(target: Path, which: set[int] | None = None) -> Iterator[None]:
    """Turn refusals of the file system, by default all, into one error that names the file and not its temporary."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        number = _number(error)
        if which is not None and number not in which:
            raise
        reason = os.strerror(number) if number else str(error)
        raise OutputError(f"{target}: can not be written ({reason}). {_remedy(number)}") from error


def _number(error: OSError) -> int:
    """The number of a system error; HDF5 has it in its message only."""
    found = re.search(r"errno = (\d+)", str(error))
    return error.errno or (int(found[1]) if found else 0)


def _remedy(number: int) -> str:
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space there, or choose another place; nothing that was there is lost."
    if number == errno.EFBIG:
        return "The file would exceed the limit of this process (ulimit -f) or file system; raise it or write less."
    if number in (errno.EIO, errno.ESTALE):
        return "The disk or its server has a fault; try again, or choose another place."
    return "Choose another place, or change its permissions."
