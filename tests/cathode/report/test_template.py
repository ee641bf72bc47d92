"""Pages and their pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.plots.methods import one_number_each
from cathode.benchmark.result import Benchmark
from cathode.report.template import pictured, rendered


def test_a_picture_is_in_its_file_as_it_is_in_the_page(tmp_path: Path) -> None:
    figure = one_number_each({"one": (1.0, 0.1)}, label="x")
    picture = pictured(tmp_path, "name", "section", "caption", figure)
    assert picture.png == (tmp_path / "name.png").read_bytes()
    assert [picture.width, picture.height] == pytest.approx(144 * figure.get_size_inches(), abs=2)


def test_what_a_template_wants_has_to_be_given_and_can_not_be_markup() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError, match="headline"):
        rendered("benchmark.html")
    empty = {name: [] for name in ("columns", "rows", "reach", "validated", "pictures")}
    page = rendered("benchmark.html", headline="<i>\u202e", b=Benchmark((), failures={}), **empty)
    assert "&lt;i&gt;" in page
    assert "\u202e" not in page
