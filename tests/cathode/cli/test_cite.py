"""`cathode cite` prints BibTeX, and names a folder without a run."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from cathode.cli.app import app


def test_the_command_line_names_a_folder_without_a_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["cite", str(tmp_path)])
    assert done.exit_code == 1
    assert "no finished run" in done.stderr
