"""Files and folders that appear or are replaced as a whole, whoever else writes them at the same moment."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from generators.errors import SaveError

#: Bytes of a name that are kept in the name of its temporary; names end at 255.
_KEPT = 100

#: Renames that lost against another writer of the same folder, before something else must be wrong.
_ATTEMPTS = 1000

#: What a system says to a rename over a folder that has content.
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, synced to disk; at any moment there is the old one or the new one.

    Raises
    ------
    SaveError
        If the place can not be written or is full; names the file.
    """
    with _named(path):
        if path.exists() and not path.is_file():
            raise SaveError(f"{path} is no file; name a file to write.")
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent, path.stem)
        handle, name = tempfile.mkstemp(prefix=_prefix(path.stem), suffix=path.suffix, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                _write(file, data)
            Path(name).chmod(0o666 & ~_mask())
            os.replace(name, path)
        finally:
            with suppress(OSError):
                Path(name).unlink(missing_ok=True)


def replace_folder(target: Path, content: Mapping[str, bytes]) -> None:
    """Make a folder of these files, or put it in the place of an older one.

    A kill at any moment leaves the old or the new one, perhaps under the name that `whole` finds. Several processes
    may do this at once: the last one wins.

    Raises
    ------
    SaveError
        If the place can not be written or is full; names the folder.
    """
    with _named(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent, target.name)
        writing = Path(tempfile.mkdtemp(prefix=_prefix(target.name), dir=target.parent))
        try:
            for name, data in content.items():
                with open(writing / name, "wb") as file:
                    _write(file, data)
            writing.chmod(0o777 & ~_mask())
            _sync(writing)
            _put(writing, target)
            _sync(target.parent)
        finally:
            shutil.rmtree(writing, ignore_errors=True)


def whole(folder: Path) -> Path:
    """`folder`, or what it was before, if a kill hit the moment between the two renames of `replace_folder`."""
    previous = _previous(folder)
    return previous if not folder.exists() and previous.exists() else folder


def _put(writing: Path, target: Path) -> None:
    previous = _previous(target)
    for _ in range(_ATTEMPTS):
        try:
            writing.rename(target)
        except OSError as refusal:
            if refusal.errno not in _TAKEN:
                raise
        else:
            _discard(previous)
            return
        if target.exists():
            # Only now is the older copy dispensable: until here it may have been the one to load.
            _discard(previous)
        try:
            target.rename(previous)
        except FileNotFoundError:
            continue
        except OSError as refusal:
            if refusal.errno not in _TAKEN:
                raise
    raise OSError(errno.EBUSY, "others replace it all the time")


def _discard(folder: Path) -> None:
    """Remove a folder that others may remove at the same moment; it loses its name first, so none sees half of it."""
    if not folder.exists():
        return
    away = Path(tempfile.mkdtemp(prefix=_prefix(folder.name.lstrip(".")), dir=folder.parent))
    with suppress(FileNotFoundError):
        folder.rename(away / "old")
    shutil.rmtree(away, ignore_errors=True)


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _prefix(name: str) -> str:
    """How a temporary name begins: hidden, for what it is, and by which process of which machine."""
    return f"{_of_this_machine(name)}{os.getpid()}-"


def _of_this_machine(name: str) -> str:
    shown = name.encode()[:_KEPT].decode(errors="ignore")
    host = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname()) or "unknown"
    return f".{shown}.{host}-"


def _sweep(folder: Path, name: str) -> None:
    """Remove what processes of this machine that are no more were writing for this name; nobody else's."""
    begin = _of_this_machine(name)
    for entry in os.listdir(folder):
        found = re.match(r"(\d+)-[a-z0-9_]{8}(\.|$)", entry.removeprefix(begin)) if entry.startswith(begin) else None
        if found and not _alive(int(found[1])):
            path = folder / entry
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _mask() -> int:
    """The user's umask, which temporary files do not follow by themselves."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(folder: Path) -> None:
    """Make the entries of a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Turn refusals of the file system into one error that names the target and not its temporary."""
    try:
        yield
    except SaveError:
        raise
    except OSError as refusal:
        raise SaveError(
            f"{target}: can not be written ({refusal.strerror or refusal}). Free some space there, change its "
            "permissions, or choose another place; nothing that was there is lost."
        ) from refusal
