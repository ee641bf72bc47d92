"""Every verb that writes: what it is given to read, and what others wrote, is there afterwards as it was before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cathode.cli.app import app
from cathode.commands import train_template
from cathode.config import load_config
from cathode.runtime.tables import write_table

ANALYSIS = """
data: {files: a.root, tree: Events, mass: m, features: {x: x, y: y}, identifiers: entry}
region: {signal: [3300, 3700], sidebands: [2300, 5300]}
template: {generator: {kind: gaussian_mixture, components: 2, training: {steps: 10}}, oversampling: 2}
classifier: {kind: boosted_trees, members: 1, max_iter: 3}
background_efficiencies: [0.1]
validation: {closure: false}
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
    (folder / "analysis.yaml").write_text(ANALYSIS)
    (folder / "soft.root").symlink_to("a.root")
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
        "score run a.root -o analysis.yaml/x.root",
        "run analysis.yaml -o .",
        "run analysis.yaml -o run/..",
        "run analysis.yaml -o other/",
        "run analysis.yaml -o a.root",
        "run analysis.yaml -o another",
        "run run/config.yaml -o run --set threads=2",
        "validate analysis.yaml -o .",
        "validate analysis.yaml -o other",
        "train analysis.yaml -o .",
        "train analysis.yaml -o run/template",
        "compare analysis.yaml -o .",
        "compare analysis.yaml -o run",
        "demo -o other",
        "sample run -o run/template.root",
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
        "data simulate -n 1 -o other",
        "data simulate -n 1 -o a.root/x",
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
