"""Failures are kept as they were."""

from __future__ import annotations

import json

import pytest

from analysis.tasks.outcome import Failure, Outcome


def test_a_failure_comes_back_from_its_file() -> None:
    failure = Failure(reason="died", message="SIGKILL", kind="", traceback="ä\n", seconds=0.1, attempts=3)
    assert Failure.from_dict(json.loads(json.dumps(failure.to_dict()))) == failure


def test_names_of_later_releases_are_left_out_and_missing_ones_have_defaults() -> None:
    assert Failure.from_dict({"reason": "error", "message": "m", "host": "h"}) == Failure(reason="error", message="m")
    with pytest.raises(TypeError):
        Failure.from_dict({"message": "m"})
    assert Outcome("key").failure is None
