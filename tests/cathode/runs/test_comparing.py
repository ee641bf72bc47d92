"""Runs beside each other: numbers of their results, settings that differ, and what keeps them from being compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import cathode
from cathode.errors import RunFolderError
from cathode.result import SearchResult
from cathode.runs.comparing import RunComparison, compare_runs, kind_of


def written(folder: Path, result: SearchResult) -> Path:
    folder.mkdir(parents=True)
    result.write(folder / "result.json")
    return folder


@pytest.fixture
def pair(tmp_path: Path, result: SearchResult) -> RunComparison:
    first = replace(
        result,
        config={
            "region": {"signal": [3300, 3700]},
            "folds": 5,
            "output": "a",
            "template": {"generator": {"kind": "maf"}},
        },
        method={"kind": "cathode", "template": {"generator": {"kind": "maf"}}},
    )
    second = replace(
        first,
        cuts=first.cuts[:1],
        closures=(),
        quick=True,
        config={"region": {"signal": [3300, 3700]}, "folds": 2, "output": "b", "quick": True},
        method={"kind": "cwola"},
        versions={"torch": "2.14.0"},
    )
    return compare_runs([written(tmp_path / "a", first), written(tmp_path / "b", second)])


def test_tables_say_what_the_results_say(pair: RunComparison, result: SearchResult) -> None:
    searches = {row.title: row for row in pair.searches()}
    assert searches["method"].cells == ("cathode", "cwola")
    assert searches["generator"].cells == ("maf", "–")
    assert searches["validation"].cells == ("passed", "not made")
    assert not searches["events"].differs
    (loose, first), (tight, second) = pair.cuts()
    assert (loose, tight) == (1e-2, 1e-3)
    assert {row.title: row.cells for row in first}["expected"] == ("480.3 ± 11.2 (stat) ± 14.4 (sys)",) * 2
    # What is not claimed stands in parentheses.
    assert {row.title: row.cells for row in first}["significance, local"] == ("5.0 σ", "(5.0 σ)")
    assert {row.title: row.cells for row in second}["observed"] == ("91", "–")


def test_only_settings_that_differ_are_listed_and_places_are_none(pair: RunComparison) -> None:
    found = {row.title: row.cells for row in pair.configuration()}
    assert found == {"folds": ("5", "2"), "template.generator.kind": ("maf", "–"), "quick": ("–", "true")}
    assert {row.title: row.cells for row in pair.versions()} == {"torch": ("2.13.0", "2.14.0")}


def test_other_events_and_trials_are_remarked(tmp_path: Path, pair: RunComparison) -> None:
    remarks = " ".join(pair.remarks())
    assert "Cheap trials (--quick), which are no results: b." in remarks
    assert "trials factor" in remarks
    assert "same events" not in remarks
    first, second = pair.results
    other = written(tmp_path / "c", replace(second, inputs=(replace(second.inputs[0], sha256="11"),), quick=False))
    remarks = " ".join(compare_runs([tmp_path / "a", other]).remarks())
    assert "did not select the same events" in remarks
    assert "Cheap trials" not in remarks
    moved = written(tmp_path / "d", replace(first, region=replace(first.region, low=3200.0)))
    assert "windows are not the same" in " ".join(compare_runs([tmp_path / "a", moved]).remarks())


def test_searches_composed_in_python_are_compared_by_their_parts(tmp_path: Path, pair: RunComparison) -> None:
    plain = written(tmp_path / "python", replace(pair.results[0], config=None))
    found = {row.title: row.cells for row in compare_runs([plain, tmp_path / "b"]).configuration()}
    assert found["method.kind"] == ("cathode", "cwola")


def test_names_are_the_ends_of_paths_that_tell_runs_apart(tmp_path: Path, result: SearchResult) -> None:
    places = [written(tmp_path / name / "run", result) for name in ("one", "two")]
    assert compare_runs(places).names == ("one/run", "two/run")


def test_unfinished_single_and_doubled_runs_are_refused(tmp_path: Path, pair: RunComparison) -> None:
    (tmp_path / "unfinished").mkdir()
    with pytest.raises(RunFolderError, match=r"unfinished: no result.json; this is no finished run"):
        compare_runs([tmp_path / "a", tmp_path / "unfinished"])
    with pytest.raises(RunFolderError, match="two run folders or more"):
        compare_runs(tmp_path / "a")
    with pytest.raises(RunFolderError, match="named twice"):
        compare_runs([tmp_path / "a", tmp_path / "b" / ".." / "a"])


def test_a_notebook_sees_escaped_tables(tmp_path: Path, pair: RunComparison) -> None:
    evil = written(tmp_path / "<b>", pair.results[0])
    shown = cathode.compare_runs([tmp_path / "a", evil])._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;" in shown
    assert "480.3 ± 11.2" in shown
    assert repr(pair) == "<RunComparison: a, b>"


def test_a_generator_is_found_wherever_it_is() -> None:
    assert kind_of({"kind": "x", "deep": {"generator": {"kind": "maf"}}}, "generator") == "maf"
    assert kind_of({"kind": "x", "generator": None}, "generator") == "–"
