"""`make release-check` uses every extra that the package declares, and takes what fails for a failure."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cathode.runtime import doctor
from tools import check_extras

ROOT = Path(__file__).parents[1]
EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


def test_every_extra_has_a_job_and_no_other() -> None:
    assert {*check_extras.JOBS} == {*EXTRAS}


def test_the_doctor_knows_every_extra_that_a_user_installs() -> None:
    assert {*doctor.EXTRAS} == {*EXTRAS} - {"dev", "docs"}


def test_constraints_hold_every_package_of_every_extra() -> None:
    held = {
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    }
    wanted = {re.split(r"[>=<\[ ]", each)[0].lower() for packages in EXTRAS.values() for each in packages}
    assert {re.sub(r"[-_.]+", "-", each) for each in wanted} <= held


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_job_says_in_its_words_what_it_does_and_asserts_or_fails(extra: str) -> None:
    job = check_extras.JOBS[extra]
    tree = ast.parse(inspect.getsource(job))
    assert job.__doc__
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    # `create` and `export_sampler` refuse without the extra.
    assert any(isinstance(node, ast.Assert) for node in ast.walk(tree)) or calls & {"export_sampler", "subprocess.run"}


def test_what_fails_is_said_and_ends_with_a_status(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    asked: list[list[str]] = []

    def done(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, int("onnx" in command))

    monkeypatch.setattr(check_extras.subprocess, "run", done)
    monkeypatch.setattr(sys, "argv", ["check_extras.py", str(tmp_path), "a.whl", "--", "--extra-index-url", "there"])
    assert check_extras.main() == 1
    said = capsys.readouterr().out
    assert "extra onnx: FAILED" in said
    assert said.count(": good") == len(EXTRAS) - 1
    installs = [each for each in asked if "pip" in each]
    assert [each[-1].partition("[")[2] for each in installs] == [f"{extra}]" for extra in check_extras.JOBS]
    assert all("--extra-index-url" in each and str(ROOT / "constraints.txt") in each for each in installs)


@pytest.mark.slow
@pytest.mark.parametrize("extra", ["flows", "onnx", "simulation", "dask", "docs", "dev"])
def test_jobs_succeed_where_their_extra_is_installed(extra: str) -> None:
    subprocess.run([sys.executable, str(ROOT / "tools" / "check_extras.py"), "--use", extra], check=True)
