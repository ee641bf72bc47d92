"""What the documentation says is true: its links lead somewhere, its code runs, its commands and YAML are accepted."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import pytest
import typer
from typer.testing import CliRunner

from analysis.datasets import embedded
from cathode.cli.app import app
from generators.registry import kinds
from tools.run_tutorials import GALLERY, TUTORIALS, page_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXTENDING = ROOT / "docs" / "extending.md"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    """A fenced block; `file` is the name in its first line if that is a comment with one."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def file(self) -> str | None:
        found = re.match(r"# ([\w.-]+\.(?:py|yaml))\n", self.text)
        return found[1] if found else None

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def blocks(*pages: Path, language: str) -> list[Block]:
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            found.append(Block(page, text[: match.start()].count("\n") + 1, match[1], match[2]))
    return [block for block in found if block.language == language]


def commands(page: Path) -> Iterator[list[str]]:
    """Every command line of the console blocks."""
    for block in blocks(page, language="console"):
        for line in block.text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|>", line):
                yield [word for word in shlex.split(part, comments=True) if not re.fullmatch(r"[A-Z_]+=\S*", word)]


def mentions(page: Path) -> Iterator[list[str]]:
    """Commands named in the text, perhaps without what they need: `cathode score`, `make test`."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for inline in re.findall(r"`((?:cathode|make|python) [^`]+)`", prose):
        yield shlex.split(inline.replace("…", ""))


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


# --- links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, fragment = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{target} of {name_of(page)} does not exist"
        assert place.is_relative_to(ROOT), f"{target} of {name_of(page)} leaves the repository"
        if fragment:
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), f"{target} of {name_of(page)}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_named_in_the_text_exist(page: Path) -> None:
    """`analysis/expressions/`, `examples/search.py` … in code font are files of the repository."""
    for named in re.findall(
        r"`((?:analysis|generators|cathode|tests|examples|configs|benchmarks)/[\w./-]+)`", page.read_text("utf-8")
    ):
        assert (ROOT / named).exists(), f"{named} of {name_of(page)}"


def test_what_is_said_to_be_here_is_in_a_file_that_is_there() -> None:
    """The table of `docs/peers.md`: as many cells in every row, and a file of the repository for each "yes"."""
    lines = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert len(rows) > 20
    assert {len(row) for row in rows} == {9}
    for what, here, where, *peers in rows[3:]:
        assert {here, *peers} <= {"yes", "part", "–", "?"}, what
        files = re.findall(r"`([^`]+)`", where)
        assert bool(files) == (here in {"yes", "part"}), what
        assert all((ROOT / file).is_file() for file in files), f"{where} of {what}"


def test_decisions_are_numbered_without_a_gap() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, file in enumerate(files, start=1):
        assert file.name.startswith(f"{number:04d}-")
        title, *rest = file.read_text(encoding="utf-8").splitlines()
        assert title.startswith(f"# {number}. ")
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert any(line.startswith(part) for line in rest), f"{file.name} has no {part}"


# --- commands -----------------------------------------------------------------------------------------------------


def accept(arguments: list[str]) -> None:
    """Let the parser of the command line read `arguments`, without doing anything."""
    command = typer.main.get_command(app)
    context = command.make_context("cathode", arguments)
    while hasattr(command, "resolve_command"):
        rest = [*getattr(context, "_protected_args", []), *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def accept_any(program: str, arguments: list[str], page: Path) -> None:
    """The same for every program that the pages name."""
    if program == "cathode":
        accept(arguments)
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in arguments:
            assert "=" in target or re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    elif program == "python" and not arguments[0].startswith("-"):
        files = {block.file for block in blocks(page, language="python")}
        assert arguments[0] in files or (ROOT / arguments[0]).is_file(), arguments[0]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_accepted(page: Path) -> None:
    for program, *arguments in filter(None, commands(page)):
        accept_any(program, arguments, page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_named_in_the_text_exist(page: Path) -> None:
    for program, *arguments in mentions(page):
        try:
            accept_any(program, arguments, page)
        except Exception as error:
            # Of a verb alone its arguments are missing, of a group its verb, and --help leaves. By name, because
            # typer has its own copy of click, or not, depending on its version.
            if type(error).__name__ not in {"MissingParameter", "NoArgsIsHelpError", "Exit"}:
                raise


@pytest.mark.parametrize(
    "wrong", [["rum", "a.yaml"], ["run"], ["run", "a.yaml", "--oputput", "x"], ["data", "list", "x"]], ids=" ".join
)
def test_a_wrong_command_would_be_noticed(wrong: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|[Mm]issing|unexpected"):
        accept(wrong)


def test_every_warning_of_a_result_is_explained() -> None:
    """`docs/validating.md` has a heading for each: the words of the warning, with … for its numbers."""
    page = (ROOT / "docs" / "validating.md").read_text(encoding="utf-8")
    headings = re.findall(r'^### "(.*)"$', page, re.MULTILINE)
    said = []
    for node in ast.walk(ast.parse((ROOT / "cathode" / "validation" / "warnings.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.JoinedStr | ast.Constant):
            parts = node.value.values if isinstance(node.value, ast.JoinedStr) else [node.value]
            said.append("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts))
    assert len(said) == len(headings) > 3
    for warning in said:
        assert any(warning.startswith(heading.rstrip("…")) for heading in headings), warning


# --- YAML ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [b for b in blocks(*PAGES, language="yaml") if b.page != EXTENDING], ids=str)
def test_analysis_files_pass_the_check(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "analysis.yaml"
    path.write_text(block.text, encoding="utf-8")
    done = CliRunner().invoke(app, ["config", "check", str(path)])
    assert done.exit_code == 0, done.output


def test_readme_names_every_generator() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    built_in = [kind for kind in kinds() if kind not in {"moved_sideband", "gaussian_copula"}]
    assert not [kind for kind in built_in if f"`{kind}`" not in text]


# --- code ---------------------------------------------------------------------------------------------------------


def test_script_of_the_readme_is_the_example_that_is_executed() -> None:
    """`tests/test_examples.py` runs it."""
    (script,) = blocks(ROOT / "README.md", language="python")
    cells = [c for c in jupytext.read(ROOT / "examples" / "search.py").cells if c.cell_type == "code"]
    assert script.text.strip() == cells[0].source.strip()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, whose modules can be imported; they are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for module in set(sys.modules) - before:
        if Path(getattr(sys.modules[module], "__file__", None) or ROOT).is_relative_to(tmp_path):
            del sys.modules[module]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a search: small networks lose more by sharing busy cores than they gain."""
    from cathode.runtime.processes import one_thread

    with one_thread():
        yield


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page registers is gone after its test."""
    import cathode.testing.toy  # noqa: F401 (what it registers stays)
    from cathode.registry import CLASSIFIERS, MASS_MODELS, METHODS, OBSERVABLES
    from generators import registry

    monkeypatch.setattr(registry.GENERATORS, "_known", dict(registry.GENERATORS._known))
    for table in (CLASSIFIERS, MASS_MODELS, METHODS, OBSERVABLES):
        monkeypatch.setattr(table, "_known", dict(table._known))


def execute(page: Path) -> dict[str, Any]:
    """Run the Python of a page as one script; blocks with a file name become files. Returns what it defined."""
    script = Path("page.py")
    parts = []
    for block in blocks(page, language="python"):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        else:
            parts.append(block.text)
    script.write_text("\n".join(parts), encoding="utf-8")
    return runpy.run_path(str(script))


@pytest.mark.usefixtures("workplace", "registries", "one_thread")
def test_python_of_extending_runs() -> None:
    import numpy as np

    from analysis.events import Events
    from cathode.classifiers import load_classifier
    from generators.protocols import ConditionalGenerator, DensityGenerator

    defined = execute(EXTENDING)
    copula, fisher, more = defined["copula"], defined["Fisher"](), defined["more"]
    assert isinstance(copula, DensityGenerator)
    assert isinstance(defined["create"]({"kind": "gaussian_copula"}), ConditionalGenerator)
    # The toy of the page: two normal variables with correlation 0.6 whose logarithms drift with the mass.
    logs = np.log(defined["drawn"]) - defined["mass"] / 5000
    assert np.allclose(np.cov(logs.T), [[1, 0.6], [0.6, 1]], atol=0.1)
    assert np.allclose(logs.mean(axis=0), 0, atol=0.1)
    truth = np.log(defined["x"]) - defined["mass"] / 5000
    known = -0.5 * np.einsum("ni,ij,nj->n", truth, np.linalg.inv([[1, 0.6], [0.6, 1]]), truth)
    known -= np.log(2 * np.pi * 0.8) + np.log(defined["x"]).sum(axis=1)
    assert abs((copula.log_prob(defined["x"], defined["mass"]) - known).mean()) < 0.05

    of_copula, of_mass_model = defined["broken"]
    for failing in ("samples_follow_the_context", "log_prob_is_that_of_the_truth"):
        assert f"\n{failing}: " in of_copula
    assert of_copula.startswith("2 of 23 checks failed.")
    assert "biased" in of_mass_model

    assert isinstance(more, Events)
    assert more.columns[-1] == "tau21_min"

    rng = np.random.default_rng(1)
    y = np.repeat([1, 0], 2000)
    x = rng.standard_normal((4000, 3)) @ np.diag([1.0, 2.0, 3.0]) + np.outer(y, [1.0, 0.0, 0.0])
    fitted = fisher.fit(x, y, seed=1)
    assert abs(fitted.direction_[1:] / fitted.direction_[0]).max() < 0.1
    assert (load_classifier(fitted.save("fisher")).score(x) == fitted.score(x)).all()


def run_as_typed(page: Path, folder: Path) -> None:
    """All commands of a page as one script, with its files beside them."""
    for language in ("python", "yaml"):
        for block in blocks(page, language=language):
            if block.file:
                (folder / block.file).write_text(block.text, encoding="utf-8")
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "OMP_NUM_THREADS": "1",
    }
    script = "\n".join(block.text for block in blocks(page, language="console"))
    done = subprocess.run(
        ["sh", "-euc", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_commands_of_a_newcomer_run(workplace: Path) -> None:
    run_as_typed(ROOT / "docs" / "newcomer.md", workplace)
    own = json.loads((workplace / "runs" / "own" / "result.json").read_text(encoding="utf-8"))
    assert own["method"]["generator"]["kind"] == "drifting_normal"
    assert own["quick"]
    assert own["counts"]["signal_region"] > 1000
    assert (workplace / "runs" / "trial" / "report.html").is_file()


def test_commands_of_extending_run(workplace: Path) -> None:
    """In processes of their own, as typed: the second process of a search has to find the module as well."""
    run_as_typed(EXTENDING, workplace)
    intervals = json.loads((workplace / "moved.json").read_text(encoding="utf-8"))["closures"]
    # One mean drift is not good enough over all of the sidebands, and better than nothing.
    assert all(0.5 < interval["auc"] < 0.7 for interval in intervals)
    card = json.loads((workplace / "runs" / "moved" / "template" / "card.json").read_text(encoding="utf-8"))
    assert card["kind"] == "moved_sideband"
    assert card["hyperparameters"] == {"neighbours": 4000, "smearing": 0.1}
    assert (workplace / "moved.parquet").is_file()


OTHER_PAGES = [
    page
    for page in PAGES
    if page not in (EXTENDING, ROOT / "README.md", *map(page_of, (*TUTORIALS, GALLERY)))
    and blocks(page, language="python")
]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `runs/analysis` is a finished search, small and bad, and `ntuples` what it read."""
    place = tmp_path_factory.mktemp("docs")
    (place / "ntuples").mkdir()
    (place / "ntuples" / "dijets.root").symlink_to(embedded("dijets"))
    small = """
data: {files: ntuples/*.root, selection: event % 12 == 0, features: dijet, truth: isSignal}
region: {signal: [3300, 3700]}
template:
  generator: {kind: autoregressive_spline, blocks: 1, hidden: 16, training: {steps: 40, batch_size: 512}}
classifier: {kind: boosted_trees, members: 1, max_iter: 10, jobs: 1}
folds: 2
background_efficiencies: [0.01]
threads: 1
"""
    (place / "analysis.yaml").write_text(small, encoding="utf-8")
    from cathode.commands import run_analysis
    from cathode.config import load_config

    run_analysis(load_config(place / "analysis.yaml"), place / "runs" / "analysis", report=False)
    return place


@pytest.mark.parametrize("page", OTHER_PAGES, ids=name_of)
@pytest.mark.usefixtures("registries", "one_thread")
def test_python_of_other_pages_runs(page: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run_folder)
    execute(page)


#: Commands of the first pages that the test below leaves to others -> who runs them.
ELSEWHERE = {
    r"make (demo|test)": "the workflows of the repository",
    r"git clone|cd |\. |python -m venv|pip install|^$": "make release-check installs into an environment of its own",
    r"cathode demo": "make release-check, and tests/cathode/cli",
    r"analysis\.yaml$": "the end of a line that writes there",
    r"cathode run .*--store /scratch": "a place of others; tests/cathode/cli",
    r"cathode data fetch": "needs the network; tests/analysis/datasets",
    r"cathode data simulate": "tests/analysis/simulation",
    r"cathode tasks": "tests/analysis/tasks; the folder of a study is another page's",
}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md", "docs/validating.md"])
@pytest.mark.usefixtures("registries", "one_thread")
def test_commands_of_the_first_pages_run(page: str, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a small search in the place of a reader's: what a page says works in the order in which it says it."""
    monkeypatch.chdir(run_folder)
    for folder in ("more", "other"):
        (run_folder / folder).mkdir(exist_ok=True)
        if not (run_folder / folder / "dijets.root").exists():
            (run_folder / folder / "dijets.root").symlink_to(embedded("dijets"))
    ran = 0
    for words in commands(ROOT / page):
        if any(re.match(pattern, shlex.join(words).replace("'", "")) for pattern in ELSEWHERE):
            continue
        done = CliRunner().invoke(app, words[1:])
        # With --strict a validation that failed is told by 3.
        assert done.exit_code in ((0, 3) if "--strict" in words else (0,)), f"{shlex.join(words)}: {done.output}"
        ran += 1
    assert ran > 0
