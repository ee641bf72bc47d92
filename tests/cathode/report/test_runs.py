"""The page of several runs is one file with the numbers, the spectra and the settings that differ."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from analysis.errors import OutputError
from cathode.cli.app import app
from cathode.diagnostics import Diagnostics
from cathode.report.runs import write_run_comparison
from cathode.result import SearchResult
from cathode.runs.comparing import compare_runs


@pytest.fixture
def places(tmp_path: Path, result: SearchResult) -> list[Path]:
    """Two runs, one with arrays to draw."""
    rng = np.random.default_rng(2)
    mass = 2400 + rng.exponential(600, 2000)
    grid = np.linspace(2400, 6000, 50)
    diagnostics = Diagnostics(
        columns=("a",),
        mass=mass,
        efficiencies=np.array([1e-2, 1e-3]),
        passes=np.stack([rng.random(2000) < 0.1, rng.random(2000) < 0.02]),
        curve_mass=grid,
        curve_density=2000 / 600 * np.exp(-(grid - 2400) / 600),
        curve_error=0.01 * grid,
    )
    found = [tmp_path / "first", tmp_path / "second"]
    for place in found:
        place.mkdir()
    diagnostics.save(found[0] / "diagnostics.npz")
    result.write(found[0] / "result.json")
    replace(result, config={"region": {"signal": [1, 2]}}, warnings=("<script>",)).write(found[1] / "result.json")
    return found


def test_the_page_has_numbers_spectra_and_differences_and_needs_nothing_else(places: list[Path]) -> None:
    page = write_run_comparison(compare_runs(places), places[0].parent / "deep" / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "480.3 ± 11.2 (stat) ± 14.4 (sys)" in text
    assert "region.signal" in text
    assert "[3300.0, 3700.0]" in text
    assert "<script>" not in text
    # One spectrum, of the run with arrays, and observed over expected of two cuts.
    assert re.findall(r'<figure id="(\w+)"', text) == ["spectrum_0", "ratio_0", "ratio_1"]
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert not [each for each in places[0].iterdir() if each.name == "figures"]


def test_a_page_takes_no_place_of_a_result(places: list[Path]) -> None:
    with pytest.raises(OutputError):
        write_run_comparison(compare_runs(places), places[0] / "result.json")


def test_the_command_line_writes_the_page_and_names_an_unfinished_run(places: list[Path]) -> None:
    page = places[0].parent / "page.html"
    done = CliRunner().invoke(app, ["compare-runs", *map(str, places), "-o", str(page)])
    assert done.exit_code == 0
    assert "settings that differ" in done.stdout
    assert page.is_file()
    (places[0] / "result.json").unlink()
    done = CliRunner().invoke(app, ["compare-runs", *map(str, places), "-o", str(page)])
    assert done.exit_code == 1
    assert "no finished run" in done.stderr
