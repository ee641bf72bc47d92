"""`cathode export` on generators as they are saved, and on what `cathode run` leaves."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import generators
from cathode.cli.app import app
from cathode.template.export import export_onnx
from generators.registry import create

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TRAINING = {"steps": 5, "batch_size": 128, "ema_decay": None}


def cathode(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def saved(folder: Path, **specification: object) -> Path:
    rng = np.random.default_rng(1)
    mass = rng.uniform(2000, 5000, (300, 1))
    x = rng.standard_normal((300, 2)) + mass / 1000
    generator = create({"hidden": 8, "training": TRAINING, **specification}).fit(x, mass, seed=1)
    generator.columns_, generator.units_ = ("mj_light", "delta_mj"), ("GeV", "GeV")
    return generators.save(generator, folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `cathode run` leaves it: the generator is in `template`."""
    folder = tmp_path_factory.mktemp("run")
    saved(folder / "template", kind="linear_flow")
    return folder


def test_files_compute_what_the_template_does(run: Path, tmp_path: Path) -> None:
    done = cathode("export", run, "--onnx", tmp_path / "out")
    assert done.exit_code == 0, done.output
    paths = [tmp_path / "out" / name for name in ("sampler.onnx", "log_prob.onnx")]
    assert done.stdout.split() == [str(path) for path in paths]
    template = generators.load(run / "template")
    mass = np.linspace(3300, 3700, 7)[:, None]
    x = np.asarray(template.sample(mass, seed=2), np.float64)
    density = onnxruntime.InferenceSession(paths[1])
    assert np.allclose(density.run(None, {"x": x, "context": mass})[0], template.log_prob(x, mass), rtol=1e-5)
    assert json.loads(density.get_modelmeta().custom_metadata_map["columns"]) == ["mj_light", "delta_mj"]
    (drawn,) = onnxruntime.InferenceSession(paths[0]).run(None, {"context": mass, "noise": np.zeros((7, 2))})
    assert (np.diff(drawn, axis=0) > 0).all(), "the median rises with the mass, as in training"


def test_a_saved_generator_does_as_well_and_json_names_the_files(run: Path, tmp_path: Path) -> None:
    said = json.loads(cathode("export", run / "template", "--onnx", tmp_path, "--json").stdout)
    assert said["files"] == {name: str(tmp_path / f"{name}.onnx") for name in ("sampler", "log_prob")}
    assert said["refused"] == {}


def test_what_can_not_be_exported_is_said_beside_what_can(tmp_path: Path) -> None:
    folder = saved(tmp_path / "saved", kind="flow_matching", layers=1, log_density="hutchinson", density_steps=1)
    done = cathode("export", folder, "--onnx", tmp_path / "out")
    assert done.exit_code == 0
    assert done.stdout.split() == [str(tmp_path / "out" / "sampler.onnx")]
    assert "'hutchinson' takes random directions, 'exact' would do without" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sampler.onnx"]
    assert export_onnx(folder, tmp_path / "out").refused.keys() == {"log_prob"}


def test_nothing_to_export_is_one_message(tmp_path: Path) -> None:
    pytest.importorskip("torchdiffeq")
    folder = saved(tmp_path / "saved", kind="flow_matching", layers=1, solver="dopri5")
    done = cathode("export", folder, "--onnx", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr.startswith("cathode: The sampler of this 'flow_matching' can not be written as a graph")
    assert not (tmp_path / "out").exists()


def test_without_the_extra_the_message_says_how_to_get_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else found(name))
    done = cathode("export", run, "--onnx", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr == ("cathode: ONNX files need onnx, which is not installed: pip install 'cathode-hep[onnx]'.\n")


def test_an_altered_template_is_refused(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "altered")
    weights = folder / "template" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    done = cathode("export", folder, "--onnx", tmp_path / "out")
    assert done.exit_code == 1
    assert not (tmp_path / "out").exists()
