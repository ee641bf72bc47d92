"""The tables of `jets.py` in Markdown, and its numbers in JSON."""

from __future__ import annotations

import json
import math
from typing import Any

HEADER = [
    "system",
    "preset",
    "parameters",
    "steps",
    "CPU s",
    "still improving",
    "W1M 10⁻³ (over floor)",
    "W1P 10⁻³",
    "W1EFP 10⁻⁵",
    "FPD 10⁻³",
    "KPD 10⁻⁶",
    "coverage",
    "MMD 10⁻²",
    "AUC of trees",
    "AUC of transformer",
    "equivalent jets",
    "invalid %",
    "µs a jet",
    "GFLOP",
]


def line(name: str, row: dict[str, Any]) -> str:
    """A row of the table in Markdown."""
    cells = [name, row["preset"], f"{row['parameters']:,}", f"{row['steps']:,}", f"{row['training_s']:.0f}"]
    cells.append("yes" if row["still_improving"] else "no")
    for key, unit in (("w1m", 1e3), ("w1p", 1e3), ("w1efp", 1e5), ("fpd", 1e3), ("kpd", 1e6)):
        each = row[key]
        cells.append(f"{unit * each['value']:.3g} ± {unit * each['error']:.1g} ({each['over_floor']:.1f})")
    cells += [f"{row['coverage']['value']:.2f}", f"{100 * row['mmd']['value']:.2f}"]
    cells += [f"{row['classifiers'][test]['auc']:.3f}" for test in ("trees", "transformer")]
    cells += [f"{row['equivalent']['size']:,.0f}", f"{100 * row['invalid_share']:.2g}"]
    cells += [
        "/".join(f"{value:,.0f}" for key, value in row.items() if key.startswith("us_at_")),
        f"{row['gflop']:.2g}",
    ]
    return "| " + " | ".join(cells) + " |"


def table_of(found: dict[str, Any]) -> str:
    """Speeds in Markdown."""
    rows = [f"| {name} | {each['us_a_jet']:,.0f} | {each['faster_than_epic_fm']:.1f} |" for name, each in found.items()]
    return "\n".join(["| | µs a jet | faster than `epic_fm`, 8 steps of midpoint |", "|---|---|---|", *rows])


def as_json(result: Any) -> str:
    """One object, with null where a number is infinite or none: a distance of momenta that overflow, for example."""
    return json.dumps(_plain(result), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
