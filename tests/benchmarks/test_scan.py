"""The benchmark of scans watches the memory of searches that are all done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "scan.py"


@pytest.mark.slow
def test_memory_hardly_grows_over_searches() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--memory", "40"], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["searches"] == 40
    # A search that stayed in memory would add its events, a tenth of a megabyte each, and its trees.
    assert found["slope"] < 15
