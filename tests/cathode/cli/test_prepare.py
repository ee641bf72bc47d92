"""`cathode prepare`: a search on its store is the search on the files, to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from typer.testing import CliRunner

from analysis.io.feature_store import FeatureStore
from cathode.cli.app import app

from ..toys import ANALYSIS, toy_events


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    """The events of a toy in three files."""
    events = toy_events(6_000, seed=3)
    for number in range(3):
        columns = {"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1]}
        rows = {name: values[number::3] for name, values in columns.items()}
        pq.write_table(pa.table(rows), tmp_path / f"part_{number}.parquet")
    (tmp_path / "analysis.yaml").write_text(ANALYSIS.replace("events.parquet", "'part_*.parquet'"))
    return tmp_path / "analysis.yaml"


def cathode(*words: object) -> Any:
    return CliRunner().invoke(app, [str(each) for each in words])


def without_places(text: str) -> Any:
    """A result without where its settings came from, when it was made, and how long that took."""
    content = json.loads(text)
    content["config"]["data"].pop("files")
    content.pop("configured")
    content.pop("seconds")
    for training in content["trainings"]:
        training.pop("seconds", None)
    return content


def test_a_search_reads_a_store_as_it_reads_the_files(analysis: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    said = cathode("prepare", analysis, store, "--workers", 2)
    assert said.exit_code == 0, said.output
    assert "6,000 of 6,000 events in 3 of 3 files" in said.stdout
    assert f"--set data.files={store} reads it instead" in " ".join(said.stdout.split())
    assert "prepare: 100 %, 3 of 3 files" in said.stderr
    checked = cathode("config", "check", analysis, "--set", f"data.files={store}").stdout
    # Where a line ends depends on how long the name of the folder is.
    assert "Every expression has a value" in " ".join(checked.split())
    for name, more in (("files", []), ("store", ["--set", f"data.files={store}"])):
        place = tmp_path / "runs" / name / "run"
        ran = cathode("run", analysis, "-o", place, "--no-report", "--quiet", "--set", "store=null", *more)
        assert ran.exit_code == 0, ran.output
    one, other = (tmp_path / "runs" / name / "run" for name in ("files", "store"))
    assert without_places((one / "result.json").read_text()) == without_places((other / "result.json").read_text())
    with uproot.open(one / "scores.root") as a, uproot.open(other / "scores.root") as b:
        left, right = (file["Scores"].arrays(library="np") for file in (a, b))
    assert left.keys() == right.keys()
    assert all(left[name].tobytes() == right[name].tobytes() for name in left)


def test_status_and_account_say_what_is_lost(analysis: Path, tmp_path: Path) -> None:
    (tmp_path / "part_1.parquet").write_bytes(b"PAR1")
    said = cathode("prepare", analysis, tmp_path / "store", "-w", 1, "--retries", 0, "--json")
    assert said.exit_code == 3
    account = json.loads(said.stdout)
    assert (account["files"], account["lost"], account["entries"]) == (3, 1, 4_000)
    assert "part_1.parquet" in account["by_file"][1]["error"]
    assert "1 of 3 files, an estimated" in said.stderr
    assert "The same command tries them again." in said.stderr
    allowed = ["--set", "data.on_error=skip", "--set", "data.max_failed_fraction=0.5"]
    told = cathode("prepare", analysis, tmp_path / "store", "-w", 1, "--retries", 0, *allowed)
    assert (told.exit_code, "are lost, as the analysis allows" in told.stderr) == (0, True)
    assert "Lost" in told.stdout
    strict = cathode("prepare", analysis, tmp_path / "store", "-w", 1, "--retries", 0, *allowed, "--strict", "-q")
    assert (strict.exit_code, strict.stdout) == (3, "")
    # A search on what is there says that something is missing.
    ran = cathode("run", analysis, "-o", tmp_path / "run", "--no-report", "--set", f"data.files={tmp_path / 'store'}")
    assert (ran.exit_code, "tries it again" in ran.stderr) == (1, True)


def test_a_sample_beside_the_data(analysis: Path, tmp_path: Path) -> None:
    sample = ["--set", f"data.auxiliary={{mc: [{tmp_path / 'part_2.parquet'}]}}"]
    assert cathode("prepare", analysis, tmp_path / "mc", "--sample", "mc", "-w", 1, *sample).exit_code == 0
    assert len(FeatureStore.open(tmp_path / "mc")) == 2_000
    wrong = cathode("prepare", analysis, tmp_path / "mb", "--sample", "mb", *sample)
    assert (wrong.exit_code, "Nearest: 'mc'" in wrong.stderr) == (1, True)


def test_a_job_array_prepares_the_same_store(analysis: Path, tmp_path: Path) -> None:
    planned = cathode("prepare", analysis, tmp_path / "array", "--plan")
    assert (planned.exit_code, planned.stdout.strip()) == (0, str(tmp_path / "array" / "files"))
    assert cathode("tasks", "array", tmp_path / "array" / "files", "--system", "slurm").exit_code == 0
    script = tmp_path / "array" / "files" / "array.sbatch"
    for number in (2, 0):
        subprocess.run(
            ["bash", script],
            env={**os.environ, "SLURM_ARRAY_TASK_ID": str(number), "PYTHONPATH": str(Path(__file__).parents[3])},
            check=True,
        )
    assert json.loads(cathode("tasks", "status", tmp_path / "array" / "files", "--json").stdout)["done"] == 2
    assert cathode("prepare", analysis, tmp_path / "array", "-w", 1, "-q").exit_code == 0
    assert cathode("prepare", analysis, tmp_path / "serial", "-w", 1, "-q").exit_code == 0
    one, other = ((tmp_path / name / "store.json").read_bytes() for name in ("array", "serial"))
    assert one == other
