"""Passing faults of a server are tried again and are no corruption; redirects are checked before they are followed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from analysis import Events, read_events
from analysis.datasets.fetch import fetch_file
from analysis.datasets.registry import DatasetFile
from analysis.errors import DownloadError, InputFileError, NtupleReadError
from analysis.io import http, remote
from analysis.io.http import is_passing, is_private, redirected

Fault = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        number = len(self.server.asked)
        self.server.asked.append(self.path)
        if self.path in self.server.redirects:
            self.answer(302, b"", Location=self.server.redirects[self.path])
            return
        data, span = self.server.content, self.headers.get("Range")
        fault = self.server.faults.get(number, self.server.always)
        if fault is not None:
            fault(self, data)
        elif span is None or not self.server.ranges:
            self.answer(200, data)
        else:
            first, last = span.removeprefix("bytes=").split("-")
            start, stop = int(first), min(int(last or len(data)), len(data) - 1) + 1
            self.answer(206, data[start:stop], **{"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"ETag": self.server.etag, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.ranges = content, '"one"', True
        self.asked: list[str] = []
        self.faults: dict[int, Fault] = {}
        self.always: Fault | None = None
        self.redirects: dict[str, str] = {}

    def url(self, name: str = "a.root") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken pipe is what some of these tests are about."""


def busy(handler: Handler, data: bytes) -> None:
    handler.answer(503, b"")


def gateway(handler: Handler, data: bytes) -> None:
    handler.answer(502, b"<html>", **{"Retry-After": "0"})


def dropped(handler: Handler, data: bytes) -> None:
    handler.close_connection = True


def half(handler: Handler, data: bytes) -> None:
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes 0-{len(data) - 1}/{len(data)}")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.close_connection = True


def short(handler: Handler, data: bytes) -> None:
    """Half of what was asked for, honestly counted."""
    first, last = (int(n) for n in handler.headers["Range"].removeprefix("bytes=").split("-"))
    stop = (first + min(last, len(data) - 1)) // 2
    span = f"bytes {first}-{stop - 1}/{len(data)}"
    handler.answer(206, data[first:stop], **{"Content-Range": span})


def silent(handler: Handler, data: bytes) -> None:
    handler.server.wait.wait(5)  # type: ignore[attr-defined]
    handler.close_connection = True


def other_bytes(handler: Handler, data: bytes) -> None:
    handler.answer(206, data[10:20], **{"Content-Range": f"bytes 10-19/{len(data)}"})


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("http") / "a.root"
    n, rng = 5000, np.random.default_rng(0)
    with uproot.recreate(path, compression=None) as file:
        tree = file.mktree("t", {"m": "f8", "x": "f8", "event": "u8"})
        for start in range(0, n, 1000):
            event = np.arange(start, start + 1000, dtype="u8")
            tree.extend({"m": rng.uniform(2e3, 4e3, 1000), "x": rng.random(1000), "event": event})
    return path.read_bytes()


@pytest.fixture
def server(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(http, "LONGEST_PAUSE", 0.002)
    monkeypatch.setattr(remote, "_BLOCK", 1 << 14)
    running = Server(content)
    running.wait = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.wait.set()  # type: ignore[attr-defined]
    running.shutdown()
    thread.join()
    running.server_close()


def read(url: str, **changes: Any) -> Events:
    return read_events(url, mass="m", features={"x": "x"}, identifiers="event", **changes)


def test_a_remote_file_is_the_local_one(server: Server, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.root").write_bytes(content)
    there, here = read(server.url()), read(str(tmp_path / "a.root"))
    np.testing.assert_array_equal(there.x, here.x)
    np.testing.assert_array_equal(there.mass, here.mass)
    np.testing.assert_array_equal(read(server.url(), memory="1 MB").x, here.x)
    # Nothing is fetched twice.
    assert len(server.asked) <= 3 * (len(content) // (1 << 14) + 2)


@pytest.mark.parametrize("fault", [busy, gateway, dropped, half, short, other_bytes])
@pytest.mark.parametrize("numbers", [[0], [1], [2, 3], [0, 2, 4]])
def test_a_passing_fault_is_tried_again(server: Server, fault: Fault, numbers: list[int]) -> None:
    server.faults = dict.fromkeys(numbers, fault)
    assert len(read(server.url())) == 5000
    assert len(server.asked) > max(numbers)


def test_a_server_that_says_nothing_is_asked_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUTS", (1.0, 0.2))
    server.faults = {1: silent}
    assert len(read(server.url())) == 5000


@pytest.mark.parametrize("fault", [busy, dropped, half, short])
def test_a_fault_that_stays_is_no_corruption(server: Server, fault: Fault) -> None:
    server.always = fault
    with pytest.raises(InputFileError, match="can not be reached after 4 attempts") as caught:
        read(server.url())
    assert "corrupt" not in str(caught.value)


def test_without_ranges_the_file_is_fetched_once(server: Server) -> None:
    server.ranges = False
    assert len(read(server.url())) == 5000
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 410, 400])
def test_a_refusal_is_final(server: Server, status: int) -> None:
    server.always = lambda handler, data: handler.answer(status, b"")
    with pytest.raises(InputFileError, match=f"status {status}"):
        read(server.url())
    assert len(server.asked) == 1


def test_a_page_is_no_file(server: Server) -> None:
    server.always = lambda handler, data: handler.answer(200, b"<html>log in")
    with pytest.raises(InputFileError, match="not a ROOT file"):
        read(server.url())


def test_a_file_that_changes_is_named(server: Server) -> None:
    def changed(handler: Handler, data: bytes) -> None:
        handler.server.etag = '"two"'
        handler.server.always = None
        handler.answer(503, b"")

    server.faults = {1: changed}
    with pytest.raises(InputFileError, match="is changed while it is read"):
        read(server.url())


def test_a_damaged_file_is_still_called_damaged(server: Server) -> None:
    server.content = server.content[:2000] + bytes(len(server.content) - 2000)
    with pytest.raises(NtupleReadError):
        read(server.url())


# Redirects


@pytest.mark.parametrize(
    ("first", "location", "why"),
    [
        ("https://a.example/x", "http://a.example/x", "not encrypted"),
        ("https://a.example/x", "file:///etc/passwd", "no web address"),
        ("https://a.example/x", "ftp://a.example/x", "no web address"),
        ("https://a.example/x", "gopher://127.0.0.1/", "no web address"),
        ("https://a.example/x", "root://a.example//x", "no web address"),
        ("https://a.example/x", "javascript:alert(1)", "no web address"),
        ("https://a.example/x", "https://127.0.0.1/x", "private network"),
        ("https://a.example/x", "https://[::1]/x", "private network"),
        ("https://a.example/x", "https://10.1.2.3/x", "private network"),
        ("https://a.example/x", "https://192.168.0.1/x", "private network"),
        ("https://a.example/x", "https://169.254.169.254/latest/meta-data", "private network"),
        ("https://a.example/x", "https://[::ffff:10.0.0.1]/x", "private network"),
        ("https://a.example/x", "https://localhost/x", "private network"),
        ("https://a.example/x", "https://0/x", "private network"),
        ("https://a.example/x", "https://2130706433/x", "private network"),
        ("https://a.example/x", "//10.0.0.1/x", "private network"),
        ("http://127.0.0.1:8000/x", "http://10.0.0.1/x", "private network"),
        ("https://a.example/x", "https://user:word@8.8.8.8/x", "password"),
    ],
)
def test_a_redirect_to_where_it_may_not_lead(first: str, location: str, why: str) -> None:
    with pytest.raises(InputFileError, match=why):
        redirected(first, location, first=first)


def test_a_redirect_that_stays_encrypted_after_one_that_was() -> None:
    with pytest.raises(InputFileError, match="not encrypted"):
        redirected("http://a.example/x", "http://8.8.8.8/x", first="https://a.example/x")


@pytest.mark.parametrize(
    ("first", "location", "target"),
    [
        ("https://a.example/x/y", "z", "https://a.example/x/z"),
        ("https://a.example/x/y", "/z", "https://a.example/z"),
        ("https://a.example/x/y", "https://8.8.8.8/z", "https://8.8.8.8/z"),
        ("http://a.example/x/y", "https://8.8.8.8/z", "https://8.8.8.8/z"),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:2/y", "http://127.0.0.1:2/y"),
    ],
)
def test_a_redirect_that_is_followed(first: str, location: str, target: str) -> None:
    assert redirected(first, location, first=first) == target
    assert not is_private("8.8.8.8")


def test_redirects_of_a_server(server: Server) -> None:
    server.redirects = {"/old.root": "/a.root"}
    assert len(read(server.url("old.root"))) == 5000
    server.redirects = {"/old.root": "/old.root"}
    with pytest.raises(InputFileError, match="more than 5 redirects"):
        read(server.url("old.root"))
    server.redirects = {"/old.root": "file:///etc/hostname"}
    server.asked.clear()
    with pytest.raises(InputFileError, match="no web address"):
        read(server.url("old.root"))
    assert server.asked == ["/old.root"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers at 127.0.0.2")
def test_nothing_is_asked_of_a_private_host(server: Server, tmp_path: Path) -> None:
    other = server.url().replace("127.0.0.1", "127.0.0.2")
    server.redirects = {"/old.root": other, "/data.h5": "file:///etc/hostname"}
    with pytest.raises(InputFileError, match="private network"):
        read(server.url("old.root"))
    with pytest.raises(DownloadError, match="only https"):
        fetch_file(DatasetFile("d", server.url("data.h5"), ""), folder=tmp_path)
    assert server.asked == ["/old.root", "/data.h5"]
    assert not (tmp_path / "data.h5").exists()


# Downloads


@pytest.mark.parametrize("fault", [busy, gateway, dropped, half])
def test_a_download_is_tried_again(server: Server, tmp_path: Path, fault: Fault, content: bytes) -> None:
    server.faults = {0: fault, 1: fault}
    assert fetch_file(DatasetFile("d", server.url(), ""), folder=tmp_path).read_bytes() == content


@pytest.mark.parametrize("name", ["aiohttp", "requests", "fsspec", "urllib3"])
def test_faults_of_every_transport_pass(name: str) -> None:
    error = type("Strange", (Exception,), {"__module__": f"{name}.client"})("broken")
    assert is_passing(error)
    error.status = 404
    assert not is_passing(error)
    error.status = 503
    assert is_passing(error)


@pytest.mark.parametrize("error", [FileNotFoundError(2, "no"), OSError(28, "full"), ValueError("bad bytes")])
def test_faults_that_stay_are_final(error: Exception) -> None:
    assert not is_passing(error)
