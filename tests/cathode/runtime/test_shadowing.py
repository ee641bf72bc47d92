from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = "import sys; from cathode.cli import main; sys.argv = ['cathode', *sys.argv[1:]]; main()"


@pytest.fixture(params=["file", "package", "folder"])
def crowded(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder in which a user has an analysis and generators of another kind."""
    if request.param == "file":
        (tmp_path / "analysis.py").write_text("raise RuntimeError('imported the file of the user')\n")
    else:
        (tmp_path / "analysis").mkdir()
        (tmp_path / "analysis" / "events.py").write_text("raise RuntimeError('imported the file of the user')\n")
        if request.param == "package":
            (tmp_path / "analysis" / "__init__.py").write_text("")
    (tmp_path / "generators").mkdir()
    (tmp_path / "generators" / "pythia.py").write_text("")
    return tmp_path


def call(folder: Path, *arguments: str, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("verb", [["--help"], ["config", "example"]])
def test_python_m_does_not_see_the_current_folder(crowded: Path, verb: list[str]) -> None:
    done = call(crowded, "-m", "cathode", *verb)
    assert done.returncode == 0, done.stderr
    assert "cathode" in done.stdout


def test_the_console_command_does_not_see_the_current_folder(
    crowded: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A console script is a file elsewhere: Python puts its folder in front and not the current one."""
    script = tmp_path_factory.mktemp("bin") / "cathode"
    script.write_text(COMMAND)
    done = call(crowded, str(script), "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


@pytest.mark.parametrize(
    "statement", ["import cathode", "from cathode import Region", "from cathode.search import Search"]
)
def test_a_shadow_is_called_by_name(crowded: Path, statement: str) -> None:
    if (crowded / "analysis").is_dir() and not (crowded / "analysis" / "__init__.py").exists():
        # A folder without __init__.py gives way to a real package, wherever that is.
        assert call(crowded, "-c", statement).returncode == 0
        return
    done = call(crowded, "-c", statement)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "ShadowedPackageError" in last
    assert str(crowded / "analysis") in last
    assert "Rename" in last


def test_a_path_of_ones_own_stays_and_is_named(crowded: Path) -> None:
    if (crowded / "analysis").is_dir() and not (crowded / "analysis" / "__init__.py").exists():
        return
    done = call(crowded, "-m", "cathode", "--help", path=os.pathsep.join([str(crowded), str(ROOT)]))
    assert done.returncode == 1
    assert done.stderr.startswith("cathode: The module")
    assert "PYTHONPATH" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_console_command_names_a_shadow_without_a_traceback(
    crowded: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    script = tmp_path_factory.mktemp("bin") / "cathode"
    script.write_text(COMMAND)
    (crowded / "generators" / "__init__.py").write_text("")
    done = call(crowded, str(script), "--help", path=os.pathsep.join([str(crowded), str(ROOT)]))
    assert done.returncode == 1
    assert done.stderr.startswith("cathode: The module")
    assert str(crowded) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_own_folder_of_the_package_is_no_shadow() -> None:
    assert call(ROOT, "-m", "cathode", "--help", path="").returncode == 0
    assert call(ROOT, "-c", "import cathode; cathode.Region", path="").returncode == 0


@pytest.mark.parametrize("theirs", ["cathode.py", "cathode/config.py", "cathode/__init__.py"])
def test_a_cathode_of_the_user_does_not_hide_the_command(
    theirs: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`python -m cathode` asks Python for whatever has this name, first here: only -P keeps it from that."""
    script = tmp_path_factory.mktemp("bin") / "cathode"
    script.write_text(COMMAND)
    (tmp_path / theirs).parent.mkdir(exist_ok=True)
    (tmp_path / theirs).write_text("raise RuntimeError('imported the file of the user')\n")
    for command in ([str(script)], ["-P", "-m", "cathode"]):
        done = call(tmp_path, *command, "--help")
        assert done.returncode == 0, done.stderr
        assert "Usage" in done.stdout
