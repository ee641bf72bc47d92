"""Tutorials: scripts of `examples/`, executed, as notebooks and as pages of `docs/tutorials/` with their output.

    python tools/run_tutorials.py                # all of them
    python tools/run_tutorials.py showers        # one

A notebook is stored without output. Its page has the same cells and what they printed and drew, so that a change of
either is a change of text that can be read. Pictures have a small palette.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient
from nbformat.v4 import new_output
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "tutorials"

#: Scripts of `examples/` that are tutorials, in the order in which they are read.
TUTORIALS = (
    "search",
    "own_data",
    "template_quality",
    "methods_compared",
    "scan_and_limit",
    "full_phase_space",
    "showers",
)
#: The same, with a page of its own beside the tutorials.
GALLERY = "gallery"

#: Letters of a line that was printed, at most.
WIDTH = 110
#: Colours of a picture; a figure has few.
COLOURS = 64
#: Pixels of the longer side of a picture at most.
LARGEST = 900


#: What terminals are told about colours and places.
_COMMANDS = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")
#: What the bars of progress are drawn with, in the commands of a cell; their times are of one machine.
_BARS = re.compile(r"[━╸╺]|\d % +\d+:\d\d:\d\d ")
#: How a table of progress begins, whose times are of one machine.
_PROGRESS = "<table><caption></caption><tr><th>stage</th>"


class TutorialError(Exception):
    """A tutorial complains while it runs."""


def script(name: str) -> Any:
    """The cells of a tutorial, without output, numbered as they stand."""
    notebook = jupytext.read(ROOT / "examples" / f"{name}.py")
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
    return notebook


def page_of(name: str) -> Path:
    """Where the page of a tutorial is."""
    return ROOT / "docs" / "gallery.md" if name == GALLERY else PAGES / f"{name.replace('_', '-')}.md"


def shown(source: str) -> str:
    """Code of a cell as a page shows it: without magics, which are of notebooks alone."""
    return re.sub(r"^%.*\n?\n?", "", source, flags=re.MULTILINE).strip()


def execute(notebook: Any, folder: Path) -> Any:
    """Run all cells in `folder` by the code of this repository, one thread.

    Raises
    ------
    TutorialError
        If a cell writes to standard error.
    """
    settings = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
        # Commands write plain lines.
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": "110",
        "IPYTHONDIR": str(folder / "ipython"),
    }
    client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env=os.environ | settings)
    complaints = [each["text"] for each in _outputs(notebook) if each.output_type == "stream" and each.name == "stderr"]
    if complaints:
        raise TutorialError("".join(complaints))
    return notebook


def page(notebook: Any, name: str) -> tuple[str, dict[str, bytes]]:
    """Markdown of an executed notebook, and its pictures by their names."""
    target = page_of(name)
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(_links(cell.source, target))
            parts += [_source_line(name, target)] if len(parts) == 1 else []
            continue
        if code := shown(cell.source):
            parts.append(_fenced(code))
        for output in joined(cell.outputs):
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{name.replace('_', '-')}-{len(pictures) + 1}.png"
                pictures[picture] = small(base64.b64decode(data["image/png"]))
                parts.append(f"![What the cell above draws](images/{picture})")
            elif text := _printed(output):
                parts.append(text)
    return "\n\n".join(parts) + "\n", pictures


def small(picture: bytes) -> bytes:
    """The same picture with a palette, and not larger than a page shows it."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def joined(outputs: Iterable[Any]) -> Iterator[Any]:
    """Outputs of a cell, with what it prints in pieces as one text."""
    printed = ""
    for output in outputs:
        if output.output_type == "stream":
            printed += output["text"]
            continue
        if printed:
            yield new_output("stream", text=printed)
        printed = ""
        yield output
    if printed:
        yield new_output("stream", text=printed)


def plain(text: str) -> str:
    """What a terminal is left with: no commands to it, no bars."""
    lines = _COMMANDS.sub("", text).replace("\r\n", "\n").split("\n")
    kept = [line.rsplit("\r", 1)[-1].rstrip() for line in lines if not _BARS.search(line)]
    wrapped = [part for line in kept for part in _wrapped(line)]
    return re.sub("\n{3,}", "\n\n", "\n".join(wrapped)).strip("\n")


def _wrapped(line: str) -> list[str]:
    """A sentence that is too long for a page, in lines."""
    if len(line) <= WIDTH:
        return [line]
    return textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def write(name: str) -> None:
    """Execute one tutorial; write its notebook without output, its page and its pictures."""
    notebook = script(name)
    jupytext.write(notebook, ROOT / "examples" / f"{name}.ipynb")
    with tempfile.TemporaryDirectory() as folder:
        text, pictures = page(execute(notebook, Path(folder)), name)
        # Commands name the place of a file; only here it is another one every time.
        text = text.replace(f"{folder}/", "")
    target = page_of(name)
    images = target.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    for old in images.glob(f"{name.replace('_', '-')}-[0-9]*.png"):
        old.unlink()
    for picture, data in pictures.items():
        (images / picture).write_bytes(data)
    target.write_text(text, encoding="utf-8")


def _outputs(notebook: Any) -> Iterator[Any]:
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def _fenced(code: str) -> str:
    """Python, or commands where every line is one."""
    if all(line.startswith("!") for line in code.splitlines()):
        return "```console\n" + "\n".join(line.removeprefix("!") for line in code.splitlines()) + "\n```"
    return f"```python\n{code}\n```"


def _printed(output: Any) -> str:
    """What a cell printed, or the table or text of its last value."""
    data = output.get("data", {})
    if html := data.get("text/html", "").strip():
        if _PROGRESS in html:
            return ""
        return re.sub(r"\n\s*", "\n", html)
    text = plain(output.get("text", "") or data.get("text/plain", ""))
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""


def _links(text: str, target: Path) -> str:
    """Links from a script of `examples/` to pages of `docs/`, as they are in its own page."""
    return text.replace("](../docs/", "](" if target.parent == ROOT / "docs" else "](../")


def _source_line(name: str, target: Path) -> str:
    to = os.path.relpath(ROOT / "examples", target.parent)
    return f"*Executed from [`examples/{name}.py`]({to}/{name}.py), which is also a [notebook]({to}/{name}.ipynb).*"


def main() -> None:
    """Execute what was asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a script of examples/; all tutorials if none")
    for name in parser.parse_args().names or (*TUTORIALS, GALLERY):
        write(name)


if __name__ == "__main__":
    main()
