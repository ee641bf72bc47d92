"""The file of a scan: what it may say, and what is named when it says something else."""

from __future__ import annotations

import pytest

from cathode.config import embedded_text
from cathode.errors import ConfigError
from cathode.scans.plan import ScanPlan

SMALL = "analysis: embedded:cheap\nwindows: [[3300, 3700]]\n"


def test_the_file_that_comes_with_the_package_is_in_order() -> None:
    plan = ScanPlan.parsed(embedded_text("scan"), name="scan.yaml")
    assert list(plan.configs()) == ["cathode"]
    assert len(plan.edges) == 8
    assert plan.edges[0] == (2700.0, 3100.0)
    assert "isSignal == 1" in str(plan.sample("wprime").data.selection)


def test_without_methods_it_is_that_of_the_analysis() -> None:
    plan = ScanPlan.parsed(SMALL, name="scan.yaml")
    (name,) = plan.configs()
    assert name == "cathode"
    assert plan.seeds == (1,)
    assert plan.configs()[name].region.signal == (3300.0, 3700.0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("injections: [3]", "belong together"),
        ("signals: {a: {data.selection: x}}", "belong together"),
        ("signals: {a: {seed: 1}}\ninjections: [3]", "a changes seed"),
        ("signals: {background: {data.selection: x}}\ninjections: [3]", "called background"),
        ("experiments: 3", "need a background"),
        ("background: {region.signal: [1, 2]}", "background changes region"),
        ("seeds: [1, 1]", "names one twice"),
        ("windoes: 3", "windoes: unknown key"),
        ("methods: {a/b: {}}", "a/b"),
    ],
)
def test_what_makes_no_scan_is_named(more: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ScanPlan.parsed(SMALL + more, name="scan.yaml")


def test_a_file_that_is_not_there_is_named_with_the_example_to_start_from() -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml.*cathode config example scan"):
        ScanPlan.read("none.yaml")
