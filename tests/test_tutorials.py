"""Tutorials: pages have the cells of their scripts, pictures are small, and the gallery has every figure."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import analysis.plots
from tools import run_tutorials
from tools.run_tutorials import GALLERY, TUTORIALS, page_of, script, shown

ROOT = Path(__file__).parents[1]
ALL = (*TUTORIALS, GALLERY)
#: Bytes of a picture at most.
LARGEST = 60_000


def code_of(page: str) -> list[str]:
    return [text.strip() for _, text in re.findall(r"^```(python|console)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)]


@pytest.mark.parametrize("name", ALL)
def test_page_has_the_cells_of_the_script(name: str) -> None:
    """`python tools/run_tutorials.py NAME` makes it so."""
    page = page_of(name).read_text(encoding="utf-8")
    cells = script(name).cells
    code = [shown(cell.source) for cell in cells if cell.cell_type == "code"]
    plain = [re.sub(r"^!", "", each, flags=re.MULTILINE) for each in code if each]
    assert code_of(page) == plain
    for cell in cells:
        if cell.cell_type == "markdown":
            assert run_tutorials._links(cell.source, page_of(name)) in page


@pytest.mark.parametrize("name", ALL)
def test_pictures_are_there_and_small(name: str) -> None:
    page = page_of(name)
    shown = re.findall(r"!\[[^\]]+\]\((images/[^)]+)\)", page.read_text(encoding="utf-8"))
    assert shown
    for picture in shown:
        assert 1000 < (page.parent / picture).stat().st_size < LARGEST, picture


def test_output_names_no_place_of_the_machine() -> None:
    for name in ALL:
        text = page_of(name).read_text(encoding="utf-8")
        assert not re.search(r"/(?:tmp|home|root|Users)/|\x1b\[|Traceback", text), name


def figure_functions() -> dict[str, str]:
    """Public functions of `analysis.plots` that return a figure -> module."""
    found = {}
    for each in pkgutil.iter_modules(analysis.plots.__path__):
        module = import_module(f"analysis.plots.{each.name}")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and not name.startswith("_") and function.__module__ == module.__name__:
                returned = inspect.signature(function).return_annotation
                if returned in ("Figure", Figure):
                    found[name] = module.__name__
    return found


def test_gallery_has_every_figure_with_its_call() -> None:
    functions = figure_functions()
    assert len(functions) > 15
    tree = ast.parse((ROOT / "examples" / f"{GALLERY}.py").read_text(encoding="utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert sorted(functions.keys() - called) == []


def test_palette_keeps_a_picture() -> None:
    import io

    import numpy as np
    from PIL import Image

    rows = np.full((40, 60, 3), 255, np.uint8)
    rows[10:20, 5:50] = (200, 30, 30)
    raw = io.BytesIO()
    Image.fromarray(rows).save(raw, "PNG")
    back = np.asarray(Image.open(io.BytesIO(run_tutorials.small(raw.getvalue()))).convert("RGB"))
    assert abs(back.astype(int) - rows).max() < 8
