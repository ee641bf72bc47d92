"""Tables of a terminal lie where there is place and stand where there is none; nothing is cut off."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from analysis.printing import number, p_value
from cathode.cli.tables import conclusion, cuts
from cathode.result import SearchResult


def shown(renderables: object, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    for each in renderables if isinstance(renderables, list) else [renderables]:
        console.print(each)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_number_of_every_cut_is_whole(result: SearchResult, width: int) -> None:
    text = shown(list(conclusion(result)), width)
    assert "…" not in text
    for cut in result.cuts:
        for said in (number(cut.observed), number(cut.expected), p_value(cut.p_value), cut.local(result.validation)):
            assert said in text
    assert max(map(len, text.splitlines())) <= width


def test_a_narrow_table_has_a_line_for_each_quantity(result: SearchResult) -> None:
    lines = [line.split() for line in shown(cuts(result), 60).splitlines() if line.strip()]
    assert ["observed", "612", "91"] in lines
    assert ["observed", "612", "91"] not in [line.split() for line in shown(cuts(result), 120).splitlines()]


def test_a_realised_efficiency_that_reads_the_same_is_not_said_twice(result: SearchResult) -> None:
    near, far = (replace(result.cuts[1], realised_efficiency=value) for value in (0.001024, 0.0017))
    assert "0.001 (" not in shown(cuts(replace(result, cuts=(near,))), 120)
    assert "0.001 (0.0017)" in shown(cuts(replace(result, cuts=(far,))), 120)
