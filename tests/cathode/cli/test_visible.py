"""Names of files and branches can not command the terminal, by errors, tables, JSON, logs or the report."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import uproot
from typer.testing import CliRunner

from analysis.printing import VisibleFormatter, visible, visible_json
from cathode.cli.app import app
from cathode.cli.terminal import Terminal

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eoot"
COMMANDS = ("\x1b", "\x07", "\x9b", "\u202e")


def harmless(text: str) -> bool:
    return not any(command in text for command in COMMANDS)


def test_commands_are_written_out_and_text_stays() -> None:
    assert harmless(visible(EVIL))
    assert visible("tab\tline\nµ → é 漢") == "tab\tline\nµ → é 漢"
    assert visible("\udcff") == "\\udcff"
    assert json.loads(visible_json(json.dumps(EVIL, ensure_ascii=False))) == EVIL


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    analysis = tmp_path / "a.yaml"
    analysis.write_text(f"data: {{files: {json.dumps(EVIL + '.root')}}}\nregion: {{signal: [1, 2]}}\n")
    for arguments in (["run", str(analysis)], ["config", "check", str(analysis)], ["run", EVIL + ".yaml"]):
        done = CliRunner().invoke(app, arguments)
        assert harmless(done.stdout + done.stderr), arguments
    assert "\\x1b" in done.stderr


def test_a_branch_of_a_file(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("t", {f"x{EVIL}": "f8"}).extend({f"x{EVIL}": [1.0]})
    (tmp_path / "a.yaml").write_text("data: {files: a.root, mass: x}\nregion: {signal: [1, 2]}\n")
    done = CliRunner().invoke(app, ["run", str(tmp_path / "a.yaml")])
    assert done.exit_code == 1
    assert harmless(done.stderr)


def test_tables_json_and_logs(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table("name")
    table.add_row(EVIL)
    Terminal().show(table, f"{EVIL} is in order.")
    Terminal(json=True).result({"path": EVIL})
    said: Any = capsys.readouterr().out
    assert harmless(said)
    record = logging.LogRecord("a", logging.WARNING, "", 0, "'%s' again", (EVIL,), None)
    assert harmless(VisibleFormatter("%(message)s").format(record))
