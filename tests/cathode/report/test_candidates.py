"""Candidates are the events of the window with the largest scores, and only where something may be claimed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from analysis.events import Events
from analysis.io.scores import write_scores
from cathode.report.candidates import top_candidates


def test_the_largest_scores_of_the_window_come_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n = 200
    ids = np.stack([np.ones(n), np.full(n, 7), np.arange(n) + 1000], axis=1).astype(np.uint64)
    events = Events.from_arrays(rng.normal(size=(n, 1)), rng.uniform(3000, 4000, n), ["a"], ids=ids)
    score = rng.random(n).astype(np.float32)
    region = (events.mass > 3500).astype(np.int32)
    columns = {"score": score, "fold": np.zeros(n, np.int32), "region": region, "mass": events.mass}
    write_scores(tmp_path / "scores.root", events, columns, n_entries=n)
    validated: Any = SimpleNamespace(validated=True)
    found = top_candidates(tmp_path, validated, 5)
    inside = np.flatnonzero(region)
    due = sorted(inside, key=lambda row: -score[row])[:5]
    assert [each.event for each in found] == [1000 + row for row in due]
    assert [(each.run, each.luminosity_block) for each in found] == [(1, 7)] * 5
    assert found[0].mass == events.mass[due[0]]
    assert top_candidates(tmp_path, SimpleNamespace(validated=False)) == ()  # type: ignore[arg-type]
    (tmp_path / "scores.root").write_bytes(b"broken")
    assert top_candidates(tmp_path, validated) == ()
