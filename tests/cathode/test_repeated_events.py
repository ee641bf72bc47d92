"""A sample that is there twice is named in the result, on the terminal and in the report."""

import dataclasses
import html

import numpy as np
from rich.console import Console

from analysis.events import Events
from cathode.cli.tables import conclusion
from cathode.report.page import render

from .toys import Discriminant, toy_events, toy_search


def test_a_doubled_sample_is_named_everywhere() -> None:
    once = toy_events(6_000, seed=71)
    copy = dataclasses.replace(once, ids=once.ids + np.uint64(100_000))
    search = toy_search(classifier=Discriminant(), background_efficiencies=(0.1,), folds=2, closure=False)
    result = search.run(Events.concatenate([once, copy]))
    assert result.warnings[0].startswith("6,000 of 12,000 events have the mass and all features of another event")
    console = Console(record=True, width=500)
    console.print(*conclusion(result))
    assert result.warnings[0] in console.export_text()
    assert result.warnings[0] in html.unescape(render(result))
    assert not any("another event" in warning for warning in search.run(once).warnings)
