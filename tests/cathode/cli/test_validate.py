"""What `cathode validate` refuses before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cathode.cli.app import app
from tests.cathode.toys import ANALYSIS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--experiments", "4"), "belongs to `cathode validate --full`"),
        (("--edges", "4"), "--edges belongs to"),
        (("--full", "--signal", "signal.root"), "give both or none"),
        (("--full", "-n", "100"), "give both or none"),
    ],
)
def test_options_that_do_not_belong_together(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    (tmp_path / "analysis.yaml").write_text(ANALYSIS)
    done = CliRunner().invoke(app, ["validate", str(tmp_path / "analysis.yaml"), *options])
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
