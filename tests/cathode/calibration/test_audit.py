"""`cathode audit`: claims where there is no signal, without a look at the chosen window."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from typer.testing import CliRunner

from cathode.calibration.audit import Audit, naive_significances
from cathode.calibration.event_file import stored_events
from cathode.cli.app import app
from cathode.errors import CalibrationError
from cathode.result import CutResult

from ..toys import REGION, toy_events

ANALYSIS = """
data: {files: events.parquet, mass: m, features: {x: x, y: y}, identifiers: entry, truth: s}
region: {signal: [3300, 3700], sidebands: [2300, 5300]}
mass_model: {kind: kde}
template:
  generator:
    kind: gaussian_mixture
    components: 1
    hidden: 8
    layers: 1
    training: {steps: 60, learning_rate: 0.03, ema_decay: 0.9}
  oversampling: 2
classifier: {kind: boosted_trees, members: 1, max_iter: 5}
background_efficiencies: [0.2, 0.05]
folds: 2
validation: {members: 1}
threads: 1
"""


def analysis(folder: Path, *, signal: int) -> Path:
    """The same sidebands with or without a signal in the window."""
    events = toy_events(20_000, signal=4_000, seed=3, truth=True)
    assert events.truth is not None
    kept = ~(events.truth & (np.cumsum(events.truth) > signal))
    # Only events of the window are added, so that outside of it nothing changes.
    kept &= ~(events.truth & ~REGION.signal(events.mass))
    columns = {"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1], "s": events.truth}
    pq.write_table(pa.table({name: values[kept] for name, values in columns.items()}), folder / "events.parquet")
    (folder / "analysis.yaml").write_text(ANALYSIS)
    return folder / "analysis.yaml"


def run(path: Path, output: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["audit", str(path), "-n", "2", "-w", "1", "-o", str(output), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_it_is_continued_and_drawn_and_has_no_event_of_the_window(tmp_path: Path) -> None:
    path = analysis(tmp_path, signal=0)
    said = json.loads(run(path, tmp_path / "one", "--json"))
    found = Audit.read(tmp_path / "one" / "audit.json")
    assert json.loads(found.to_json()) == said
    assert len(found.windows) == 2
    assert {p.name for p in (tmp_path / "one").glob("audit_*")} == {
        f"audit_{cut}.{suffix}" for cut in ("0p2", "0p05") for suffix in ("png", "pdf")
    }
    stored = stored_events(tmp_path / "one" / "events.npz")
    assert not REGION.signal(stored.mass).any()
    assert stored.truth is None
    # What is done stays done; what was lost is made again and is the same.
    (first, second) = sorted((tmp_path / "one" / "windows" / "done").iterdir())
    kept = (first / "result.json").stat().st_mtime_ns
    for file in second.iterdir():
        file.unlink()
    second.rmdir()
    table = run(path, tmp_path / "one")
    assert Audit.read(tmp_path / "one" / "audit.json") == found
    assert (first / "result.json").stat().st_mtime_ns == kept
    assert f"{found.windows[0].low:g}–{found.windows[0].high:g}" in table
    assert "S/√B" in table


def test_a_name_that_holds_no_events_is_named(tmp_path: Path) -> None:
    (tmp_path / "events.npz").write_bytes(b"nothing")
    with pytest.raises(CalibrationError, match=r"events\.npz: can not be read"):
        stored_events(tmp_path / "events.npz")


def test_naive_significances_are_those_of_the_textbook() -> None:
    """Of 140 events where the template says 100 before a correction by +10 %: nothing of the errors, nothing of it."""
    cut = CutResult(0.01, 140.0, 110.0, 11.0, 30.0, 0.1, 0.2, 0.8, (0.5,), 100, 10_000, shift=0.1)
    found = naive_significances(cut)
    assert found["S/√B"] == pytest.approx(4.0)
    assert found["asymptotic"] == pytest.approx((2 * (140 * np.log(1.4) - 40)) ** 0.5)
    # A hundred template events of the same size: binomial, one event less because it is the cut.
    assert found["exact"] == pytest.approx(stats.norm.isf(stats.binom.sf(139, 239, 0.5)), abs=1e-6)
    assert found["exact"] < found["asymptotic"] < found["S/√B"]
