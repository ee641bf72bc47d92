"""Whose a run folder is, and since when it has its configuration."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from cathode.runtime.run_folder import IDENTITY, RunFolder


def configured(folder: Path, fingerprint: str) -> str:
    with RunFolder.claim(folder, fingerprint, {"folds": 3}) as found:
        return found.configured


def test_it_remembers_when_it_first_saw_a_configuration(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    first = configured(tmp_path / "run", "one")
    assert before <= datetime.fromisoformat(first) <= datetime.now(UTC)
    path = tmp_path / "run" / IDENTITY
    path.write_text(path.read_text().replace(first, "2026-01-02T03:04:05+01:00"))
    # Every later use, also by another command of the same search.
    assert configured(tmp_path / "run", "one") == configured(tmp_path / "run", "one") == "2026-01-02T02:04:05+00:00"


def test_a_folder_of_before_says_when_its_identity_was_written(tmp_path: Path) -> None:
    configured(tmp_path / "run", "one")
    path = tmp_path / "run" / IDENTITY
    for said in ({}, {"configured": None}, {"configured": "yesterday"}):
        path.write_text(json.dumps({"fingerprint": "one", "settings": {"folds": 3}, **said}))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        assert configured(tmp_path / "run", "one") == "2023-11-14T22:13:20+00:00"


def test_without_a_folder_nobody_knows() -> None:
    assert RunFolder.claim(None, "one", {}).configured == ""
