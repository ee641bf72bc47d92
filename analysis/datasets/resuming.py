"""A downloader for pooch that continues interrupted downloads with HTTP Range requests."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analysis.datasets.registry import refuse_unsafe
from analysis.errors import DownloadError
from analysis.io.http import PassingError, answer, is_passing

Progress = Callable[[str, float, float], None]

PIECE = 1 << 16

logger = logging.getLogger(__name__)


class ResumingDownloader:
    """Downloads into `part`, continues there after an interruption, and hands the complete file over.

    The server's validator (ETag or date) is kept beside the part, so that pieces of two versions of a file are never
    joined. A server without ranges sends the file from the beginning.
    """

    def __init__(self, part: Path, *, retries: int, progress: Progress | None = None) -> None:
        self.part = part
        self.validator = part.with_name(part.name + ".validator")
        self.retries = retries
        self.progress = progress

    def __call__(self, url: str, output_file: Any, pooch: Any, check_only: bool = False) -> None:
        """Fetch `url` to `output_file`; the interface that pooch asks for."""
        import requests

        refuse_unsafe(url)
        with _exclusive(self.part):
            for attempt in range(self.retries + 1):
                try:
                    self._attempt(url)
                    break
                except (requests.RequestException, PassingError) as error:
                    if attempt == self.retries or not is_passing(error):
                        raise
                    logger.info("%s; attempt %d of %d follows", error, attempt + 2, self.retries + 1)
                    time.sleep(min(max(2.0**attempt / 4, getattr(error, "pause", 0.0)), 10.0))
        shutil.move(self.part, output_file)
        self.validator.unlink(missing_ok=True)

    def _attempt(self, url: str) -> None:
        """Append what is missing; requests.RequestException if the file is still not complete afterwards."""
        import requests

        have = self.part.stat().st_size
        with (
            requests.Session() as session,
            answer(session, url, self._headers(have), allowed=refuse_unsafe) as response,
        ):
            start, total = _extent(response, have)
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                if have == total:
                    return
                self._forget()
                raise requests.ConnectionError(f"{url}: the server can not continue at byte {have}; starting over")
            self._write(response, start, total)
        size = self.part.stat().st_size
        if total and size != total:
            if size > total:
                self._forget()
            raise requests.ConnectionError(f"{url}: {size} of {total} bytes arrived")

    def _headers(self, have: int) -> dict[str, str]:
        # Compressed transfers have no byte positions to continue at.
        headers = {"Accept-Encoding": "identity"}
        if have and self.validator.is_file():
            headers |= {"Range": f"bytes={have}-", "If-Range": self.validator.read_text(encoding="utf-8")}
        return headers

    def _write(self, response: Any, start: int, total: int) -> None:
        validator = response.headers.get("ETag", "")
        if not validator or validator.startswith("W/"):
            validator = response.headers.get("Last-Modified", "")
        if validator:
            self.validator.write_text(validator, encoding="utf-8")
        else:
            self.validator.unlink(missing_ok=True)
        if total and shutil.disk_usage(self.part.parent).free < total - start:
            raise DownloadError(
                f"{response.url} needs {(total - start) / 1e6:.0f} MB more, and {self.part.parent} has less free. "
                "Choose another folder."
            )
        with open(self.part, "r+b") as file:
            file.truncate(start)
            file.seek(start)
            for piece in response.iter_content(PIECE):
                file.write(piece)
                if self.progress is not None:
                    self.progress("download", file.tell(), total)

    def _forget(self) -> None:
        self.part.write_bytes(b"")
        self.validator.unlink(missing_ok=True)


def _extent(response: Any, have: int) -> tuple[int, int]:
    """Position in the file at which the response begins, and size of the file (0 if unknown)."""
    span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if response.status_code == 416:
        return 0, int(total) if total.isdigit() else 0
    if response.status_code == 206 and span.partition("-")[0] == str(have):
        return have, int(total) if total.isdigit() else 0
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else 0


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a file, created if it is missing, for this process alone."""
    with open(path, "ab") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except OSError as error:
            raise DownloadError(f"{path} is being downloaded by another process; wait for it.") from error
        yield
