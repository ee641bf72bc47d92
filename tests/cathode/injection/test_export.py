"""Files of a limit, read back by who they are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cathode.injection.experiments import CutFound, Injection
from cathode.injection.export import write_limits
from cathode.injection.limit import injected_limit

# pyhf asks jsonschema for what that will remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_workspace_gives_the_same_limit_and_tables_hold_it(tmp_path: Path) -> None:
    searches = []
    for number in (0, 100, 400):
        cut = CutFound(120.0 + 0.2 * number, 100.0, 10.0, 1.0, 0.21 * number)
        searches.append(Injection(number, 0, number, 5_000.0, (5_000.0, 80.0), {0.01: cut}))
    limit = injected_limit(searches, 0.01)
    written = write_limits([limit], tmp_path / "export", mass=3500.0)
    assert [each.name for each in written] == [
        "workspace_0p01.json",
        "datacard_0p01.txt",
        "submission.yaml",
        "table_1.yaml",
    ]
    head, table = yaml.safe_load_all(written[2].read_text())
    assert "comment" in head
    content = yaml.safe_load((written[2].parent / table["data_file"]).read_text())
    assert content["independent_variables"][0]["values"] == [{"value": 3500.0}]
    observed, expected = content["dependent_variables"]
    assert observed["values"][0]["value"] == pytest.approx(limit.observed)
    assert expected["values"][0]["value"] == pytest.approx(limit.expected[2])
    assert "observation 120" in written[1].read_text()
    pyhf: Any = pytest.importorskip("pyhf")
    workspace = pyhf.Workspace(json.loads(written[0].read_text()))
    model = workspace.model()
    theirs, _ = pyhf.infer.intervals.upper_limits.toms748_scan(workspace.data(model), model, 1.0, 150.0, rtol=1e-5)
    assert float(theirs) == pytest.approx(limit.passing.observed, rel=1e-3)


def test_of_pseudo_experiments_nothing_is_written_as_observed(tmp_path: Path) -> None:
    searches = []
    for number in (0, 100, 400):
        cut = CutFound(120.0 + 0.2 * number, 100.0, 10.0, 1.0, 0.21 * number)
        searches.append(Injection(number, 0, number, 5_000.0, (5_000.0, 80.0), {0.01: cut}, pseudo=True))
    _, card, _, table = write_limits([injected_limit(searches, 0.01)], tmp_path / "export", mass=3500.0)
    (expected,) = yaml.safe_load(table.read_text())["dependent_variables"]
    assert expected["header"]["name"].startswith("expected")
    assert "observation 100" in card.read_text()
