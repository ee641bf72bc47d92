"""`cathode inject` and `cathode limit` where there is nothing to work with."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cathode.cli.app import app


@pytest.mark.parametrize(
    "arguments",
    [
        ["limit", "none"],
        ["inject", "none.yaml", "--signal", "s.root", "-n", "10"],
        ["inject", "none.yaml", "-n", "10"],
        ["inject", "none.yaml", "--signal", "s.root", "-n", "-3"],
    ],
)
def test_a_named_error_and_nothing_written(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code != 0
    assert "Traceback" not in done.output
    assert done.output.strip() or str(done.exception)
    assert list(tmp_path.iterdir()) == []
