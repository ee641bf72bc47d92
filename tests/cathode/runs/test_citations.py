"""A run is cited by the papers that its parts name."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

from cathode.result import SearchResult
from cathode.runs.citations import ALWAYS, CHECKED, KNOWN, bibtex, papers


def result_of(method: dict[str, Any]) -> SearchResult:
    return cast(SearchResult, SimpleNamespace(method=method, versions={"cathode-hep": "1.2"}))


def test_methods_generators_and_classifiers_are_cited_once() -> None:
    method = {"kind": "r_anode", "generator": {"kind": "maf"}, "other": [{"kind": "mlp"}, {"kind": "mlp"}]}
    found = papers(result_of(method))
    assert {"2312.11629", "1705.07057", "2109.00546"} < set(found)
    assert found[-len(ALWAYS) :] == ALWAYS
    assert len(found) == len(set(found))
    assert "2210.02747" not in found


def test_the_text_is_bibtex() -> None:
    text = bibtex(result_of({"kind": "cathode", "generator": {"kind": "autoregressive_spline"}}))
    assert text.count("{") == text.count("}")
    assert len(re.findall(r"^@\w+\{[^,]+,$", text, re.MULTILINE)) == 1 + len(set(re.findall(r"eprint = {(.*)},", text)))
    assert "title = {{Neural Spline Flows}}" in text
    assert "version = {1.2}" in text


def test_what_was_not_compared_is_marked() -> None:
    text = bibtex(result_of({"kind": "cathode", "generator": {"kind": "autoregressive_spline"}}))
    entries = text.split("\n\n")[1:]
    marked = {entry for entry in entries if entry.startswith("% not compared")}
    assert {re.search(r"eprint = {(.*)}", entry)[1] for entry in marked} == {  # type: ignore[index]
        number
        for number in papers(result_of({"kind": "cathode", "generator": {"kind": "autoregressive_spline"}}))
        if number in KNOWN and number not in CHECKED
    }
    assert KNOWN.keys() >= CHECKED
    # No field but those that are known.
    assert set(re.findall(r"^  (\w+) = ", text, re.MULTILINE)) == {
        "author",
        "title",
        "version",
        "eprint",
        "archivePrefix",
    }


def test_numbers_are_those_of_arxiv() -> None:
    assert all(re.fullmatch(r"\d{4}\.\d{5}|[a-z]+/\d{7}", number) for number in KNOWN)
