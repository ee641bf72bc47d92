"""A kill at any moment leaves the old file or the new one."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.atomic import atomic_path, write_text


def test_success_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "result.json"
    write_text(target, "old")
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".json"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["result.json"]


def test_a_reader_of_the_old_file_keeps_the_old_file(tmp_path: Path) -> None:
    """The new content is another file under the same name, so nobody ever sees a mixture."""
    target = tmp_path / "result.json"
    write_text(target, "old")
    with open(target) as reader:
        write_text(target, "new")
        assert reader.read() == "old"
    assert target.read_text() == "new"


def test_failure_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_text(target, "old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.json"]


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "shared.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared.txt").stat().st_mode) == 0o640


def test_a_kill_leaves_a_complete_file(tmp_path: Path) -> None:
    target = tmp_path / "numbers.txt"
    size = 2_000_000
    program = (
        "import sys\n"
        "from analysis.atomic import write_text\n"
        f"for i in range(10**6): write_text(sys.argv[1], str(i % 10) * {size})\n"
    )
    for pause in (0.0, 0.02, 0.05):
        child = subprocess.Popen([sys.executable, "-c", program, str(target)])
        while not target.exists():
            time.sleep(0.01)
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        child.wait()
        text = target.read_text()
        assert len(text) == size
        assert len(set(text)) == 1
        target.unlink()
