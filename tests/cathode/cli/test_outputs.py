"""Every verb that writes: what it is given to read, and what others wrote, is there afterwards as it was before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from analysis.io.manifests import write_manifest
from cathode.cli.app import app
from cathode.commands import train_template
from cathode.config import load_config
from cathode.runtime.tables import write_table

ANALYSIS = """
data: {files: a.root, tree: Events, mass: m, features: {x: x, y: y}, identifiers: entry, checksums: m.sha256}
region: {signal: [3300, 3700], sidebands: [2300, 5300]}
template: {generator: {kind: gaussian_mixture, components: 2, training: {steps: 10}}, oversampling: 2}
classifier: {kind: boosted_trees, members: 1, max_iter: 3}
background_efficiencies: [0.1]
validation: {closure: false, idealised: reference.root}
comparison: {generators: [{kind: gaussian_mixture, components: 2, training: {steps: 10}}]}
folds: 2
threads: 1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ntuple with its analysis, a run, and a run of somebody else."""
    folder = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(4)
    columns = {"m": 2200 + rng.exponential(700, 5_000), "x": rng.normal(size=5_000), "y": rng.normal(size=5_000)}
    write_table(folder / "a.root", columns)
    write_table(folder / "other" / "b.root", columns)
    write_table(folder / "reference.root", {name: values[::-1].copy() for name, values in columns.items()})
    write_manifest([folder / "a.root", folder / "reference.root"], folder / "m.sha256")
    (folder / "analysis.yaml").write_text(ANALYSIS)
    (folder / "soft.root").symlink_to("a.root")
    (folder / "hard.root").hardlink_to(folder / "a.root")
    (folder / "here").symlink_to(".")
    os.mkfifo(folder / "pipe.root")
    (folder / "of_another").mkdir()
    (folder / "of_another" / "analysis.yaml").write_text("of another project")
    before = Path.cwd()
    os.chdir(folder)
    assert CliRunner().invoke(app, ["run", "analysis.yaml", "-o", "run", "--no-report"]).exit_code == 0
    train_template(load_config("analysis.yaml", ["seed=2"]), "another")
    os.chdir(before)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    "command",
    [
        "score run a.root -o a.root",
        "score run a.root -o ./run/../a.root",
        "score run a.root -o soft.root",
        "score run soft.root -o a.root",
        "score run other/*.root -o other/c.root",
        "score run a.root -o run/scores.root",
        "score run a.root -o run/new.root",
        "score run a.root -o run",
        "score run other/b.root -o a.root",
        "score run other/b.root -o hard.root",
        "score run other/b.root -o here/soft.root",
        "score run other/b.root -o reference.root",
        "score run other/b.root -o m.sha256",
        "score run other/b.root -o analysis.yaml",
        "score run a.root -o other/b.root",
        "score run other/b.root -o pipe.root",
        "score run a.root -o analysis.yaml/x.root",
        "run analysis.yaml -o .",
        "run analysis.yaml -o run/..",
        "run analysis.yaml -o other/",
        "run analysis.yaml -o a.root",
        "run analysis.yaml -o another",
        "run analysis.yaml -o here",
        "run analysis.yaml -o pipe.root",
        "run run/config.yaml -o run --set threads=2",
        "validate analysis.yaml -o .",
        "validate analysis.yaml -o other",
        "train analysis.yaml -o .",
        "train analysis.yaml -o run/template",
        "compare analysis.yaml -o .",
        "compare analysis.yaml -o run",
        "demo -o other",
        "sample run -o run/template.root",
        "sample run -o a.root",
        "sample another -o here/a.root",
        "sample another -o hard.root",
        "sample another -o reference.root",
        "sample run -o pipe.root",
        "sample run -o run/template",
        "sample run -o run/template/card.parquet",
        "export run --onnx run",
        "export run --onnx run/template",
        "export run --onnx run/onnx",
        "export run/template --onnx run/template",
        "export run --onnx other",
        "export run --onnx a.root",
        "report other",
        "data fetch lhco-features --folder a.root",
        "data simulate dijets -n 1 -o other",
        "data simulate jets -n 1 -o other",
        "data simulate showers -n 1 -o a.root/x",
        "data simulate pixels -n 1 -o other",
        "calibrate analysis.yaml -o .",
        "calibrate analysis.yaml -o other",
        "calibrate analysis.yaml -o of_another",
        "data manifest a.root -o soft.root",
        "data manifest a.root -o analysis.yaml",
        "data manifest a.root -o pipe.root",
        "data cluster a.root a.root",
        "data cluster a.root soft.root",
    ],
)
def test_refused_before_anything_changes(place: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    before = content(place)
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 1, done.output
    assert "cathode: " in done.stderr
    assert "Traceback" not in done.stderr
    assert content(place) == before


def test_what_harms_nothing_is_done(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run again, from its own settings too; scores beside the data, named apart; a link of a run folder."""
    monkeypatch.chdir(place)
    (place / "way").symlink_to("run")
    for command in (
        "run analysis.yaml -o way --no-report",
        "run run/config.yaml -o run --no-report",
        "score way a.root -o scores_of_a.root",
        "sample run -n 10 -o drawn.parquet",
    ):
        done = CliRunner().invoke(app, command.split())
        assert done.exit_code == 0, done.output
    assert json.loads((place / "run" / "search.json").read_text())["settings"]["seed"] == 1


def test_logs_in_a_new_folder_are_no_obstacle_and_stay(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch system or a shell has opened them before the program begins."""
    pytest.importorskip("onnx")
    monkeypatch.chdir(place)
    logs = ["slurm-123.out", "run.log", "job.err", "cathode.log.1", ".hidden"]
    for folder, command in (
        ("logged", "train analysis.yaml -o logged"),
        ("logged_onnx", "export another --onnx logged_onnx"),
    ):
        (place / folder).mkdir()
        for name in logs:
            (place / folder / name).write_text(name)
        for _ in range(2):
            done = CliRunner().invoke(app, command.split())
            assert done.exit_code == 0, done.output
        assert [(place / folder / name).read_text() for name in logs] == logs
    for name in ("log", "out.put", "notes.txt", "run.login"):
        (place / name).mkdir()
        (place / name / name).write_text("mine")
        assert CliRunner().invoke(app, ["train", "analysis.yaml", "-o", name]).exit_code == 1


def test_scores_without_an_output_go_where_they_are_not_read_the_next_time(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "beside").mkdir()
    (place / "beside" / "b.root").write_bytes((place / "other" / "b.root").read_bytes())
    monkeypatch.chdir(place / "beside")
    for pattern, written in (
        ("*.root", "scores/scores.root"),
        ("*.root", "scores/scores.root"),
        ("b.root", "scores.root"),
    ):
        done = CliRunner().invoke(app, ["score", "../run", pattern, "--set", "data.checksums=true"])
        assert done.exit_code == 0, done.output
        assert done.stdout.endswith(f"\n{written}\n")
        assert Path(written).is_file()
