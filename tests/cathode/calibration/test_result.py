"""What a calibration and an audit show of themselves."""

from __future__ import annotations

import math

from cathode.calibration.audit import Audit, AuditedCut, AuditedWindow
from cathode.calibration.result import Calibration, Experiment


def calibration(experiments: int) -> Calibration:
    # Every other one is 1 σ above, every other one 1 σ below: mean 0, and a width of √(n/(n − 1)).
    signs = [1.0 if seed % 2 else -1.0 for seed in range(experiments)]
    cuts = [Experiment(seed, {0.01: z}, {0.01: z}, {0.01: 1.0}, {0.01: 1.0}) for seed, z in enumerate(signs)]
    return Calibration({}, "normal numbers", 6_000.0, tuple(cuts), failures={"no fit": 2})


def test_a_notebook_shows_the_distribution_at_every_cut() -> None:
    found = calibration(50)
    assert repr(found) == "<Calibration: 50 pseudo-experiments, 2 failed, 6,000 events each>"
    assert "<td>0.01</td><td>0.00 ± 0.14</td><td>1.01 ± 0.10</td>" in found._repr_html_()


def test_too_few_experiments_are_no_distribution() -> None:
    assert calibration(3)._repr_html_().count("<tr>") == 1


def test_a_notebook_shows_what_is_claimed_in_every_window() -> None:
    cuts = (
        AuditedCut(0.01, 140, 100, 110, 30, {"S/√B": 4.0, "exact": 3.9}, 0.8),
        AuditedCut(0.001, 14, 10, 11, 3, {"S/√B": math.nan, "exact": 1.2}, math.nan),
    )
    windows = tuple(
        AuditedWindow(low, low + 300, 10_000, said, "", cuts) for low, said in ((2800, "passed"), (3900, "<"))
    )
    found = Audit((3300.0, 3700.0), {}, windows)
    assert repr(found) == "<Audit: 2 windows without a signal beside 3300–3700 GeV>"
    shown = found._repr_html_()
    assert shown.count("<tr>") == 1 + 4
    assert (
        "<td>2800–3100</td><td>0.01</td><td>140</td><td>110 ± 30</td><td>4.0 σ</td><td>3.9 σ</td><td>0.8 σ</td>"
        in shown
    )
    # Without a passed validation nothing is claimed.
    assert "<td>(0.8 σ)</td><td>&lt;</td>" in shown
    assert "<td>–</td><td>1.2 σ</td><td>–</td>" in shown
