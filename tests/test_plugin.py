"""The example of a package of one's own, installed, tested and used as its reader would do it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder beside which the package is installed in `site`; there is no way back to its sources."""
    pytest.importorskip("setuptools")
    place = tmp_path_factory.mktemp("plugin")
    # A build leaves its traces in the sources.
    shutil.copytree(PLUGIN, place / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    call(place, "-m", "pip", "install", *offline, "--target", str(place / "site"), str(place / "source"))
    shutil.rmtree(place / "source" / "cathode_example")
    return place


def call(place: Path, *arguments: str) -> str:
    """What Python prints for these arguments, in `place`, with the installed package on its path."""
    path = os.pathsep.join([str(place / "site"), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_own_tests_pass(installed: Path) -> None:
    """They call the contracts that are shipped, one test per check."""
    said = call(installed, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "source/tests")
    passed = int(said.rsplit(" passed", 1)[0].rsplit(maxsplit=1)[-1])
    assert passed >= 50, said


def test_its_parts_enter_from_an_analysis_file(installed: Path) -> None:
    analysis, run = PLUGIN / "analysis.yaml", installed / "run"
    plugin = ["--plugin", "cathode_example"]
    call(installed, "-m", "cathode", "config", "check", str(analysis), *plugin)
    small = ["--set", "data.selection=event % 40 == 0", "--set", "folds=2", "--set", "threads=1"]
    call(installed, "-m", "cathode", "run", str(analysis), *plugin, *small, "--output", str(run), "--no-report")
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    assert result["method"]["kind"] == "moved_sidebands"
    assert result["method"]["classifier"]["kind"] == "quadratic_logistic"
    assert result["mass_model"]["kind"] == "log_polynomial"
