"""What stands on the pages of the documentation: blocks of code, and commands."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Command:
    """A command as it is typed; `into` is the file that its output goes to."""

    words: tuple[str, ...]
    into: str | None = None

    def __str__(self) -> str:
        return " ".join(word if re.fullmatch(r"[\w./:=-]+", word) else f"'{word}'" for word in self.words)


def commands(page: Path) -> Iterator[Command]:
    """Every command of the console blocks, without what it sets for itself, such as OMP_NUM_THREADS."""
    for block in blocks(page, language="console"):
        for line in block.text.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            for part in _between(list(lexer), "&&"):
                words, *target = _between(part, ">")
                words = [word for word in words if not re.fullmatch(r"[A-Z_]+=\S*", word)]
                if words:
                    yield Command(tuple(words), target[0][0] if target and target[0] else None)


def _between(words: list[str], separator: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == separator:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


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
