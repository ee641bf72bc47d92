"""Options that several verbs share."""

from __future__ import annotations

import ast
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cathode.cli
from cathode.cli.app import app
from cathode.cli.options import load_plugins, with_store
from cathode.errors import ConfigError


def test_a_store_starts_from_where_the_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert with_store(["a=1"], None) == ["a=1"]
    (override,) = with_store(None, Path("my store"))
    key, _, value = override.partition("=")
    assert key == "store"
    assert json.loads(value) == str(tmp_path / "my store")


@pytest.mark.parametrize(
    ("content", "said"),
    [("import no_such_module", "PYTHONPATH"), ("x = 1 / 0", "ZeroDivisionError, line 1"), ("x = (", "SyntaxError")],
)
def test_what_is_wrong_with_a_plugin_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    (tmp_path / "a_wrong_plugin.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=said):
        load_plugins(["a_wrong_plugin"])
    sys.modules.pop("a_wrong_plugin", None)


@pytest.mark.parametrize("name", ["../plugin", "my-plugin.py", "a b", ""])
def test_a_file_is_no_name_of_a_module(name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a module"):
        load_plugins([name])


@pytest.mark.parametrize(
    "words",
    ["-q config example cheap", "config -q example cheap", "config example cheap -q", "config -v example cheap -q -v"],
)
def test_loud_and_quiet_are_taken_at_every_level(words: str) -> None:
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 0, done.output
    assert "classifier" in done.stdout


def test_a_verb_that_can_be_quiet_is_so_from_every_level(tmp_path: Path) -> None:
    path = tmp_path / "cheap.yaml"
    path.write_text(CliRunner().invoke(app, ["config", "example", "cheap"]).stdout, encoding="utf-8")
    for words in (["-q", "config", "check", path], ["config", "-q", "check", path], ["config", "check", path, "-q"]):
        done = CliRunner().invoke(app, [str(each) for each in words])
        assert (done.exit_code, done.output) == (0, "")


def test_a_run_is_no_analysis_file_and_is_told_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    done = CliRunner().invoke(app, ["run", str(tmp_path)])
    assert done.exit_code == 1
    assert "is a run, no analysis file" in done.stderr
    assert "compare-runs" in done.stderr


def test_what_several_verbs_share_is_declared_once() -> None:
    said = Counter(
        ast.unparse(argument.annotation)
        for file in Path(cathode.cli.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for argument in node.args.args
        if argument.annotation is not None
    )
    options = {text: number for text, number in said.items() if text.startswith("Annotated")}
    assert len(options) > 30
    assert not [text for text, number in options.items() if number > 1]


@pytest.mark.parametrize("verb", [["sample", "run"], ["data", "simulate", "dijets"], ["data", "simulate", "showers"]])
def test_a_negative_seed_is_refused(verb: list[str]) -> None:
    done = CliRunner().invoke(app, [*verb, "--seed", "-1", "--output", "x"])
    assert done.exit_code == 2
    assert "--seed" in done.output
