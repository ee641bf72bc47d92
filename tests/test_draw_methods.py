"""Every method has its picture, and its page shows it."""

from __future__ import annotations

import re
from pathlib import Path

from cathode.registry import METHODS
from tools.draw_methods import FIGURES, IMAGES, PANELS, draw

PAGE = (Path(__file__).parents[1] / "docs" / "methods.md").read_text(encoding="utf-8")


def test_every_method_has_a_panel_in_a_figure_of_the_page() -> None:
    drawn = [method for methods in FIGURES.values() for method in methods]
    ours = {kind for kind in METHODS.kinds() if METHODS.resolve(kind).__module__.startswith("cathode.methods.")}
    assert sorted(drawn) == sorted(PANELS)
    assert set(PANELS) == ours
    for name in FIGURES:
        assert f"(images/methods-{name}.png)" in PAGE
        assert (IMAGES / f"methods-{name}.png").stat().st_size > 10_000


def test_every_method_has_a_paragraph_with_its_paper_or_kin_and_an_analysis() -> None:
    for kind in PANELS:
        assert len(re.findall(rf"\*\*`{kind}`\*\*", PAGE)) == 1, kind
        assert re.search(rf"^method: (?:{kind}$|{{kind: {kind}\b)", PAGE, re.MULTILINE), f"{kind} has no YAML"


def test_panels_draw_something() -> None:
    figure = draw(FIGURES["truth"])
    assert [axes.get_title() for axes in figure.axes] == list(FIGURES["truth"])
    assert all(axes.lines for axes in figure.axes)
