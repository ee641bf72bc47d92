"""What the documentation says is true: its links lead somewhere, its code runs, its commands and YAML are accepted."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import jupytext
import pytest
import typer
from typer.testing import CliRunner

from cathode.cli.app import app
from generators.registry import kinds
from tests.pages import EXTENDING, PAGES, ROOT, Block, blocks, commands, name_of


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
    for what, here, *peers, where in rows[3:]:
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
    for command in commands(page):
        program, *arguments = command.words
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
