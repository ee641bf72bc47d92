"""An output goes over no input, over nothing that is not ours, and to no place that can not be written."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.atomic import atomic_path, host, is_abandoned, temporary_prefix, write_text, writer_of
from analysis.errors import OutputError
from analysis.outputs import check_output_file, check_output_folder, refuse_links_out
from generators import atomic as other


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.root").write_text("input")
    (folder / "soft.root").symlink_to("a.root")
    (folder / "hard.root").hardlink_to(folder / "a.root")
    (tmp_path / "way").symlink_to(folder, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize(
    "spelling",
    [
        "data/a.root",
        "./data//a.root",
        "data/../data/a.root",
        "data/soft.root",
        "data/hard.root",
        "way/a.root",
        "{absolute}",
    ],
)
@pytest.mark.parametrize("given", ["data/a.root", "way/hard.root", "data/*.root", "data/soft.root"])
def test_an_input_in_any_spelling_is_no_output(data: Path, spelling: str, given: str) -> None:
    output = spelling.format(absolute=data / "a.root")
    with pytest.raises(OutputError, match="Choose another output"):
        check_output_file(output, inputs=["other.root", given])
    check_output_file("data/b.txt", inputs=[given])


def test_an_output_that_a_pattern_would_read_the_next_time_is_refused(data: Path) -> None:
    for pattern, output in (
        ("data/*.root", "data/scores.root"),
        ("way/*.root", "data/scores.root"),
        ("**/*.root", "data/deep/scores.root"),
        ("data/[a-s]*.root", "way/scores.root"),
    ):
        with pytest.raises(OutputError, match="read as an input the next time"):
            check_output_file(output, inputs=[pattern])
    for pattern, output in (("data/*.root", "scores.root"), ("data/*.root", "data/x.h5"), ("*.root", "data/x.root")):
        check_output_file(output, inputs=[pattern, "root://server//x/*.root", "embedded:dijets"])


@pytest.mark.parametrize("output", ["data/b.root", "data", "way/b.root", "data/new/b.root", "data/../data/x/y"])
def test_nothing_is_written_into_a_folder_that_is_read(data: Path, output: str) -> None:
    with pytest.raises(OutputError):
        check_output_file(output, inputs=["data"])
    with pytest.raises(OutputError, match="which is read"):
        check_output_folder(output, inputs=["data"])


@pytest.mark.parametrize("output", [".", "data", "data/", "way", "./data/../data", "{absolute}"])
def test_no_folder_that_holds_an_input_is_written_into(data: Path, output: str) -> None:
    with pytest.raises(OutputError, match="lies in it"):
        check_output_folder(output.format(absolute=data), inputs=["data/a.root"])
    check_output_folder("data/run", inputs=["data/a.root", "data/*.root"])


def test_what_is_no_file_and_what_is_no_folder_is_refused(data: Path) -> None:
    os.mkfifo("pipe")
    for output, named in (
        ("pipe", "named pipe"),
        ("data", "folder"),
        ("/dev/null", "device"),
        ("data/a.root/x", "no folder"),
    ):
        with pytest.raises(OutputError, match=named):
            check_output_file(output)
        with pytest.raises(OutputError):
            write_text(output, "x")
    for output in ("data/a.root", "pipe", "/dev/null", "data/a.root/deep/run", "data/soft.root"):
        with pytest.raises(OutputError, match="folder"):
            check_output_folder(output)
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)
    for output in ("https://server/x.root", "x" * 300):
        with pytest.raises(OutputError):
            check_output_file(output)
    assert (data / "a.root").read_text() == "input"


def test_a_place_without_permission_is_named_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write everywhere, so the answer of the system is given for it.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(OutputError, match=f"nothing can be written in {tmp_path}"):
        check_output_file(tmp_path / "deep" / "x.root")
    with pytest.raises(OutputError, match="nothing can be written"):
        check_output_folder(tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    check_output_folder(tmp_path, ours=lambda entry: False)
    (tmp_path / ".hidden").touch()
    check_output_folder(tmp_path, ours=lambda entry: False)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(OutputError, match=r"notes\.txt"):
        check_output_folder(tmp_path, ours=lambda entry: entry.name == "mine")


def test_links_that_lead_out_are_refused_and_others_are_not(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "run_2"
    (run / "deep").mkdir(parents=True)
    elsewhere.mkdir()
    (run / "deep" / "inside").symlink_to("../deep", target_is_directory=True)
    (run / "loop").symlink_to("loop")
    (tmp_path / "way").symlink_to(run)
    refuse_links_out(run)
    refuse_links_out(tmp_path / "way")
    for target in (elsewhere, "../../run_2", "/nowhere", "/"):
        (run / "deep" / "out").symlink_to(target)
        with pytest.raises(OutputError, match=r"run/deep/out is a link that leads out"):
            refuse_links_out(run)
        (run / "deep" / "out").unlink()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path, number: int) -> None:
    target = tmp_path / "result.json"
    write_text(target, "old")

    def full() -> None:
        with atomic_path(target):
            raise OSError(number, os.strerror(number))

    with pytest.raises(OutputError, match=rf"result\.json: can not be written \({os.strerror(number)}\)"):
        full()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.json"]


WRITERS = {
    "text": "from analysis.atomic import write_text; write_text(path, 'x' * 200_000)",
    "root": "from cathode.runtime.tables import write_table; write_table(path, {'x': np.random.rand(50_000)})",
    "h5": "from cathode.runtime.tables import write_table; write_table(path, {'x': np.random.rand(50_000)})",
    "parquet": "from cathode.runtime.tables import write_table; write_table(path, {'x': np.random.rand(50_000)})",
    "npz": "from cathode.diagnostics import Diagnostics; Diagnostics(mass=np.random.rand(50_000)).save(Path(path))",
    "checkpoint": "import torch; from generators.training.checkpoint import write_checkpoint\n"
    "    write_checkpoint(Path(path), {'w': torch.zeros(50_000)})",
    "folder": "from generators.atomic import replace_folder; replace_folder(Path(path), {'w': bytes(200_000)})",
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_limit_of_file_sizes_is_one_named_error_in_every_format(tmp_path: Path, suffix: str) -> None:
    """RLIMIT_FSIZE, as batch systems set it: writes fail with EFBIG in whatever library makes them."""
    target = tmp_path / f"big.{suffix}"
    code = (
        "import resource, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "import analysis.errors, generators.errors\n"
        "path = sys.argv[1]\nresource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        f"try:\n    {WRITERS[suffix]}\n"
        "except (analysis.errors.OutputError, generators.errors.SaveError) as error:\n    sys.exit(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, target],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 1, done.stderr
    assert f"{target}: can not be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_temporary_names_say_whose_they_are(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for prefix in (temporary_prefix("scores"), other._prefix("scores")):
        assert writer_of(f"{prefix}a_c0efgh.root") == (host(), os.getpid())
        assert not is_abandoned(f"{prefix}abcdefgh.root")
        assert is_abandoned(f"{prefix}abcdefgh".replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    for name in (
        ".notes-abcdefgh.txt",
        "scores.root",
        f".x.elsewhere-{dead.pid}-abcdefgh",
        ".x.y-1-short",
        ".nfs0000001",
    ):
        assert not is_abandoned(name)


def test_a_killed_writer_is_swept_by_the_next_one_of_the_same_file_only(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [
        f".{name}.{where}-{dead.pid}-abcdefgh.json" for name in ("result", "other") for where in (host(), "elsewhere")
    ]
    for name in names:
        (tmp_path / name).touch()
    write_text(tmp_path / "result.json", "new")
    assert sorted(os.listdir(tmp_path)) == sorted(["result.json", *names[1:]])
