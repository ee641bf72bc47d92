"""AUC against channels, from files that `showers.py` would have written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "shower_channels.py"


def rows(folder: Path, aucs: dict[str, float]) -> None:
    def keep(name: str, row: dict[str, Any]) -> None:
        (folder / f"{name}.json").write_text(json.dumps(row))

    folder.mkdir()
    floor, shifted = ({"auc_high": {"value": value}} for value in (0.5, 0.9))
    keep("floors", {"floor": floor, "energies_3_percent": shifted, "shapes_shuffled": {"auc_high": None}})
    keep("left_out-sticks-1", {"value": 0.7, "error": 0.01})
    for name, auc in aucs.items():
        system, _, seed = name.partition(" ")
        keep(f"{system}-{seed}", {"system": system, "seed": int(seed), "auc_high": {"value": auc}, "auc_low": None})


def test_seeds_are_averaged_by_system_and_channels(tmp_path: Path) -> None:
    rows(tmp_path / "ds1-photons", {"sticks 1": 0.55, "sticks 2": 0.57, "coupling 1": 0.7})
    rows(tmp_path / "ds2", {"sticks 1": 0.8})
    folders = [tmp_path / "ds1-photons", tmp_path / "ds2"]
    command = [sys.executable, BENCHMARK, *folders, "--figure", tmp_path / "channels.png"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [" ".join(line.split()) for line in done.stdout.splitlines()[1:]] == [
        "a half with energies + 3 % 368 1 0.900 0.900 0.900",
        "a half with energies + 3 % 6480 1 0.900 0.900 0.900",
        "coupling 368 1 0.700 0.700 0.700",
        "sticks 368 2 0.560 0.550 0.570",
        "sticks 6480 1 0.800 0.800 0.800",
        "the halves against each other 368 1 0.500 0.500 0.500",
        "the halves against each other 6480 1 0.500 0.500 0.500",
    ]
    assert (tmp_path / "channels.png").stat().st_size > 5_000
