"""`cathode tasks`: what a study planned is run, watched, continued and collected from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from analysis.tasks import Task, TaskFolder
from cathode.cli.app import app

WORK = """
from pathlib import Path
from analysis.tasks import task

@task
def halve(place, *, number, needs=None):
    if needs and not Path(needs).exists():
        raise FileNotFoundError(f"no [bold]{Path(needs).name}[/] yet")
    return {"half": number / 2, "none": float("nan")}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "halves_of_tests.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    import importlib

    module = importlib.import_module("halves_of_tests")
    tasks = [Task.of(module.halve, number=n, **({"needs": str(tmp_path / "oil")} if n == 2 else {})) for n in range(4)]
    return TaskFolder.planned(tmp_path / "study", tasks).path


def called(*words: str) -> Any:
    return CliRunner().invoke(app, ["tasks", *words])


def test_from_run_to_collect(folder: Path) -> None:
    assert json.loads(called("status", str(folder), "--json").stdout) == {
        "total": 4,
        "done": 0,
        "left": 4,
        "failures": [],
    }
    ran = called("run", str(folder), "--workers", "1")
    assert ran.exit_code == 3
    assert "3 of 4 tasks are done, 1 failed, 0 left." in ran.stdout
    assert "FileNotFoundError: no [bold]oil[/] yet" in " ".join(ran.stdout.split())
    assert "tasks: 100 %, 4 of 4, 1 failed" in ran.stderr
    assert called("status", str(folder)).exit_code == 0
    refused = called("collect", str(folder))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "1 of 4 tasks are not done, 1 of them failed" in refused.stderr
    partial = json.loads(called("collect", str(folder), "--partial").stdout)
    assert [row["result"]["half"] for row in partial] == [0.0, 0.5, 1.5]
    assert called("run", str(folder), "--quiet").exit_code == 3

    (folder.parent / "oil").touch()
    resumed = called("resume", str(folder), "--workers", "1", "--json")
    assert (resumed.exit_code, json.loads(resumed.stdout)["done"]) == (0, 4)
    rows = json.loads(called("collect", str(folder)).stdout)
    assert [(row["arguments"]["number"], row["result"]) for row in rows] == [
        (number, {"half": number / 2, "none": "NaN"}) for number in range(4)
    ]


def test_a_job_of_an_array(folder: Path) -> None:
    for number in ("0", "1", "3"):
        assert called("run", str(folder), "--task", number).exit_code == 0
    failed = called("run", str(folder), "--task", "2")
    assert failed.exit_code == 3
    assert "no [bold]oil[/] yet" in failed.stderr
    unknown = called("run", str(folder), "--task", "4")
    assert (unknown.exit_code, "name a number from 0 to 3" in unknown.stderr) == (1, True)
    assert json.loads(called("status", str(folder), "--json").stdout)["failures"][0]["reason"] == "error"


@pytest.mark.parametrize("verb", ["run", "resume", "status", "collect"])
def test_no_folder_of_tasks(tmp_path: Path, verb: str) -> None:
    found = called(verb, str(tmp_path / "nowhere"))
    assert found.exit_code == 1
    assert "tasks.json: can not be read" in found.stderr
    assert not (tmp_path / "nowhere").exists()
