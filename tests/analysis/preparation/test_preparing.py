"""A store holds the events of its files bit for bit, whoever prepares it; what can not be read is tried again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from analysis import DIJET_MASS, Constituents, Events, read_events
from analysis.errors import (
    BranchNotFoundError,
    ExpressionError,
    FeatureStoreError,
    InputFileError,
    NonFiniteError,
    OutputError,
    TooManyFailuresError,
)
from analysis.io import http
from analysis.io.feature_store import FeatureStore
from analysis.io.ntuples import iterate_events
from analysis.io.reading_options import ReadingOptions
from analysis.preparation.file_task import PART
from analysis.preparation.preparing import prepare
from analysis.tasks import TaskFolder, Workforce, runner

from ..io.test_constituents import with_constituents

N = 400


def ntuple(path: Path, number: int, *, n: int = N) -> Path:
    """Events of one run; the weights of unselected entries make sense too."""
    rng = np.random.default_rng(number)
    columns = {
        "run": np.full(n, number, "u4"),
        "luminosityBlock": (1 + np.arange(n) // 100).astype("u4"),
        "event": np.arange(1, n + 1, dtype="u8"),
        "m": rng.uniform(2000, 5000, n),
        "a": rng.normal(size=n).astype("f4"),
        "b": rng.integers(0, 9, n).astype("i4"),
        "w": rng.normal(0.5, 1.0, n).astype("f4"),
        "s": rng.random(n) < 0.1,
    }
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {k: v.dtype for k, v in columns.items()})
        for start in range(0, n, 100):
            tree.extend({k: v[start : start + 100] for k, v in columns.items()})
    return path


def reading(*files: object, **changed: Any) -> ReadingOptions:
    usual: dict[str, Any] = {
        "mass": "m",
        "features": {"a": "a", "ab": "a * b", "zero": "-0.0 * b"},
        "selection": "b > 2",
        "weight": "w",
        "truth": "s",
        "checksums": True,
    }
    return ReadingOptions([str(each) for each in files], **{**usual, **changed})


def original(options: ReadingOptions) -> Events:
    return read_events(**vars(options))


def stored(place: Path, options: ReadingOptions, **changed: Any) -> Events:
    return read_events(**{**vars(options), "files": place, **changed})


def same(one: Events, other: Events) -> None:
    """Equal to the last bit, signs of zeros included."""
    for name in ("x", "mass", "weights", "ids", "entry", "truth"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), name
    assert (one.columns, one.sources) == (other.columns, other.sources)


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Natural order is not that of the names; one file has no entries, and one nothing that is selected."""
    return [ntuple(tmp_path / f"in_{n}.root", n, n=0 if n == 2 else N) for n in (1, 2, 10)]


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PAUSE", 0.05)
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.01)


def test_a_store_is_what_its_files_are(three: list[Path], tmp_path: Path) -> None:
    options = reading(*three)
    found = prepare(options, tmp_path / "store", workers=1)
    expected = original(options)
    assert (np.signbit(expected.x[:, 2]) & (expected.x[:, 2] == 0)).any()
    same(stored(tmp_path / "store", options), expected)
    # By features, in another order, and by rows.
    fewer = reading(*three, features={"zero": "-0.0 * b", "a": "a"}, weight=None, truth=None)
    same(stored(tmp_path / "store", fewer), original(fewer))
    assert FeatureStore.open(tmp_path / "store").read().weights.tobytes() == expected.weights.tobytes()
    for rows in (slice(0, 5), slice(100, 300), slice(200, None), slice(7, 7)):
        same(found.store.read(rows=rows), expected[rows])
    narrow = found.store.read(["ab"], rows=slice(3, 290))
    assert narrow.x.tobytes() == np.ascontiguousarray(expected.x[3:290, 1:2]).tobytes()
    assert len(list(iterate_events(**{**vars(options), "files": tmp_path / "store"}))) == 3


def test_the_account_is_that_of_the_files(three: list[Path], tmp_path: Path) -> None:
    found = prepare(reading(*three), tmp_path / "store", workers=1)
    weights, selected, blocks = [], [], set()
    for path in (three[0], three[2]):
        with uproot.open(path) as file:
            arrays = file["Events"].arrays(["run", "luminosityBlock", "w", "b"], library="np")
        weights.append(arrays["w"].astype(float))
        selected.append(arrays["w"].astype(float)[arrays["b"] > 2])
        blocks |= {*zip(arrays["run"].tolist(), arrays["luminosityBlock"].tolist(), strict=True)}
    said = found.summary()
    assert (said["files"], said["lost"], said["entries"]) == (3, 0, 2 * N)
    assert said["selected"] == sum(map(len, selected))
    assert said["sum_of_weights"] == pytest.approx(np.concatenate(selected).sum(), rel=1e-12)
    assert said["sum_of_squared_weights"] == pytest.approx((np.concatenate(selected) ** 2).sum(), rel=1e-12)
    assert said["sum_of_weights_read"] == pytest.approx(np.concatenate(weights).sum(), rel=1e-12)
    assert [each["entries"] for each in said["by_file"]] == [N, 0, N]
    listed = json.loads((tmp_path / "store" / "luminosity_blocks.json").read_text())
    assert listed == {"1": [[1, 4]], "10": [[1, 4]]}
    assert said["luminosity_blocks"] == len(blocks) == 8


def test_workers_chunks_and_interruptions_change_no_byte(three: list[Path], tmp_path: Path) -> None:
    options = reading(*three)
    prepare(options, tmp_path / "one", workers=1)
    prepare(options, tmp_path / "two", workers=2)

    class StoppedError(Exception):
        pass

    def interrupt(done: int, total: int) -> None:
        if done == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        prepare(options, tmp_path / "resumed", workers=1, finished=interrupt)
    assert not (tmp_path / "resumed" / "store.json").exists()
    told: list[tuple[int, int]] = []
    prepare(options, tmp_path / "resumed", workers=1, finished=lambda *at: told.append(at))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert content(tmp_path / "one") == content(tmp_path / "two") == content(tmp_path / "resumed")
    # Small chunks: other tasks, the same events.
    prepare(reading(*three, memory=2_000), tmp_path / "small", workers=1)
    parts = [sorted(p.read_bytes() for p in (tmp_path / name).rglob("*.parquet")) for name in ("one", "small")]
    assert parts[0] == parts[1]


def test_a_dask_cluster_writes_the_same_bytes(three: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    options = reading(*three)
    pages: list[str] = []
    by = Workforce(2, scheduler="dask", watched_at=pages.append)
    prepare(options, tmp_path / "dask", workers=by)
    prepare(options, tmp_path / "here", workers=1)
    assert content(tmp_path / "dask") == content(tmp_path / "here")
    assert pages[0].startswith("http://127.0.0.1:")


def test_a_file_that_appears_later_is_read(tmp_path: Path) -> None:
    first, late = ntuple(tmp_path / "a.root", 1), tmp_path / "b.root"
    options = reading(late, first)

    def appear(done: int, total: int) -> None:
        if done == 1:
            ntuple(late, 2)

    found = prepare(options, tmp_path / "store", workers=1, retries=2, finished=appear)
    # It was tried before the other one, was not there, and came after it.
    assert found.lost == ()
    same(stored(tmp_path / "store", options), original(options))


def test_what_is_lost_is_accounted_for_and_tried_again(tmp_path: Path) -> None:
    good, broken = ntuple(tmp_path / "a.root", 1), ntuple(tmp_path / "b.root", 2)
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    options = reading(good, broken, tmp_path / "absent.root", on_error="skip", max_failed_fraction=0.7)
    found = prepare(options, tmp_path / "store", workers=1, retries=1)
    assert [each.source.path for each in found.lost] == [str(broken), str(tmp_path / "absent.root")]
    assert found.attempts == {str(broken): 2, str(tmp_path / "absent.root"): 2}
    assert [bool(row["error"]) for row in found.summary()["by_file"]] == [False, True, True]
    assert "truncated" in found.lost[0].source.error
    assert found.lost_fraction == 2 / 3
    same(stored(tmp_path / "store", options), original(options))
    found.require(options)
    # Who allows less is told by the store as by the files.
    strict = reading(good, broken, tmp_path / "absent.root")
    with pytest.raises(TooManyFailuresError, match=r"an estimated 66\.7 % of the luminosity, are lost"):
        found.require(strict)
    with pytest.raises(InputFileError, match="tries it again"):
        stored(tmp_path / "store", strict)
    with pytest.raises(TooManyFailuresError):
        stored(tmp_path / "store", options, max_failed_fraction=0.5)
    # Mended, and prepared again: what was read is not read again.
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*.parquet")}
    broken.write_bytes(whole)
    ntuple(tmp_path / "absent.root", 3)
    again = prepare(strict, tmp_path / "store", workers=1)
    assert again.lost == ()
    assert times.items() <= {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*.parquet")}.items()
    same(stored(tmp_path / "store", strict), original(strict))


def test_a_wrong_question_ends_at_once(three: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ExpressionError):
        prepare(reading(*three, mass="m +"), tmp_path / "malformed", workers=1)
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        prepare(reading(*three, mass="m / (b - 3)"), tmp_path / "infinite", workers=1)
    assert not (tmp_path / "infinite" / "store.json").exists()
    # A branch that one file lacks may be a matter of that file.
    found = prepare(reading(*three, features={"x": "nowhere"}), tmp_path / "absent", workers=1)
    assert len(found.lost) == 2
    with pytest.raises(TooManyFailuresError, match="nowhere"):
        found.require(reading(*three))
    assert BranchNotFoundError.__name__ in json.dumps(
        [f.kind for _, f in TaskFolder(tmp_path / "absent" / "files").status().failures]
    )


def test_a_store_answers_only_what_it_was_asked(three: list[Path], tmp_path: Path) -> None:
    options = reading(*three)
    prepare(options, tmp_path / "store", workers=1)
    for changed in (
        {"selection": "b > 3"},
        {"mass": "m + 1"},
        {"weight": "2 * w"},
        {"truth": "not s"},
        {"features": {"a": "a + 1"}},
        {"identifiers": "entry"},
        {"units": "MeV"},
        {"tree": "Events"},
    ):
        with pytest.raises(FeatureStoreError, match=next(iter(changed))):
            stored(tmp_path / "store", options, **changed)
    digest = FeatureStore.open(tmp_path / "store").files[0].source.sha256
    listed = {str(path): digest for path in three}
    with pytest.raises(InputFileError, match="was prepared with"):
        stored(tmp_path / "store", options, checksums=listed)
    with pytest.raises(FeatureStoreError, match="read alone"):
        read_events(**{**vars(options), "files": [tmp_path / "store", three[0]]})
    with pytest.raises(FeatureStoreError, match="already"):
        prepare(reading(tmp_path / "store"), tmp_path / "again", workers=1)
    with pytest.raises(FeatureStoreError, match="conditions"):
        next(iterate_events(**{**vars(options), "files": tmp_path / "store", "conditions": {"angle": "a"}}))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        prepare(options, mine, workers=1)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = ntuple(tmp_path / "a.root", 1)
    prepare(reading(path), tmp_path / "store", workers=1)
    ntuple(path, 5)
    prepare(reading(path), tmp_path / "store", workers=1)
    same(stored(tmp_path / "store", reading(path)), original(reading(path)))


def test_a_damaged_store_is_refused(three: list[Path], tmp_path: Path) -> None:
    options = reading(*three)
    found = prepare(options, tmp_path / "store", workers=1)
    part = tmp_path / "store" / found.store.files[0].part
    whole = part.read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 1
    part.write_bytes(flipped)
    with pytest.raises(Exception, match=r"events\.parquet") as caught:
        stored(tmp_path / "store", options)
    assert type(caught.value).__name__ == "NtupleReadError"
    part.unlink()
    with pytest.raises(InputFileError, match="is gone"):
        stored(tmp_path / "store", options)
    part.write_bytes(whole)
    text = (tmp_path / "store" / "store.json").read_text()
    for wrong in (
        "[]",
        "{",
        text.replace('"format_version": 1', '"format_version": 9'),
        text.replace("files/done", ".."),
    ):
        (tmp_path / "store" / "store.json").write_text(wrong)
        with pytest.raises(FeatureStoreError, match="is no feature store"):
            stored(tmp_path / "store", options)


class Handler(BaseHTTPRequestHandler):
    """Serves a file by ranges, but says that it is busy as often as it is told, or for ever."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path.startswith("/hanging"):
            time.sleep(20)
        data = self.server.files.get(self.path)
        if data is None or self.server.asked <= self.server.busy:
            self.send_response(503 if data is not None else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked, self.busy = 0, 0


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


def test_a_remote_file_is_tried_again(server: Server, tmp_path: Path) -> None:
    """Two refusals pass within one attempt, more than an attempt has within the next; a missing file is lost."""
    server.files["/a.root"] = ntuple(tmp_path / "a.root", 1).read_bytes()
    there = [f"http://127.0.0.1:{server.server_port}/{name}.root" for name in ("a", "b")]
    for busy in (2, http.ATTEMPTS + 1):
        server.asked, server.busy = 0, busy
        options = reading(there[0])
        found = prepare(options, tmp_path / f"store_{busy}", workers=1)
        assert found.lost == ()
        assert server.asked > busy
        same(stored(tmp_path / f"store_{busy}", options), original(options))
    server.asked, server.busy = 0, 10**6
    lost = prepare(reading(there[0]), tmp_path / "lost", workers=1, retries=1)
    assert "can not be reached after 4 attempts" in lost.lost[0].source.error
    assert server.asked == 2 * http.ATTEMPTS
    server.busy = 0
    part = prepare(reading(*there), tmp_path / "part", workers=1, retries=0)
    assert [each.source.path for each in part.lost] == [there[1]]
    assert "has no such file" in part.lost[0].source.error
    assert part.lost_fraction == 0.5


def test_a_file_that_hangs_is_lost_when_its_time_is_over(server: Server, tmp_path: Path) -> None:
    hanging = f"http://127.0.0.1:{server.server_port}/hanging.root"
    options = reading(ntuple(tmp_path / "a.root", 1), hanging)
    found = prepare(options, tmp_path / "store", workers=Workforce(1, timeout=9.0), retries=0)
    assert [each.source.path for each in found.lost] == [hanging]
    assert found.lost[0].source.error == f"'{hanging}': not done in 9 s."


def test_a_store_comes_back_from_its_folder(three: list[Path], tmp_path: Path) -> None:
    found = prepare(reading(*three), tmp_path / "store", workers=1)
    assert FeatureStore.open(tmp_path / "store") == found.store
    assert {Path(each.part).name for each in found.store.files} == {PART}


def test_constituents_are_stored_too(
    tmp_path: Path, make_nanoaod: Callable[..., Any], write_ntuple: Callable[..., Path]
) -> None:
    events = with_constituents(make_nanoaod(60))
    path = write_ntuple(tmp_path / "a.root", events)
    options = reading(
        path,
        mass=DIJET_MASS,
        features=None,
        constituents=Constituents(leading=6),
        selection="num(FatJet) >= 2",
        weight="genWeight",
        truth=None,
    )
    found = prepare(options, tmp_path / "store", workers=1)
    assert found.store.shape == (2, 6, 3)
    same(stored(tmp_path / "store", options), original(options))
    same(found.store.read(rows=slice(3, 9)), original(options)[3:9])
    with pytest.raises(FeatureStoreError, match="constituents"):
        stored(tmp_path / "store", options, constituents=Constituents(leading=5))


@pytest.mark.slow
def test_a_killed_preparation_is_continued_by_the_same_call(tmp_path: Path) -> None:
    """Killed at any moment: no half of a file is ever taken for a part."""
    import subprocess
    import sys

    files = [ntuple(tmp_path / f"in_{n}.root", n) for n in range(8)]
    code = f"""
from pathlib import Path
from tests.analysis.preparation.test_preparing import reading
from analysis.preparation.preparing import prepare
prepare(reading(*{[str(f) for f in files]!r}), Path({str(tmp_path / "killed")!r}), workers=2)
"""
    root = Path(__file__).parents[3]
    for seconds in (1.5, 2.5, 3.5, 4.5):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=root)
        time.sleep(seconds)
        process.kill()
        process.wait()
    prepare(reading(*files), tmp_path / "killed", workers=1)
    prepare(reading(*files), tmp_path / "whole", workers=1)
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
