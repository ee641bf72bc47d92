"""HDF5 as others write it: what is there is read, what is not is named, and nothing of a file is ever executed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis import read_events
from analysis.errors import (
    AmbiguousNameError,
    AnalysisError,
    ExpressionError,
    InputFileError,
    NtupleReadError,
    TreeNotFoundError,
)
from analysis.io.hdf5 import Hdf5Table, write_columns
from analysis.io.pickled_lists import pickled_list

N = 10
MASS = np.linspace(2000, 5000, N)


def values(path: Path, expression: str = "x", *, mass: str = "m", **settings: Any) -> list[float]:
    events = read_events(path, mass=mass, features={"a": expression}, identifiers="entry", **settings)
    return events.x[:, 0].tolist()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the mass."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["m"] = MASS
    return tmp_path / "a.h5"


# Fill values


def virtual(path: Path, source: str) -> None:
    layout = h5py.VirtualLayout((N,), "f8")
    layout[:] = h5py.VirtualSource(source, "x", (N,))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("x", layout)


def test_a_virtual_data_set_is_read_while_its_source_is_there(path: Path) -> None:
    with h5py.File(path.parent / "part.h5", "w") as file:
        file["x"] = np.arange(1.0, N + 1)
    virtual(path, "part.h5")
    assert values(path) == list(range(1, N + 1))
    (path.parent / "part.h5").rename(path.parent / "moved.h5")
    with pytest.raises(InputFileError, match=r"'/x'.*source 'x' of 'part.h5' is not there"):
        values(path)
    assert values(path, "m / m") == [1.0] * N
    with h5py.File(path.parent / "part.h5", "w") as file:
        file["y"] = np.arange(N)
    with pytest.raises(InputFileError, match="has no such data set"):
        values(path)
    with h5py.File(path.parent / "part.h5", "w") as file:
        file["x"] = np.arange(3.0)
    with pytest.raises(InputFileError, match=r"has only the shape \(3,\)"):
        values(path)
    with h5py.File(path.parent / "part.h5", "w") as file:
        file.create_dataset("x", (N,), "f8", chunks=(2,))[:4] = 1
    with pytest.raises(InputFileError, match=r"part.h5', '/x' was not written completely: 3 of 5 chunks"):
        values(path)


def test_virtual_data_sets_with_holes_and_circles(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["half"] = np.arange(N / 2)
        layout = h5py.VirtualLayout((N,), "f8")
        layout[::2] = h5py.VirtualSource(".", "half", (N // 2,))
        file.create_virtual_dataset("holes", layout)
        layout[1::2] = h5py.VirtualSource(".", "half", (N // 2,))
        file.create_virtual_dataset("woven", layout)
        circle = h5py.VirtualLayout((N,), "f8")
        circle[:] = h5py.VirtualSource(".", "circle", (N,))
        file.create_virtual_dataset("circle", circle)
        blocks = h5py.VirtualLayout((N, 2), "f8")
        blocks[:, 0] = h5py.VirtualSource(".", "m", (N,))
        file.create_virtual_dataset("column", blocks)
        blocks[:, 1] = h5py.VirtualSource(".", "m", (N,))
        file.create_virtual_dataset("columns", blocks)
    assert values(path, "woven") == [i // 2 for i in range(N)]
    assert values(path, "columns[1]") == pytest.approx(MASS)
    for name in ("holes", "column"):
        with pytest.raises(InputFileError, match="do not cover"):
            values(path, f"{name}[0]" if name == "column" else name)
    with pytest.raises(InputFileError, match="without an end"):
        values(path, "circle")


@pytest.mark.parametrize("chunks", [None, (2,), (3,), True])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_what_was_never_written_is_named(path: Path, chunks: Any, compression: str | None) -> None:
    if compression and chunks is None:
        pytest.skip("compression needs chunks")
    with h5py.File(path, "a") as file:
        file.create_dataset("x", (N,), "f4", chunks=chunks, compression=compression)
        whole = file.create_dataset("y", (N,), "f4", chunks=chunks, compression=compression)
        whole[:] = 0
        part = file.create_dataset("z", (N, 2), "f4", chunks=None if chunks is None else (2, 1))
        part[: N - 1, 0] = 1
    with pytest.raises(InputFileError, match=r"'/x' was (never|not) written"):
        values(path)
    assert values(path, "y") == [0] * N
    if chunks is not None:
        with pytest.raises(InputFileError, match=r"'/z' was not written completely: 5 of 10"):
            values(path, "z[0]")


def test_external_storage_and_links_are_not_followed(path: Path) -> None:
    np.arange(N, dtype="f8").tofile(path.parent / "raw.bin")
    with h5py.File(path.parent / "other.h5", "w") as file:
        file["x"] = np.arange(N)
    with h5py.File(path, "a") as file:
        file.create_dataset("raw", (N,), "f8", external=[(str(path.parent / "raw.bin"), 0, 8 * N)])
        file["out"] = h5py.ExternalLink("other.h5", "/x")
        file["group"] = h5py.ExternalLink("other.h5", "/")
        file["by_group"] = h5py.SoftLink("/group/x")
        file["gone"] = h5py.SoftLink("/nothing")
        file["round"] = h5py.SoftLink("/round")
    for name, message in {
        "raw": r"'/raw' keeps its values in other files.*raw.bin",
        "out": r"'out' is a link to '/x' in the file 'other.h5'",
        "by_group": r"'group' is a link to '/' in the file 'other.h5'",
        "gone": r"'gone' is a link to '/nothing', where nothing is",
        "round": "goes round in circles",
    }.items():
        with pytest.raises(InputFileError, match=message):
            values(path, name)
    with pytest.raises(InputFileError, match="not followed"):
        values(path, tree="group")
    assert values(path, "m - m") == [0] * N


# What is not asked for does not matter


def test_odd_objects_matter_only_when_they_are_asked_for(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["edges"] = np.arange(7.0)
        file["text"] = ["a"] * N
        file["scalar"] = 3.0
        file["nothing"] = h5py.Empty("f8")
        file["image"] = np.zeros((N, 2, 2))
        file["complex"] = np.zeros(N, complex)
        file["where"] = np.array([file["m"].ref] * N, dtype=h5py.ref_dtype)
        file["type"] = np.dtype("f8")
        file["opaque"] = np.arange(N).astype("M8[s]").astype(h5py.opaque_dtype("M8[s]"))
        file["words"] = np.array(["a"] * N, dtype=h5py.string_dtype())
        file["empty"] = np.zeros(0)
        file.create_group("hollow")
        file["m"].attrs["pickle"] = np.void(b"cposix\nsystem\n(S'false'\ntR.")
    assert values(path, "m / m") == [1] * N
    for name, message in {
        "text": "holds values of the type text",
        "words": "type text",
        "image": r"arrays of the shape \(2, 2\)",
        "complex": "type complex number",
        "where": "type reference",
        "opaque": "holds",
    }.items():
        with pytest.raises(ExpressionError, match=message):
            values(path, name)
    for name in ("edges", "empty"):
        with pytest.raises(InputFileError, match="different lengths"):
            values(path, name)
    for name in ("scalar", "nothing", "type", "hollow"):
        with pytest.raises(AnalysisError, match="No branch"):
            values(path, name)


def test_soft_links_and_paths(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["jets/lead/q"] = np.arange(N)
        file["jets/sub/q"] = np.arange(N) + 100
        file["jets/sub/r"] = np.arange(N) + 200
        file["link"] = h5py.SoftLink("jets/lead/q")
        file["jets/sub/up"] = h5py.SoftLink("/link")
        file["jets/sub/loop"] = file["/"]
        file["again"] = h5py.SoftLink("/jets")
    expected = np.arange(N).tolist()
    for name in ("link", "up", "branch('jets/lead/q')", "branch('lead/q')", "jets_lead_q"):
        assert values(path, name) == expected
    assert values(path, "r - branch('jets/sub/q')") == [100] * N
    with pytest.raises(AmbiguousNameError, match=r"'jets/lead/q', 'jets/sub/q'|'jets/sub/q', 'jets/lead/q'"):
        values(path, "q")
    assert values(path, "q", mass="q + 2000", tree="again/lead") == expected
    assert values(path, "q", mass="q + 2000", tree="/jets/sub") == [i + 100 for i in range(N)]
    with pytest.raises(TreeNotFoundError, match="single data set"):
        values(path, "q", tree="link")


# Types


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f2", ">i2", ">u8", "f8", "?", "i1", np.longdouble])
@pytest.mark.parametrize("shape", [(N,), (N, 3)])
def test_every_number_is_a_number(path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    data = (np.arange(np.prod(shape)) % (2 if dtype == "?" else 100)).reshape(shape).astype(dtype)
    with h5py.File(path, "a") as file:
        file["x"] = data
    expression, expected = ("x * 1", data) if len(shape) == 1 else ("x[1] * 1", data[:, 1])
    assert values(path, expression) == expected.tolist()


def test_fields_of_compound_types(tmp_path: Path) -> None:
    inner = np.dtype([("q", ">f4"), ("cov", "f4", (2, 2))])
    dtype = [("m", "f8"), ("name", "S3"), ("jet", inner), ("tau", "f4", (3,)), ("ok", "?"), ("é", "i4")]
    table = np.zeros(N, dtype)
    table["m"], table["jet"]["q"], table["tau"] = MASS, np.arange(N), np.arange(3 * N).reshape(N, 3)
    table["ok"] = np.arange(N) % 2
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["events"] = table
    assert values(tmp_path / "a.h5", "jet.q") == values(tmp_path / "a.h5", "jet_q") == list(range(N))
    assert values(tmp_path / "a.h5", "tau[2]") == list(range(2, 3 * N, 3))
    assert values(tmp_path / "a.h5", "tau[-1]", selection="ok", memory="1 MB") == list(range(5, 3 * N, 6))
    with pytest.raises(ExpressionError, match=r"arrays of the shape \(2, 2\)"):
        values(tmp_path / "a.h5", "jet.cov")


def test_records_in_rows_are_lists(tmp_path: Path) -> None:
    constituents = np.zeros((N, 4), [("pt", "f4"), ("id", "i4")])
    constituents["pt"] = np.arange(4 * N).reshape(N, 4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets"] = MASS.astype([("m", "f8")])
        file["consts"] = constituents
    with pytest.raises(TreeNotFoundError, match="2 trees"):
        values(tmp_path / "a.h5", "max(pt)")
    assert values(tmp_path / "a.h5", "max(consts_pt)", tree="/") == list(range(3, 4 * N, 4))


def test_lists_of_variable_length_and_enumerations(path: Path) -> None:
    with h5py.File(path, "a") as file:
        lists = file.create_dataset("x", (N,), h5py.vlen_dtype(np.float32))
        for i in range(N):
            lists[i] = np.arange(i)
        file["kind"] = np.arange(N).astype(h5py.enum_dtype({"jet": 1, "photon": 2}, basetype="i2"))
        file["committed"] = np.dtype(">f4")
        file.create_dataset("typed", data=np.arange(N), dtype=file["committed"])
        record = file.create_dataset("records", (N,), [("v", h5py.vlen_dtype(np.int32))])
        for i in range(N):
            record[i] = (np.full(i, 2),)
    assert values(path, "num(x)") == list(range(N))
    assert values(path, "sum(x)", memory="1 MB") == [i * (i - 1) / 2 for i in range(N)]
    assert values(path, "kind + typed") == [2 * i for i in range(N)]
    assert values(path, "sum(records_v)") == [2 * i for i in range(N)]


def test_a_heap_in_which_the_library_would_walk_forever(path: Path) -> None:
    with h5py.File(path, "a") as file:
        lists = file.create_dataset("x", (N,), h5py.vlen_dtype(np.float32))
        for i in range(N):
            lists[i] = np.arange(i)
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    path.write_bytes(content[: heap + 80] + bytes(64) + content[heap + 144 :])
    with pytest.raises(NtupleReadError, match=r"branch 'x'.*heap at byte"):
        values(path, "num(x)")
    assert values(path, "m / m") == [1] * N


@pytest.mark.parametrize("chunks", [None, (4,)])
def test_lengths_that_no_file_holds_take_no_memory(path: Path, chunks: Any) -> None:
    with h5py.File(path, "a") as file:
        lists = file.create_dataset("x", (N,), h5py.vlen_dtype(np.float32), chunks=chunks)
        for i in range(N):
            lists[i] = np.arange(7 if i == 2 else i)
        start = lists.id.get_offset() if chunks is None else lists.id.get_chunk_info(0).byte_offset
    assert values(path, "num(x)")[2] == 7
    content = bytearray(path.read_bytes())
    assert content[start + 32] == 7
    content[start + 35] = 0x20
    path.write_bytes(content)
    with pytest.raises(NtupleReadError, match=r"branch 'x'.*an array of 536870919 elements"):
        values(path, "num(x)")


def test_compact_and_filtered_storage(path: Path) -> None:
    with h5py.File(path, "a") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        compact = h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((N,)), properties)
        compact.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(N, dtype=np.int32))
        for name in ("lzf", "gzip", "szip"):
            if name != "szip" or h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
                file.create_dataset(name, data=np.arange(N, dtype=np.int32), compression=name, fletcher32=True)
        file.create_dataset("offset", data=np.arange(N, dtype=np.int32), scaleoffset=4, chunks=(4,))
        names = [name for name in file if name != "m"]
    for name in names:
        assert values(path, name) == list(range(N)), name


def test_missing_filters_are_named(path: Path) -> None:
    import hdf5plugin

    with h5py.File(path, "a") as file:
        file.create_dataset("x", data=np.arange(N), chunks=(5,), **hdf5plugin.Zstd())
    assert values(path) == list(range(N))
    data = path.read_bytes()
    # The number of the filter, 32015, in the pipeline message; 32767 belongs to nobody.
    assert data.count((32015).to_bytes(2, "little")) == 1
    path.write_bytes(data.replace((32015).to_bytes(2, "little"), (32767).to_bytes(2, "little")))
    with pytest.raises(InputFileError, match=r"'/x' is compressed with the filter 32767 \("):
        values(path)
    assert values(path, "m / m") == [1] * N


def test_a_file_says_whether_its_checksums_were_compared(tmp_path: Path, path: Path) -> None:
    write_columns(tmp_path / "own.h5", {"m": MASS, "x": np.arange(N)})
    with h5py.File(path, "a") as file:
        file.create_dataset("x", data=np.arange(N), chunks=(5,), fletcher32=True)
        file.create_dataset("raw", (N,), "i8", chunks=(5,), fletcher32=True)
        for place in (0, 5):
            # The mask says that the filter was skipped.
            file["raw"].id.write_direct_chunk((place,), np.arange(5).tobytes(), filter_mask=1)
    for file_path, names, expected in [
        (tmp_path / "own.h5", ["m", "x"], True),
        (path, ["x"], True),
        (path, ["x", "m"], False),
        (path, ["raw"], False),
    ]:
        table = Hdf5Table(str(file_path), None)
        assert not table.verified
        table.read(names, 0, N)
        assert table.verified is expected
        table.close()


# Data frames of pandas


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data frames by pandas in all formats and compressions."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    folder = tmp_path_factory.mktemp("pandas")
    columns = {"m": MASS, "x": np.arange(N), "f": np.arange(N, dtype="f4") / 2, "b": np.arange(N) % 2 == 0}
    frame = pd.DataFrame({**columns, "s": ["a"] * N, "t": pd.date_range("2020", periods=N)})
    frame.index = pd.Index(np.arange(N) + 100, name="event")
    several = pd.DataFrame(
        np.arange(4.0 * N).reshape(N, 4), columns=pd.MultiIndex.from_product([["j1", "j2"], ["pt", "eta"]])
    )
    rows = frame[["m", "x"]].set_index(pd.MultiIndex.from_arrays([np.arange(N) // 2, np.arange(N)], names=["run", "n"]))
    import warnings

    with warnings.catch_warnings():
        # Text in the fixed format is pickled, which pandas itself finds slow.
        warnings.simplefilter("ignore")
        for form in ("fixed", "table"):
            for library in ("none", "zlib", "blosc", "blosc:zstd", "bzip2"):
                level = {} if library == "none" else {"complib": library, "complevel": 5}
                name = f"{form}-{library.replace(':', '-')}.h5"
                frame.to_hdf(folder / name, key="df", format=form, **level)
            several.to_hdf(folder / f"{form}-several.h5", key="df", format=form)
            rows.to_hdf(folder / f"{form}-rows.h5", key="df", format=form)
            frame[["m", "x"]].iloc[:0].to_hdf(folder / f"{form}-empty.h5", key="df", format=form)
            frame["m"].to_hdf(folder / f"{form}-series.h5", key="df", format=form)
        frame[["m", "x"]].assign(c=pd.Categorical(["a", "b"] * (N // 2))).to_hdf(
            folder / "table-category.h5", key="df", format="table", data_columns=["m"]
        )
        pd.DataFrame(np.arange(2.0 * N).reshape(N, 2), columns=["a", "a"]).to_hdf(
            folder / "table-twice.h5", key="df", format="table"
        )
    return folder


@pytest.mark.parametrize("library", ["none", "zlib", "blosc", "blosc-zstd", "bzip2"])
@pytest.mark.parametrize("form", ["fixed", "table"])
def test_data_frames_of_own_columns(frames: Path, form: str, library: str) -> None:
    path = frames / f"{form}-{library}.h5"
    for memory in ("200 MB", "1 MB"):
        events = read_events(
            path,
            mass="m",
            features={"x": "x", "f": "f", "b": "b"},
            identifiers="event" if form == "fixed" else "index",
            selection="b or x > 4",
            memory=memory,
        )
        kept = [0, 2, 4, 5, 6, 7, 8, 9]
        np.testing.assert_array_equal(events.mass, MASS[kept])
        np.testing.assert_array_equal(events.x, np.stack([kept, np.divide(kept, 2), np.mod(kept, 2) == 0], axis=1))
        np.testing.assert_array_equal(events.ids[:, 2], np.array(kept) + 100)
    for name, message in {"s": "holds text", "t": "holds times"}.items():
        with pytest.raises(ExpressionError, match=message):
            values(path, name)
    with pytest.raises(AnalysisError, match=r"No branch 'y'"):
        values(path, "y")


@pytest.mark.parametrize("form", ["fixed", "table"])
def test_indices_of_several_levels_and_series(frames: Path, form: str) -> None:
    assert values(frames / f"{form}-several.h5", "j2_pt", mass="j1_eta + 2000") == list(range(2, 4 * N, 4))
    rows = read_events(frames / f"{form}-rows.h5", mass="m", features={"x": "x"}, identifiers=("run", "n"))
    assert rows.ids[:, 0].tolist() == [i // 2 for i in range(N)]
    assert rows.ids[:, 2].tolist() == list(range(N))
    assert values(frames / f"{form}-series.h5", "m - m") == [0] * N


def test_odd_data_frames(frames: Path) -> None:
    assert values(frames / "table-category.h5", "x") == list(range(N))
    with pytest.raises(ExpressionError, match="categories, whose codes are no values"):
        values(frames / "table-category.h5", "c")
    with pytest.raises(AmbiguousNameError, match="'a' is the name of 2 columns"):
        values(frames / "table-twice.h5", "a", mass="index + 2000")
    table = Hdf5Table(str(frames / "fixed-empty.h5"), None)
    assert (table.entries, table.names) == (0, ("m", "x"))


def test_several_data_frames_are_chosen_by_name(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    for i, key in enumerate(("train", "test")):
        pd.DataFrame({"m": MASS, "x": np.full(N, i)}).to_hdf(tmp_path / "a.h5", key=key)
    with pytest.raises(TreeNotFoundError, match=r"2 trees; say which.*'t"):
        values(tmp_path / "a.h5")
    assert values(tmp_path / "a.h5", tree="test") == [1] * N


# Nothing is executed


def test_pickles_in_attributes_are_not_run(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    mark = tmp_path / "was_run"
    harmful = np.bytes_(f"cposix\nsystem\n(S'touch {mark}'\ntR.".encode())
    for form in ("fixed", "table"):
        path = tmp_path / f"{form}.h5"
        pd.DataFrame({"m": MASS, "x": np.arange(N)}).to_hdf(path, key="df", format=form, complib="blosc", complevel=5)
        with h5py.File(path, "a") as file:
            group = file["df"]
            for node in (group, *group.values()):
                node.attrs["TITLE"] = harmful
        assert values(path) == list(range(N))
    with h5py.File(path, "a") as file:
        file["df/table"].attrs["values_block_0_kind"] = harmful
    with pytest.raises(InputFileError, match="something else than list names"):
        values(path)
    assert not mark.exists()


@pytest.mark.parametrize("form", ["fixed", "table"])
def test_blosc_is_decompressed_without_pytables(frames: Path, form: str) -> None:
    """In a process of its own, where nothing has loaded a filter before."""
    script = (
        "import sys; from analysis import read_events; "
        f"e = read_events({str(frames / f'{form}-blosc.h5')!r}, mass='m', features={{'x': 'x'}}, identifiers='entry'); "
        f"assert e.x[:, 0].tolist() == list(range({N})); assert 'tables' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_lists_of_names_are_built_from_text_numbers_and_tuples() -> None:
    import pickle

    for wanted in (["m", "x"], [1, 2], [("j1", "pt"), ("j1", "eta")], ["a", "a"], [], [("a", None, True)], ["é" * 300]):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            if protocol > 0 or True not in (wanted[0] if wanted and isinstance(wanted[0], tuple) else ()):
                assert pickled_list(pickle.dumps(wanted, protocol)) == wanted
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(InputFileError):
            pickled_list(pickle.dumps([os.system], protocol))
    for damaged in (b"", b"\x80", b"(lp0\n", b"a.", b"I1\n.", b"(t.", b"]]a", b"g5\n."):
        with pytest.raises(InputFileError):
            pickled_list(damaged)
    deep: object = "x"
    for _ in range(40):
        deep = (deep, deep)
    # Names made of these would be 10^12 characters long.
    for bomb in (deep, [deep], [[]]):
        with pytest.raises(InputFileError, match="no list of text"):
            pickled_list(pickle.dumps([bomb]))
    for nested in (b"\x80\x02]q\x00h\x00a.", b"\x80\x02](K\x01" + b"\x85" * 5_000 + b"e.", b"](\x85a."):
        with pytest.raises(InputFileError, match="no list of text"):
            pickled_list(nested)


@pytest.mark.parametrize("package", ["analysis", "cathode", "generators"])
def test_nothing_imports_what_unpickles(package: str) -> None:
    """PyTables unpickles attributes of the files that it opens."""
    import importlib

    root = Path(importlib.import_module(package).__path__[0])
    for source in root.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names.append(node.module or "")
            if isinstance(node, ast.Call):
                names += [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            forbidden = {"tables", "pickle", "joblib", "dill", "cloudpickle", "shelve"}
            assert not forbidden & {name.split(".")[0] for name in names}, source


def test_a_table_that_can_not_be_read_is_not_one_without_events(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["Events/m"] = h5py.SoftLink("/gone")
        file["Events/x"] = np.zeros(0)
    for tree in ("Events", "/", None):
        with pytest.raises(AnalysisError, match="'m' is a link to '/gone'"):
            values(tmp_path / "a.h5", tree=tree)


def test_damage_to_a_data_set_that_is_not_asked_for_is_not_met(path: Path) -> None:
    with h5py.File(path, "a") as file:
        data = np.random.default_rng(0).integers(0, 2**60, N)
        file.create_dataset("x", data=data, chunks=(N,), fletcher32=True)
        offset = file["x"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    assert values(path, "m / m") == [1] * N
    with pytest.raises(NtupleReadError, match="branch 'x'"):
        values(path)
