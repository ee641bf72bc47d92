import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uproot
from typer.testing import CliRunner

from analysis.datasets import describe, embedded
from cathode.cli import searches
from cathode.cli.app import app
from cathode.cli.terminal import PlainLines, Terminal
from cathode.config import load_config
from cathode.result import SearchResult
from cathode.runtime.progress import silent

HEAVY = ("torch", "matplotlib", "sklearn", "uproot", "awkward", "scipy", "pandas", "lightning_fabric")


def cathode(*arguments: object, **more: object):
    return CliRunner().invoke(app, [str(a) for a in arguments], **more)


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    path = tmp_path / "analysis.yaml"
    path.write_text("data: {files: 'embedded:dijets'}\nregion: {signal: [3300, 3700]}\n")
    return path


@pytest.mark.parametrize("statement", ["import cathode", "import cathode.cli.app", "import analysis, generators"])
def test_importing_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_is_fast_and_light_and_names_every_verb() -> None:
    code = (
        "import sys, time, resource\n"
        "sys.argv = ['cathode', '--help']\n"
        "from cathode.cli import main\n"
        "try: main()\n"
        "except SystemExit as leave: assert not leave.code\n"
        f"assert not [m for m in {HEAVY} if m in sys.modules]\n"
        "print('CPU', resource.getrusage(resource.RUSAGE_SELF).ru_utime)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, _, seconds = done.stdout.rpartition("CPU ")
    assert float(seconds) < 0.5
    for verb in [
        "demo",
        "run",
        "validate",
        "compare",
        "train",
        "sample",
        "export",
        "score",
        "report",
        "config",
        "data",
        "doctor",
    ]:
        assert f"│ {verb} " in text


def test_module_and_script_are_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "cathode", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cathode-hep ")


def test_a_mistake_of_the_user_is_one_message_on_stderr_and_status_1(analysis: Path) -> None:
    done = cathode("run", analysis, "--set", "region.sgnal=3", "--json")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == "cathode: --set: region.sgnal: unknown key (value 3). Nearest: 'signal'.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "none.yaml"),
        ("validate", "none.yaml"),
        ("compare", "none.yaml"),
        ("train", "none.yaml"),
        ("report", "nowhere"),
        ("score", "nowhere", "a.root"),
        ("sample", "nowhere"),
        ("export", "nowhere", "--onnx", "out"),
        ("config", "check", "none.yaml"),
        ("data", "fetch", "none"),
        ("run", "none.yaml", "--plugin", "no_such_module"),
    ],
)
def test_what_is_not_there_is_a_user_error(arguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = cathode(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("cathode: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_misspelt_verb_or_option_is_status_2() -> None:
    assert cathode("rnu").exit_code == 2
    assert cathode("demo", "--jsn").exit_code == 2
    assert cathode("data", "simulate", "muons").exit_code == 2


def test_a_bug_is_not_dressed_up_as_a_user_error(analysis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cathode.commands.run_analysis", lambda *a, **k: 1 / 0)
    assert isinstance(cathode("run", analysis).exception, ZeroDivisionError)


def test_an_interrupt_says_how_to_go_on(analysis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cathode.commands.run_analysis", interrupted)
    done = cathode("run", analysis)
    assert done.exit_code == 130
    assert "continues where it stopped" in done.stderr


@pytest.fixture
def finished(result: SearchResult, monkeypatch: pytest.MonkeyPatch) -> SearchResult:
    monkeypatch.setattr("cathode.commands.run_analysis", lambda *a, **k: result)
    return result


def test_json_is_the_result_and_nothing_else(finished: SearchResult, analysis: Path) -> None:
    done = cathode("run", analysis, "--json")
    assert SearchResult.from_json(done.stdout) == finished
    assert done.stderr == ""


def test_the_table_names_every_number_of_the_verdict(finished: SearchResult, analysis: Path) -> None:
    done = cathode("run", analysis, "-o", "elsewhere")
    for cut in finished.cuts:
        assert f"{cut.observed:g}" in done.stdout
        assert f"{cut.significance:.1f} σ" in done.stdout
    assert finished.warnings[0] in " ".join(done.stdout.split())


def test_quiet_is_silent(finished: SearchResult, analysis: Path) -> None:
    done = cathode("run", analysis, "--quiet")
    assert (done.stdout, done.stderr, done.exit_code) == ("", "", 0)


@pytest.mark.parametrize(("passed", "strict", "status"), [(True, True, 0), (False, True, 3), (False, False, 0)])
def test_failed_validation_is_status_3_only_if_strict(
    result: SearchResult, analysis: Path, monkeypatch: pytest.MonkeyPatch, passed: bool, strict: bool, status: int
) -> None:
    judged = replace(result, closures=tuple(replace(c, passed=passed) for c in result.closures))
    monkeypatch.setattr("cathode.commands.run_analysis", lambda *a, **k: judged)
    assert cathode("run", analysis, *(["--strict"] if strict else [])).exit_code == status
    assert searches.VALIDATION_FAILED == 3


def test_example_passes_its_own_check(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(cathode("config", "example").stdout)
    assert cathode("config", "check", tmp_path / "a.yaml").exit_code == 0
    resolved = cathode("config", "check", tmp_path / "a.yaml", "--resolved").stdout
    (tmp_path / "b.yaml").write_text(resolved)
    assert cathode("config", "check", tmp_path / "b.yaml", "--resolved").stdout == resolved


def test_schema_is_json() -> None:
    assert "region" in json.loads(cathode("config", "schema").stdout)["properties"]


def test_data_list_names_what_is_embedded() -> None:
    listed = json.loads(cathode("data", "list", "--json").stdout)
    assert Path(listed["embedded"]["dijets"]["path"]).is_file()
    assert "lhco-features" in {entry["name"] for entry in listed["fetchable"]}
    assert "embedded:dijets" in cathode("data", "list").stdout


def test_fetch_offline_says_what_to_do(tmp_path: Path) -> None:
    done = cathode("data", "fetch", "lhco-features", "--offline", "--folder", tmp_path)
    assert done.exit_code == 1
    assert "download https://" in done.stderr


def test_a_manifest_is_written_and_compared(tmp_path: Path, analysis: Path) -> None:
    ntuple = tmp_path / "a.root"
    ntuple.write_bytes(embedded("dijets").read_bytes())
    done = cathode("data", "manifest", ntuple, "-o", tmp_path / "m.sha256", "--json")
    assert json.loads(done.stdout)["files"] == {str(ntuple): describe("dijets")["sha256"]}
    analysis.write_text("data: {files: a.root, checksums: m.sha256}\nregion: {signal: [3300, 3700]}\n")
    assert load_config(analysis).read_events().sources[0].verified_by == "SHA-256"
    refused = cathode("data", "manifest", ntuple, "-o", ntuple)
    assert refused.exit_code == 1
    assert "Choose another output" in refused.stderr


def test_what_comes_with_the_package_is_verified(analysis: Path) -> None:
    assert load_config(analysis).read_events().sources[0].verified_by == "SHA-256"


def test_batch_log_has_a_line_per_stage_not_per_step(capsys: pytest.CaptureFixture[str]) -> None:
    say = PlainLines()
    for step in range(1001):
        say("generator", step, 1000, "loss 1.0")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("generator: 0 %")
    assert lines[-1].startswith("generator: 100 %, loss 1.0")
    assert len(lines) == 2


def test_silent_terminals_offer_no_progress() -> None:
    for terminal in (Terminal(json=True), Terminal(quiet=True)):
        with terminal.progress() as progress:
            assert progress is silent


def test_check_shows_what_every_branch_is_taken_for(tmp_path: Path) -> None:
    n = 50
    columns = {"m4l": np.full(n, 300e3), "jet_pt": np.full(n, 50_000, "i4"), "jet_eta": np.full(n, 0.5)}
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("t", {k: v.dtype for k, v in columns.items()}).extend(columns)
    (tmp_path / "a.yaml").write_text(
        "data: {files: a.root, units: MeV, mass: m4l, selection: m4l > 100, identifiers: entry,"
        " features: {pt: jet_pt, eta: jet_eta}}\nregion: {signal: [200, 400]}\n"
    )
    done = cathode("config", "check", tmp_path / "a.yaml")
    assert done.exit_code == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if len(line.split()) == 3}
    assert rows == {"m4l": ["MeV", "300"], "jet_pt": ["MeV", "50"], "jet_eta": ["none", "0.5"]}


def test_a_plugin_that_can_not_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin_that_raises.py").write_text("\nraise ValueError('no such device')\n")
    (tmp_path / "plugin_with_a_slip.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    for module, said in (
        ("plugin_that_raises", "ValueError, line 2 of .*plugin_that_raises.py: no such device"),
        ("plugin_with_a_slip", "SyntaxError: .*line 1"),
        ("../plugin", "no name of a module"),
        (".plugin", "no name of a module"),
        ("", "no name of a module"),
        ("plugin.py", "No module named 'plugin'"),
    ):
        done = cathode("config", "schema", "--plugin", module)
        assert done.exit_code == 1, done.output
        assert re.search(f"^cathode: --plugin {re.escape(module)}: {said}", done.stderr), done.stderr
