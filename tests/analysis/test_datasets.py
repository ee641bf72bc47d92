"""Downloads that resume and verify, and the LHC Olympics files in exactly their layout."""

import hashlib
import logging
import os
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest
import uproot

from analysis.datasets import catalogue, convert_lhco_raw, iterate_lhco_raw, read_lhco_features
from analysis.datasets.fetch import MANIFEST, data_folder, fetch, fetch_file
from analysis.datasets.registry import DatasetFile
from analysis.datasets.resuming import PIECE
from analysis.errors import (
    BranchNotFoundError,
    DownloadError,
    EmptySelectionError,
    InputFileError,
    NtupleReadError,
    OutputError,
)

pd = pytest.importorskip("pandas")
pytest.importorskip("tables")

CONTENT = np.random.default_rng(1).bytes(300_000)
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """A web server on the loopback that can break off, ignore ranges, change its file, and keeps what was asked."""

    def __init__(self, host="127.0.0.1"):
        super().__init__((host, 0), Handler)
        self.content = CONTENT
        self.break_after = []
        self.ranges = True
        self.etag = '"one"'
        self.asked = []
        self.redirect = None

    def url(self, name="data.h5"):
        return f"http://{self.server_address[0]}:{self.server_address[1]}/{name}"

    def handle_error(self, request, client_address):
        """A broken pipe is what some of these tests are about."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.redirect is not None:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.end_headers()
            return
        if self.path == "/missing.h5":
            self.send_error(404)
            return
        size, start = len(server.content), 0
        if asked and server.ranges and self.headers.get("If-Range") == server.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - start))
        self.send_header("ETag", server.etag)
        self.end_headers()
        body = server.content[start:]
        if server.break_after:
            self.wfile.write(body[: server.break_after.pop(0)])
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(host="127.0.0.1"):
    running = Server(host)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


@pytest.fixture
def server():
    with serving() as running:
        yield running


def test_fetches_once_and_verifies(server, tmp_path):
    for checksum in (SHA256, MD5):
        server.asked.clear()
        folder = tmp_path / checksum[:3]
        seen = []
        file = DatasetFile("d", server.url(), "", checksum=checksum)
        path = fetch_file(file, folder=folder, progress=lambda *a, seen=seen: seen.append(a))
        assert path == folder / "data.h5"
        assert path.read_bytes() == CONTENT
        assert seen[-1] == ("download", len(CONTENT), len(CONTENT))
        assert fetch_file(file, folder=folder) == path
        assert fetch_file(file, folder=folder, offline=True) == path
        assert server.asked == [None]
        assert sorted(p.name for p in folder.iterdir()) == ["data.h5"]


def test_broken_connection_is_continued_where_it_broke(server, tmp_path):
    server.break_after = [PIECE + 1000, 2 * PIECE]
    path = fetch_file(DatasetFile("d", server.url(), "", checksum=SHA256), folder=tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={PIECE}-", f"bytes={3 * PIECE}-"]


def test_interrupted_download_is_continued_by_the_next_call(server, tmp_path):
    file = DatasetFile("d", server.url(), "", checksum=SHA256)
    server.break_after = [PIECE]
    with pytest.raises(DownloadError, match="continued by the next attempt"):
        fetch_file(file, folder=tmp_path, retries=0)
    assert not (tmp_path / "data.h5").exists()
    assert (tmp_path / "data.h5.part").read_bytes() == CONTENT[:PIECE]
    assert fetch_file(file, folder=tmp_path, retries=0).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={PIECE}-"]


def test_complete_part_needs_no_further_byte(server, tmp_path):
    (tmp_path / "data.h5.part").write_bytes(CONTENT)
    (tmp_path / "data.h5.part.validator").write_text(server.etag)
    assert fetch_file(DatasetFile("d", server.url(), "", checksum=SHA256), folder=tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("change", ["no ranges", "other version"])
def test_part_that_does_not_continue_is_thrown_away(server, tmp_path, change):
    file = DatasetFile("d", server.url(), "", checksum=SHA256)
    (tmp_path / "data.h5.part").write_bytes(b"x" * 1000)
    (tmp_path / "data.h5.part.validator").write_text('"one"')
    if change == "no ranges":
        server.ranges = False
    else:
        server.etag = '"two"'
    assert fetch_file(file, folder=tmp_path, retries=0).read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_removed(server, tmp_path):
    server.content = CONTENT[:-1] + b"!"
    file = DatasetFile("d", server.url(), "", checksum=SHA256, checksum_source="the authors")
    with pytest.raises(DownloadError, match=r"does not match.*according to: the authors"):
        fetch_file(file, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert server.asked == [None]  # the same wrong bytes are not fetched again and again


def test_another_file_of_this_name_is_left_alone(server, tmp_path):
    path = tmp_path / "data.h5"
    path.write_bytes(b"of the user")
    file = DatasetFile("d", server.url(), "", checksum=SHA256)
    for offline in (True, False):
        with pytest.raises(DownloadError, match=r"other bytes than expected.*remove or rename it"):
            fetch_file(file, folder=tmp_path, offline=offline)
        assert path.read_bytes() == b"of the user"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OutputError, match="named pipe"):
        fetch_file(file, folder=tmp_path)
    path.unlink()
    assert fetch_file(file, folder=tmp_path).read_bytes() == CONTENT


def test_without_published_checksum_the_first_download_is_binding(server, tmp_path, caplog):
    file = DatasetFile("d", server.url(), "")
    with caplog.at_level(logging.WARNING):
        fetch_file(file, folder=tmp_path)
    assert "was not checked" in caplog.text
    assert SHA256 in (tmp_path / MANIFEST).read_text()
    caplog.clear()
    fetch_file(file, folder=tmp_path, offline=True)
    assert caplog.text == ""
    (tmp_path / "data.h5").unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(DownloadError, match="the first download"):
        fetch_file(file, folder=tmp_path)
    (tmp_path / MANIFEST).write_text("[")
    with pytest.raises(DownloadError, match="remove it"):
        fetch_file(file, folder=tmp_path)


def test_mirror_is_asked_when_the_first_place_has_nothing(server, tmp_path):
    file = DatasetFile("d", server.url("missing.h5"), "", checksum=SHA256, mirrors=(server.url("data.h5"),))
    assert fetch_file(file, folder=tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2  # a 404 is final
    with pytest.raises(DownloadError, match="404"):
        fetch_file(DatasetFile("d", server.url("missing.h5"), ""), folder=tmp_path / "other")


def test_unreachable_server_is_named(tmp_path):
    with pytest.raises(DownloadError, match="ConnectionError"):
        fetch_file(DatasetFile("d", "http://127.0.0.1:1/data.h5", ""), folder=tmp_path, retries=0)


def test_offline_never_asks(server, tmp_path):
    with pytest.raises(DownloadError, match="offline mode forbids"):
        fetch_file(DatasetFile("d", server.url(), ""), folder=tmp_path, offline=True)
    assert server.asked == []


@pytest.mark.parametrize("end", ["", "..", "a/..", ".hidden", "a%2f..%2fb", "a\\b", "a b"])
def test_names_that_are_not_plain_are_refused(end):
    with pytest.raises(DownloadError, match="plain file name"):
        DatasetFile("d", f"https://example.org/{end}", "")


@pytest.mark.parametrize("url", ["http://example.org/a.h5", "file:///etc/passwd", "ftp://example.org/a", "/etc/passwd"])
def test_only_https_is_downloaded_from(url):
    with pytest.raises(DownloadError, match="only https"):
        DatasetFile("d", url, "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers at 127.0.0.2")
def test_nothing_is_read_after_a_redirection_to_http(server, tmp_path):
    with serving("127.0.0.2") as other:
        server.redirect = other.url()
        with pytest.raises(DownloadError, match="only https"):
            fetch_file(DatasetFile("d", server.url(), "", checksum=SHA256), folder=tmp_path)
    assert not (tmp_path / "data.h5").exists()


def test_checksums_are_well_formed():
    with pytest.raises(DownloadError, match="hexadecimal"):
        DatasetFile("d", "https://example.org/a.h5", "", checksum="md5:123")


def test_catalogue(tmp_path, monkeypatch):
    names = [file.name for file in catalogue()]
    assert len(set(names)) == len(names)
    assert {"lhco-features", "lhco-qcd-extra", "lhco-raw"} <= set(names)
    for file in catalogue():
        assert file.url.startswith(("https://zenodo.org/", "https://data.mendeley.com/"))
        assert (file.checksum is None) == (file.checksum_source == "")
        assert not file.mirrors or file.checksum
    with pytest.raises(InputFileError, match="lhco-features"):
        fetch("lhco-featurs", offline=True)
    with pytest.raises(InputFileError):
        fetch("../../etc/passwd", offline=True)
    monkeypatch.setenv("CATHODE_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    with pytest.raises(DownloadError, match=str(tmp_path)):
        fetch("lhco-raw", offline=True)


# ── features files ──

COLUMNS = [f"{field}j{jet}" for jet in (1, 2) for field in ("px", "py", "pz", "m", "tau1", "tau2", "tau3")]


def features_table(n=40, seed=3, *, label=True):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({c: rng.uniform(0.1, 0.5, n) for c in COLUMNS})
    pt, phi = rng.uniform(1200, 2000, n), rng.uniform(-np.pi, np.pi, n)
    for jet, sign in ((1, 1.0), (2, -0.9)):
        table[f"pxj{jet}"], table[f"pyj{jet}"] = sign * pt * np.cos(phi), sign * pt * np.sin(phi)
        table[f"pzj{jet}"], table[f"mj{jet}"] = rng.normal(0, 500, n), rng.uniform(30, 600, n)
    if label:
        table["label"] = rng.integers(0, 2, n).astype(float)
    return table


FORMATS = {
    "fixed": {},
    "fixed blosc": {"complib": "blosc", "complevel": 9},
    "table": {"format": "table"},
    "table zlib": {"format": "table", "complib": "zlib", "complevel": 4},
    "table blosc": {"format": "table", "complib": "blosc", "complevel": 4},
    "data columns": {"format": "table", "data_columns": True},
}


@pytest.mark.parametrize("label_type", [float, int])
@pytest.mark.parametrize("storage", FORMATS)
def test_features_are_those_of_the_columns(tmp_path, storage, label_type):
    table = features_table()
    table["label"] = table["label"].astype(label_type)
    path = tmp_path / "features.h5"
    table.to_hdf(path, key="df", mode="w", **FORMATS[storage])
    events = read_lhco_features(path)

    p = table[[f"p{axis}j{jet}" for jet in (1, 2) for axis in "xyz"]].to_numpy().reshape(-1, 2, 3)
    m = table[["mj1", "mj2"]].to_numpy()
    energy = np.sqrt((p**2).sum(axis=2) + m**2).sum(axis=1)
    np.testing.assert_allclose(events.mass, np.sqrt(energy**2 - (p.sum(axis=1) ** 2).sum(axis=1)), rtol=1e-12)
    np.testing.assert_allclose(events.feature("mj_light"), m.min(axis=1), rtol=1e-6)
    np.testing.assert_allclose(events.feature("delta_mj"), np.ptp(m, axis=1), rtol=1e-5)
    light = m.argmin(axis=1)
    tau1, tau2 = (table[[f"tau{i}j1", f"tau{i}j2"]].to_numpy() for i in (1, 2))
    ratio = tau2 / (1e-5 + tau1)
    rows = np.arange(len(table))
    np.testing.assert_allclose(events.feature("tau21_light"), ratio[rows, light], rtol=1e-6)
    np.testing.assert_allclose(events.feature("tau21_heavy"), ratio[rows, 1 - light], rtol=1e-6)
    assert np.array_equal(events.truth, table["label"] == 1)
    assert np.array_equal(events.ids[:, 2], rows + 1)
    assert events.sources[0].entries == len(table)


def test_selection_keeps_rows_and_numbers(tmp_path):
    path = tmp_path / "features.h5"
    features_table().to_hdf(path, key="df")
    everything = read_lhco_features(path)
    some = read_lhco_features(path, selection="FatJet_mass[0] > 300", features={"m1": "FatJet_mass[0]"})
    kept = np.isin(everything.entry, some.entry)
    assert 0 < len(some) < len(everything)
    assert some.x.min() > 300
    assert np.array_equal(some.ids, everything.ids[kept])
    assert np.array_equal(some.mass, everything.mass[kept])
    with pytest.raises(EmptySelectionError):
        read_lhco_features(path, selection="FatJet_mass[0] > 1e9")


def test_extra_background_has_no_label(tmp_path):
    path = tmp_path / "extra.h5"
    features_table(label=False).to_hdf(path, key="df")
    assert read_lhco_features(path).truth is None


def test_what_is_no_features_file_is_named(tmp_path):
    with pytest.raises(InputFileError, match="does not exist"):
        read_lhco_features(tmp_path / "nothing.h5")
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    with pytest.raises(InputFileError, match="not an HDF5 file"):
        read_lhco_features(text)
    plain = tmp_path / "plain.h5"
    with h5py.File(plain, "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(InputFileError, match="0 pandas data frames"):
        read_lhco_features(plain)
    renamed = tmp_path / "renamed.h5"
    features_table().rename(columns={"mj1": "massj1"}).to_hdf(renamed, key="df")
    with pytest.raises(BranchNotFoundError, match="mj1"):
        read_lhco_features(renamed)
    several = tmp_path / "several.h5"
    for key in ("a", "b"):
        features_table().to_hdf(several, key=key)
    with pytest.raises(InputFileError, match="2 pandas data frames"):
        read_lhco_features(several)
    assert len(read_lhco_features(several, key="b")) == 40


# Blosc has no checksum: it notices a damaged header, but not damaged numbers.
@pytest.mark.parametrize(("library", "where"), [("zlib", 0.5), ("blosc", 0.0)])
def test_damaged_block_is_named(tmp_path, library, where):
    path = tmp_path / "features.h5"
    features_table(n=4000).to_hdf(path, key="df", complib=library, complevel=5)
    with h5py.File(path) as file:
        chunk = file["df/block0_values"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    start = chunk.byte_offset + int(where * chunk.size)
    content[start : start + 64] = bytes(b ^ 0xFF for b in content[start : start + 64])
    path.write_bytes(content)
    with pytest.raises(NtupleReadError, match="block0_values"):
        read_lhco_features(path)


def test_reading_executes_no_pickle(tmp_path, monkeypatch):
    import pickle

    path = tmp_path / "features.h5"
    features_table().to_hdf(path, key="df", format="table")

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").touch, ())

    with h5py.File(path, "a") as file:
        file["df/table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps([Evil(), *COLUMNS, "label"], 0))
    monkeypatch.setattr(pickle, "loads", lambda *a, **k: pytest.fail("unpickled"))
    with pytest.raises((BranchNotFoundError, InputFileError, IndexError)):
        read_lhco_features(path)
    assert not (tmp_path / "executed").exists()


# ── raw files ──


def raw_table(n=30, *, label=True, seed=5):
    """Two back-to-back sprays of a few dozen particles, in the layout of the raw file."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, 2101 if label else 2100))
    for row in rows:
        count = rng.integers(60, 120)
        side = rng.integers(0, 2, count)
        particles = np.stack(
            [rng.exponential(40, count), rng.normal(0, 0.2, count), side * np.pi - 1.5 + rng.normal(0, 0.2, count)],
            axis=1,
        )
        row[: 3 * count] = particles[np.argsort(-particles[:, 0])].ravel()
    if label:
        rows[:, -1] = rng.integers(0, 2, n)
    return rows


@pytest.mark.parametrize("storage", ["fixed blosc", "table"])
def test_raw_events_come_in_chunks(tmp_path, storage):
    rows = raw_table()
    path = tmp_path / "raw.h5"
    pd.DataFrame(rows).to_hdf(path, key="df", **FORMATS[storage])
    chunks = list(iterate_lhco_raw(path, chunk=7))
    assert [c.first for c in chunks] == [0, 7, 14, 21, 28]
    assert np.array_equal(np.concatenate([c.particles for c in chunks]), rows[:, :2100].reshape(-1, 700, 3))
    assert np.array_equal(np.concatenate([c.truth for c in chunks]), rows[:, 2100])


def test_raw_file_becomes_the_dijet_ntuple(tmp_path):
    fastjet = pytest.importorskip("fastjet")
    rows = raw_table(12)
    rows[3, :2100] = 0  # an event without particles keeps its entry, without jets
    path = tmp_path / "raw.h5"
    pd.DataFrame(rows).to_hdf(path, key="df")
    seen = []
    convert_lhco_raw(path, tmp_path / "jets.root", chunk=5, progress=lambda *a: seen.append(a))
    assert seen == [("cluster", 5, 12), ("cluster", 10, 12), ("cluster", 12, 12)]
    with uproot.open(tmp_path / "jets.root")["Events"] as tree:
        jets = tree.arrays()
    assert jets.event.tolist() == list(range(1, 13))
    assert jets.isSignal.tolist() == rows[:, -1].tolist()
    assert jets.nFatJet.tolist() == [0 if i == 3 else 2 for i in range(12)]

    # One event, clustered particle by particle through FastJet's own classes.
    pt, eta, phi = rows[7, :2100].reshape(700, 3)[rows[7, :2100:3] > 0].T
    momenta = [
        fastjet.PseudoJet(*map(float, p))
        for p in np.transpose([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)])
    ]
    clusters = fastjet.ClusterSequence(momenta, fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0))
    hardest = fastjet.sorted_by_pt(clusters.inclusive_jets(20.0))[:2]
    for i, jet in enumerate(hardest):
        assert jets.FatJet_pt[7, i] == pytest.approx(jet.pt(), rel=2e-4)
        assert jets.FatJet_mass[7, i] == pytest.approx(jet.m(), rel=2e-4)
        assert jets.FatJet_eta[7, i] == pytest.approx(jet.eta(), abs=2e-4)
        assert jets.FatJet_nConstituents[7, i] == len(jet.constituents())
        # τ1 around one axis is bounded by the distance to the jet's own axis, and τ falls with every further axis.
        around = sum(p.pt() * p.delta_R(jet) for p in jet.constituents()) / sum(p.pt() for p in jet.constituents())
        assert jets.FatJet_tau1[7, i] <= around * 1.02
        assert jets.FatJet_tau3[7, i] < jets.FatJet_tau2[7, i] < jets.FatJet_tau1[7, i]


def test_raw_file_without_labels_has_unknown_truth(tmp_path):
    path = tmp_path / "raw.h5"
    pd.DataFrame(raw_table(4, label=False)).to_hdf(path, key="df")
    assert next(iterate_lhco_raw(path)).truth.tolist() == [-1] * 4
    features_table().to_hdf(path, key="df", mode="w")
    with pytest.raises(InputFileError, match="15 columns"):
        next(iterate_lhco_raw(path))
