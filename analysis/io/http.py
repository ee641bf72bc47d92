"""HTTP as both downloads and remote reading need it: faults that pass are tried again, redirects checked before."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from analysis.errors import InputFileError

log = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 4
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
#: Seconds to connect, and between two pieces of an answer.
TIMEOUTS = (10.0, 30.0)
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
#: What a server says that is busy, or behind something that is.
_PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)
# Transports whose faults come as classes of their own, which are no OSError.
_TRANSPORTS = ("aiohttp", "requests", "urllib3", "http", "fsspec", "XRootD", "asyncio", "ssl", "socket", "concurrent")
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
# Of this machine, which waiting does not mend.
_LOCAL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.ENFILE}


class PassingError(Exception):
    """A fault of a server or of the way to it that may be gone at the next attempt."""

    def __init__(self, message: str, *, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


def is_http(path: str) -> bool:
    """Whether the path is an address of the web."""
    return path.lower().startswith(("http://", "https://"))


def is_passing(error: BaseException) -> bool:
    """Whether asking again may help: the connection, a timeout, a busy server; not a missing file."""
    status = getattr(error, "status", getattr(getattr(error, "response", None), "status_code", None))
    if isinstance(status, int):
        return status in _PASSING_STATUS
    if isinstance(error, PassingError | TimeoutError | EOFError):
        return True
    if isinstance(error, OSError):
        return not isinstance(error, _FINAL) and error.errno not in _LOCAL
    return type(error).__module__.split(".")[0] in _TRANSPORTS


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def retried(place: str, action: Callable[[], T], *, attempts: int = ATTEMPTS) -> T:
    """The result of an action, which is tried again after growing pauses while its faults may pass.

    Raises
    ------
    InputFileError
        If the last attempt fails in such a way too.
    """
    for attempt in range(1, attempts + 1):
        try:
            return action()
        except Exception as error:
            if not is_passing(error):
                raise
            said = reason(error)
            if attempt == attempts:
                raise InputFileError(
                    f"'{place}' can not be reached after {attempts} attempts: {said}. Nothing is said about the file "
                    "itself; try again later, or copy it here first."
                ) from error
            pause = min(max(FIRST_PAUSE * 2 ** (attempt - 1), getattr(error, "pause", 0.0)), LONGEST_PAUSE)
            log.warning("'%s', attempt %d of %d: %s; again in %g s", place, attempt, attempts, said, pause)
            time.sleep(pause)
    raise AssertionError("unreachable")


@contextmanager
def answer(
    session: Any, url: str, headers: Mapping[str, str], *, allowed: Callable[[str], None] | None = None
) -> Iterator[Any]:
    """The answer of a server to GET, of which only the head was read; redirects are checked, then followed.

    `allowed` may raise for an address that a redirect leads to, before anything is asked there.

    Raises
    ------
    InputFileError
        If the server has no such file or does not give it, or sends elsewhere than it may.
    PassingError
        If it is busy.
    """
    address = url
    for _ in range(_MOST_REDIRECTS + 1):
        response = session.get(address, headers=dict(headers), stream=True, timeout=TIMEOUTS, allow_redirects=False)
        try:
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                _refuse_failed(response, url)
                yield response
                return
            target = response.headers["Location"]
            if allowed is not None:
                allowed(urljoin(address, target))
            address = redirected(address, target, first=url)
        finally:
            response.close()
    raise InputFileError(f"'{url}': more than {_MOST_REDIRECTS} redirects, the last to {address}.")


def redirected(origin: str, location: str, *, first: str) -> str:
    """The address that a redirect of `origin` leads to, if it may.

    It must be a web address, encrypted if the one before was, and not on a private network or this machine unless the
    first one is on the same host.

    Raises
    ------
    InputFileError
        Saying where it would have led.
    """
    target = urljoin(origin, location)
    parts = urlsplit(target)
    why = ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        why = "that is no web address"
    elif parts.scheme == "http" and "https" in (urlsplit(origin).scheme, urlsplit(first).scheme):
        why = "that is not encrypted"
    elif parts.username or parts.password:
        why = "that has a password in it"
    elif parts.hostname != urlsplit(first).hostname and is_private(parts.hostname):
        why = "that is on a private network"
    if why:
        raise InputFileError(f"'{first}' redirects to '{target}', and {why}; it is not followed.")
    return target


def is_private(host: str) -> bool:
    """Whether a host, or an address that its name stands for, is on this machine or a private network."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        # Without an address nothing can be asked there either.
        return False
    return any(not ipaddress.ip_address(str(address).split("%")[0]).is_global for address in found)


def _refuse_failed(response: Any, url: str) -> None:
    status = response.status_code
    if status < 400 or status == 416:
        return
    if status in _PASSING_STATUS:
        after = response.headers.get("Retry-After", "")
        raise PassingError(f"the server's answer {status}", pause=float(after) if after.isdigit() else 0.0)
    said = {401: "asks for a password", 403: "does not give it", 404: "has no such file", 410: "has it no more"}
    raise InputFileError(f"'{url}': the server {said.get(status, 'refuses')} (status {status}).")
