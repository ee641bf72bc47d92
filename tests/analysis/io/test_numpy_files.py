"""Arrays in .npy and .npz files as inputs."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import read_events
from analysis.errors import AmbiguousNameError, AnalysisError, ExpressionError, InputFileError, NtupleReadError
from analysis.io.numpy_files import NumpyTable

N = 4000
MASS = np.linspace(2000, 5000, N)
MEMORY = ("200 MB", "1 MB")


def values(path: Path, expression: str = "x", *, mass: str = "m", **settings: Any) -> np.ndarray:
    events = read_events(path, mass=mass, features={"a": expression}, identifiers="entry", **settings)
    return events.x[:, 0]


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_named_arrays(tmp_path: Path, save: Any, memory: str) -> None:
    x = np.arange(3 * N, dtype=">f4").reshape(N, 3)
    tower = np.zeros((N, 2), [("e", "f2"), ("tag", "S2")])
    tower["e"] = np.arange(2 * N).reshape(N, 2) % 100
    save(
        tmp_path / "a.npz",
        m=MASS,
        x=x,
        f=np.asfortranarray(x),
        edges=np.arange(7),
        text=np.array(["a"] * N),
        objects=np.array([None] * N),
        image=np.zeros((N, 2, 2)),
        scalar=np.float64(3),
        tower=tower,
        half=np.arange(N, dtype=np.float16),
        big=np.arange(N, dtype=np.uint64) + np.uint64(2**63),
    )
    path = tmp_path / "a.npz"
    np.testing.assert_array_equal(values(path, "x[1] + f[1]", memory=memory), 2 * x[:, 1])
    np.testing.assert_array_equal(values(path, "branch('tower/e')[0]", memory=memory), tower["e"][:, 0])
    np.testing.assert_array_equal(values(path, "half", selection="m > 3000"), np.arange(N, dtype="f2")[MASS > 3000])
    np.testing.assert_array_equal(values(path, "big % 7"), (2**63 + np.arange(N).astype(object)) % 7)
    for name, message in {"text": "text", "objects": "not unpickled", "image": "arrays of the shape"}.items():
        with pytest.raises(ExpressionError, match=f"'{name}' holds .*{message}"):
            values(path, name)
    with pytest.raises(InputFileError, match="different lengths"):
        values(path, "edges")
    with pytest.raises(AnalysisError, match="No branch 'scalar'"):
        values(path, "scalar")


@pytest.mark.parametrize("memory", MEMORY)
def test_a_structured_array_and_one_alone(tmp_path: Path, memory: str) -> None:
    table = np.zeros(N, [("m", "f8"), ("jet", [("q", "f4", (2,)), ("n", "?")]), ("η", "i4")])
    table["m"], table["jet"]["q"] = MASS, np.arange(2 * N).reshape(N, 2)
    table["η"] = np.arange(N)
    with pytest.warns(UserWarning, match="format 3"):
        np.save(tmp_path / "a.npy", table)
    np.testing.assert_array_equal(values(tmp_path / "a.npy", "jet_q[1]", memory=memory), table["jet"]["q"][:, 1])
    np.testing.assert_array_equal(values(tmp_path / "a.npy", "η", memory=memory), table["η"])
    np.save(tmp_path / "b.npy", np.stack([MASS, np.arange(N)], axis=1))
    np.testing.assert_array_equal(values(tmp_path / "b.npy", "arr_0[1]", mass="arr_0[0]", memory=memory), np.arange(N))


def test_files_without_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", m=np.zeros(0), x=np.zeros(0))
    np.savez(tmp_path / "b.npz", m=MASS, x=np.arange(N))
    both = read_events([tmp_path / "a.npz", tmp_path / "b.npz"], mass="m", features={"x": "x"}, identifiers="entry")
    assert [source.entries for source in both.sources] == [0, N]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_flipped_byte_of_an_archive_is_found(tmp_path: Path, save: Any) -> None:
    x = np.random.default_rng(0).normal(size=N)
    save(tmp_path / "a.npz", m=MASS, x=x)
    table = NumpyTable(str(tmp_path / "a.npz"), None)
    assert not table.verified
    table.read(["x"], 0, N // 2)
    assert table.verified
    table.close()
    clean = (tmp_path / "a.npz").read_bytes()
    start = clean.index(b"x.npy") + 200
    for where in np.random.default_rng(1).integers(start, start + 20_000, 8):
        damaged = bytearray(clean)
        damaged[where] ^= 4
        (tmp_path / "b.npz").write_bytes(damaged)
        with pytest.raises(NtupleReadError, match="branch 'x'"):
            values(tmp_path / "b.npz", memory="1 MB")
        assert (values(tmp_path / "b.npz", "m / m") == 1).all()


def test_odd_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "no array")
    with pytest.raises(InputFileError, match="has no arrays"):
        values(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", m=MASS)
    with zipfile.ZipFile(tmp_path / "b.npz", "a") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00\x10\x00__import__('os')")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("m.npy", b"again")
    with pytest.raises(NtupleReadError, match="branch 'x'"):
        values(tmp_path / "b.npz", "x", mass="x")
    with pytest.raises(AmbiguousNameError, match="'m' is the name of 2 columns"):
        values(tmp_path / "b.npz", "m")
    for size in (50, 200, 20_000):
        np.save(tmp_path / "c.npy", MASS)
        (tmp_path / "c.npy").write_bytes((tmp_path / "c.npy").read_bytes()[:size])
        with pytest.raises(NtupleReadError, match=r"c.npy"):
            values(tmp_path / "c.npy", "arr_0", mass="arr_0")
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
        archive.writestr("m.npy", b"no array")
    with pytest.raises(NtupleReadError, match="branch 'm'"):
        values(tmp_path / "e.npz", "m")
    np.save(tmp_path / "d.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ExpressionError, match="not unpickled"):
        values(tmp_path / "d.npy", "arr_0", mass="arr_0")
