"""The cheap configuration: every stage of a search, in seconds, from the command line and from the wheel."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cathode.cli.app import app
from cathode.config import embedded_text, parse_config
from cathode.config.documents import EMBEDDED_FILES
from cathode.result import SearchResult


def found(**overrides: Any) -> SearchResult:
    config = parse_config(embedded_text("cheap"), overrides={"threads": 1, **overrides})
    return config.search().run(config.read_events())


def test_it_is_what_it_says() -> None:
    config = parse_config(embedded_text("cheap"))
    search = config.search()
    assert (search.method.kind, search.folds, search.closure, config.store) == ("cathode", 3, True, None)
    assert config.template.generator.kind == "autoregressive_spline"
    assert config.classifier.kind == "boosted_trees"


def test_it_runs_on_fewer_events() -> None:
    result = found(
        **{
            "data.selection": "nFatJet >= 2 and event % 60 == 0",
            "template.generator.training.steps": 5,
            "classifier.members": 1,
        }
    )
    (cut,) = result.cuts
    assert cut.expected > 1
    assert len(result.closures) == 2


def test_the_command_line_prints_what_comes_with_the_package() -> None:
    for name in EMBEDDED_FILES:
        assert CliRunner().invoke(app, ["config", "example", name]).stdout == embedded_text(name)
    assert CliRunner().invoke(app, ["config", "example"]).stdout == embedded_text("example")
    refused = CliRunner().invoke(app, ["config", "example", "chaep"])
    assert refused.exit_code == 1
    assert "Nearest: 'cheap'." in refused.stderr
    assert CliRunner().invoke(app, ["config", "example", "../configs/demo"]).exit_code == 1


@pytest.mark.slow
def test_it_costs_what_it_says(tmp_path: Path) -> None:
    """In CPU seconds, which other programs hardly change; and the template closes."""
    start = time.process_time()
    result = found()
    assert time.process_time() - start < 30
    assert all(closure.auc < 0.52 for closure in result.closures)
    (tmp_path / "cheap.yaml").write_text(embedded_text("cheap"))
    command = [sys.executable, "-m", "cathode", "run", "cheap.yaml", "-o", "run", "--no-report", "--quiet"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cheap.yaml", "run"]
