"""What a publisher fills in is listed in one place, and the container offers what its description says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
#: Where a user writes in the container.
TEMPORARY = "/tmp"


def logical_lines() -> list[str]:
    """Instructions of the Dockerfile, continued lines as one."""
    text = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#"))
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def environment() -> dict[str, str]:
    """What ENV says."""
    (line,) = (line for line in logical_lines() if line.startswith("ENV "))
    return dict(each.split("=", 1) for each in shlex.split(line)[1:])


def test_placeholders_are_listed_in_one_place() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = text[text.index("## Before the first release") :]
    listed = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)
    }
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("not a checkout")
    marked = {
        name
        for name in tracked
        if not name.startswith(("tests/", "docs/"))
        and name not in ("CONTRIBUTING.md", "CHANGELOG.md")
        and (ROOT / name).is_file()
        and b"PLACEHOLDER" in (ROOT / name).read_bytes()
    }
    assert marked == listed


def test_the_container_starts_the_command_and_asks_for_the_tested_versions() -> None:
    lines = logical_lines()
    assert 'ENTRYPOINT ["cathode"]' in lines
    assert "cathode" in PROJECT["scripts"]
    (install,) = (line for line in lines if "pip install" in line)
    assert "-c /source/constraints.txt" in install
    assert "https://download.pytorch.org/whl/cpu" in install
    version = re.search(r"FROM python:(3\.\d+)-slim$", DOCKERFILE, re.MULTILINE)
    assert version is not None
    assert f"Programming Language :: Python :: {version[1]}" in PROJECT["classifiers"]
    assert "build" in (ROOT / ".dockerignore").read_text("utf-8").split()


def test_everything_that_is_written_goes_where_any_user_may_write() -> None:
    found = environment()
    for name in ("HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
        assert found[name].startswith(TEMPORARY), name
    assert found["PYTHONDONTWRITEBYTECODE"] == "1"
    assert "--read-only --tmpfs /tmp --user" in DOCKERFILE


def test_a_search_file_is_checked_with_nothing_but_a_temporary_folder(tmp_path: Path) -> None:
    """With the environment of the container, all that appears is below its temporary folder."""
    temporary, work = tmp_path / "tmp", tmp_path / "work"
    for folder in (temporary, work):
        folder.mkdir()
    variables = {
        name: value.replace(TEMPORARY, str(temporary)) for name, value in environment().items() if name != "PATH"
    }
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    script = (
        "import matplotlib.font_manager, matplotlib; from analysis.compiled import compiled; "
        "from cathode.config import embedded_text, parse_config; parse_config(embedded_text('cheap'), name='cheap'); "
        "from analysis.datasets.fetch import data_folder; print(matplotlib.get_cachedir()); print(data_folder())"
    )
    work.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=work, env={**kept, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(temporary)) for line in done.stdout.split())
    assert not [*work.iterdir()]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="mounts need root")
def test_another_user_searches_on_a_read_only_root() -> None:
    """As `docker run --read-only --tmpfs /tmp --user`, by hand: this machine as it is, but not to be written to."""
    variables = " ".join(f"{name}={value}" for name, value in environment().items() if name != "PATH")
    as_user = (
        "setpriv --reuid=12345 --regid=12345 --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
    )
    python = f"{shlex.quote(sys.executable)} -m cathode"
    search = (
        f"cd /tmp && {python} config example cheap >cheap.yaml && {python} run cheap.yaml -o run --no-report >log && "
        "test -f run/result.json && ! touch /cathode-was-here 2>/dev/null"
    )
    script = f"""
        mount --bind / /mnt && mount -o remount,bind,ro /mnt && mount -t tmpfs -o mode=1777 tmpfs /mnt/tmp &&
        mount --rbind /proc /mnt/proc && mount --rbind /dev /mnt/dev &&
        chroot /mnt {as_user} env {variables} OMP_NUM_THREADS=1 sh -c {shlex.quote(search)}"""
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if "mount" in done.stderr and "permission denied" in done.stderr.lower():
        pytest.skip("mounts are not allowed here")
    assert done.returncode == 0, done.stderr
