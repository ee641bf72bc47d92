"""`cathode scan`: plan, run, status, resume, collect, as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cathode.cli.app import app

from ..scans.conftest import plan

__all__ = ["plan"]


def said(*arguments: str, status: int = 0) -> Any:
    done = CliRunner().invoke(app, ["scan", *arguments])
    assert done.exit_code == status, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.output


def test_a_scan_from_its_plan_to_its_page(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plan.parent)
    planned = said("plan", "plan.yaml", "--json")
    assert (planned["searches"], planned["done"]) == (6, 1)
    folder = "runs/plan"
    dry = said("run", folder, "--dry-run", "--json")
    assert dry == planned
    assert "CPU s are left" in said("status", folder)
    assert "are not done" in said("collect", folder, status=1)
    ran = said("run", folder, "-w", "1", "--json")
    assert [each["injected"] for each in ran["series"]] == [0, 250]
    assert ran["series"][1]["peak"] == [3300.0, 3700.0]
    collected = said("collect", folder, "-w", "1", "--json")
    assert collected == ran
    assert "3300–3700" in said("resume", folder, "-w", "1")
    for name in ("scan.json", "scan.csv", "scan.html", "figures/scan_p.png", "figures/scan_p_bump_250.png"):
        assert (Path(folder) / name).is_file()
    ended = said("status", folder, "--json")
    assert (ended["done"], ended["left"], ended["cpu_seconds_left"]) == (6, 0, 0)


def test_what_is_no_scan_is_named(tmp_path: Path) -> None:
    assert "no scan was planned" in said("status", str(tmp_path), status=1)
    assert "none.yaml" in said("run", str(tmp_path / "none.yaml"), status=1)
