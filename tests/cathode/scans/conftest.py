"""A spectrum with a bump where nobody looked, and an analysis of it that takes a tenth of a second a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ..toys import toy_events

ANALYSIS = """
data:
  files: events.parquet
  mass: m
  features: {x: x, y: y}
  identifiers: entry
  auxiliary: {background: other.parquet}
region: {signal: [4300, 4700], sidebands: [2300, 5300]}
method: idealised
mass_model: {kind: kde}
classifier: {kind: boosted_trees, members: 1, max_iter: 8}
background_efficiencies: [0.05]
folds: 2
validation: {closure: false}
threads: 1
"""
PLAN = """
analysis: analysis.yaml
windows: {low: 2900, high: 4100, width: 400, step: 1}
signals:
  bump: {data.files: signal.parquet}
injections: [250]
pages: false
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Background, background of its own for the method, and a signal at 3.5 TeV; the file of a scan of them."""
    for name, background, signal, seed in (
        ("events", 6_000, 0, 3),
        ("other", 12_000, 0, 4),
        ("simulated", 6_000, 0, 5),
        ("signal", 2_000, 600, 6),
    ):
        events = toy_events(background, signal=signal, seed=seed, truth=True)
        assert events.truth is not None
        kept = events.truth if signal else np.ones(len(events), dtype=bool)
        columns = {"m": events.mass[kept], "x": events.x[kept, 0], "y": events.x[kept, 1]}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    (tmp_path / "analysis.yaml").write_text(ANALYSIS)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path / "plan.yaml"
