"""What a scan costs is what its searches have cost."""

from __future__ import annotations

import json
import math
from pathlib import Path

from analysis.tasks import executor
from cathode.scans.cost import probe, shares
from cathode.scans.plan import ScanPlan
from cathode.scans.scanning import plan_scan, run_scan

from .conftest import PLAN


def test_nothing_is_known_before_the_first_search_and_the_mean_afterwards(plan: Path) -> None:
    text = PLAN.replace("injections: [250]", "injections: [100, 200]")
    tasks = plan_scan(ScanPlan.parsed(text, name="plan", folder=plan.parent), plan.parent / "out")
    before = shares(tasks)
    assert [(each.data, each.windows, each.left) for each in before] == [
        ("data", 3, 3),
        ("100 events of bump injected", 3, 3),
        ("200 events of bump injected", 3, 3),
    ]
    assert all(math.isnan(each.seconds_left) for each in before)
    probe(tasks)
    probe(tasks)
    (first,) = tasks.finished()
    cost = json.loads((first.place / "cost.json").read_text())
    assert 0 < cost["cpu_s"] < 60
    known = shares(tasks)
    assert [each.done for each in known] == [1, 0, 0]
    assert known[2].seconds_left == 3 * cost["cpu_s"]
    run_scan(plan.parent / "out", executor(1))
    assert sum(each.seconds_left for each in shares(tasks)) == 0
