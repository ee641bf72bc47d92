"""The page of a scan links those of its windows, which can be drawn again, and claims what validation supports."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from analysis.tasks import executor
from cathode.report.scan import headline, write_scan_report, write_window_pages
from cathode.scans.measured import Asked, WindowCut, WindowSearch
from cathode.scans.plan import ScanPlan
from cathode.scans.result import Scan
from cathode.scans.scanning import scan
from cathode.scans.searching import RUN

from ..toys import ANALYSIS, toy_events


def searched(low: float, z: float, validation: str = "passed") -> WindowSearch:
    cut = WindowCut(10.0, 5.0, 1.0, 0.01, z, 0.0)
    return WindowSearch(Asked("<m>", low, low + 100, 1), 100, 0, (1.0, 1.0), (0.5, 0.1), validation, {0.01: cut})


def test_the_headline_claims_nothing_that_validation_does_not_support() -> None:
    found = Scan(((1.0, 101.0), (2.0, 102.0)), (searched(1, 1.0), searched(2, 3.0)))
    assert headline(found) == "Largest local significance in 2–102 GeV, 3.0 σ: global p at most 0.0027 of 2 windows."
    trial = tuple(dataclasses.replace(each, quick=True) for each in found.searches)
    assert headline(dataclasses.replace(found, searches=trial)).startswith("Quick trial, no result: Largest")
    failed = dataclasses.replace(found, searches=(searched(1, 1.0), searched(2, 3.0, "failed")))
    assert "nothing is claimed" in headline(failed)
    assert (
        headline(dataclasses.replace(found, searches=(searched(1, float("nan")),))) == "No window has a significance."
    )


@pytest.mark.slow
def test_every_window_has_a_page_that_the_one_of_the_scan_links(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    events = toy_events(4_000, seed=3)
    pq.write_table(pa.table({"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1]}), tmp_path / "events.parquet")
    (tmp_path / "analysis.yaml").write_text(ANALYSIS)
    text = "analysis: analysis.yaml\nwindows: [[3100, 3500], [3500, 3900]]\nseeds: [1, 2]\n"
    output = tmp_path / "out"
    found = scan(ScanPlan.parsed(text, name="plan", folder=tmp_path), output, workers=1)
    status = write_window_pages(output, executor(1))
    assert (status.total, status.done) == (2, 2)
    page = write_scan_report(found, output).read_text(encoding="utf-8")
    links = re.findall(r'href="(searches[^"]+)"', page)
    assert len(links) == 2
    assert all("<html" in (output / link).read_text(encoding="utf-8") for link in links)
    assert page.count("<img") == len(list((output / "figures").glob("scan_*.png"))) == 2
    # A page that is gone is drawn again, and no other one.
    (output / links[0]).unlink()
    assert write_window_pages(output, executor(1)).total == 1
    assert (output / links[0]).is_file()
    assert all(place.parent.name == RUN for place in map(Path, links))
