"""A file on a web server that is read by ranges, as if it were here: for readers that seek."""

from __future__ import annotations

import io
import re
import tempfile
from collections import OrderedDict
from typing import Any, BinaryIO

from analysis.errors import InputFileError
from analysis.io.http import PassingError, answer, retried

_BLOCK = 1 << 18
_KEPT_BLOCKS = 64
_PIECE = 1 << 16


class RemoteFile(io.RawIOBase):
    """Bytes of a web address, fetched in blocks when they are read; the last blocks are kept.

    Every answer is checked: it must have all bytes that were asked for, of a file that has the same size and version
    as before. Of a server without ranges the whole file is fetched once, into a temporary file.

    Raises
    ------
    InputFileError
        If the file can not be had after several attempts, or changes in between.
    """

    def __init__(self, url: str) -> None:
        import requests

        super().__init__()
        self.name = url
        self._session: Any = requests.Session()
        self._position = 0
        self._size: int | None = None
        self._version = ""
        self._whole: BinaryIO | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        # The first block also tells the size.
        self._keep(self._fetch(0, 0) or {})

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position."""
        assert self._size is not None
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the position on; fewer bytes at the end of the file."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def read(self, size: int = -1) -> bytes:
        """So many bytes from the position on, or all that follow; fewer at the end of the file."""
        assert self._size is not None
        stop = self._size if size < 0 else min(self._position + size, self._size)
        start, self._position = self._position, max(stop, self._position)
        if stop <= start:
            return b""
        if self._whole is not None:
            return self._kept(start, stop)
        numbers = range(start // _BLOCK, (stop - 1) // _BLOCK + 1)
        missing = [n for n in numbers if n not in self._blocks]
        fetched = self._fetch(missing[0], missing[-1]) if missing else {}
        if fetched is None:
            return self._kept(start, stop)
        joined = b"".join(fetched[n] if n in fetched else self._blocks[n] for n in numbers)
        for number in numbers:
            if number in self._blocks:
                self._blocks.move_to_end(number)
        self._keep(fetched)
        return joined[start - numbers[0] * _BLOCK : stop - numbers[0] * _BLOCK]

    def close(self) -> None:
        """Leave the server."""
        if not self.closed:
            self._session.close()
            if self._whole is not None:
                self._whole.close()
        super().close()

    def _keep(self, blocks: dict[int, bytes]) -> None:
        for number, block in blocks.items():
            self._blocks[number] = block
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)

    def _kept(self, start: int, stop: int) -> bytes:
        """Bytes of the whole file of a server without ranges."""
        assert self._whole is not None
        self._whole.seek(start)
        return self._whole.read(stop - start)

    def _fetch(self, first: int, last: int) -> dict[int, bytes] | None:
        """Blocks `first` to `last` by one question; None if the server sent the whole file instead."""
        data = retried(self.name, lambda: self._range(first * _BLOCK, (last + 1) * _BLOCK))
        if data is None:
            return None
        return {first + i: data[i * _BLOCK : (i + 1) * _BLOCK] for i in range(last - first + 1)}

    def _range(self, start: int, stop: int) -> bytes | None:
        # Compressed transfers have no byte positions.
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{stop - 1}"}
        with answer(self._session, self.name, headers) as response:
            version = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
            if response.status_code == 200:
                self._take_whole(response)
                return None
            span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
            if response.status_code == 416 or span is None:
                if start == 0 and response.headers.get("Content-Range", "").endswith("/0"):
                    self._size = 0
                    return b""
                raise InputFileError(f"'{self.name}': the server does not say which bytes it sends; copy it first.")
            size = int(span[3])
            self._refuse_changed(size, version)
            wanted = min(stop, size) - start
            data = b"".join(response.iter_content(_PIECE))
            if int(span[1]) != start or len(data) != wanted:
                raise PassingError(f"an answer of {len(data)} bytes from byte {span[1]} on instead of {wanted}")
            self._size, self._version = size, version or self._version
            return data

    def _refuse_changed(self, size: int, version: str) -> None:
        other = bool(version and self._version) and version != self._version
        if self._size is not None and (size != self._size or other):
            raise InputFileError(f"'{self.name}' is changed while it is read; read it again.")

    def _take_whole(self, response: Any) -> None:
        """Keep the whole file of a server that knows no ranges, beside memory."""
        file = tempfile.TemporaryFile()  # noqa: SIM115
        for piece in response.iter_content(_PIECE):
            file.write(piece)
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and file.tell() != int(length):
            raise PassingError(f"{file.tell()} of {length} bytes")
        self._size, self._whole = file.tell(), file
