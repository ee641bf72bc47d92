"""What files of many searches have in common."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from cathode.config.plans import PlanFile, distinct, of_reading
from cathode.errors import ConfigError


class Plan(PlanFile):
    """The least there is."""

    example: ClassVar[str] = "benchmark"


def test_changes_for_all_come_before_those_of_one(tmp_path: Path) -> None:
    plan = Plan.parsed("analysis: embedded:cheap\nset: {seed: 3, folds: 4}", name="plan.yaml")
    config = plan.config({"folds": 2})
    assert (config.seed, config.folds) == (3, 2)
    with pytest.raises(ConfigError, match=r"^methods\.a: .*foldes"):
        plan.named("methods.a", {"foldes": 2})
    # A file beside this one.
    (tmp_path / "plan.yaml").write_text("analysis: a.yaml")
    read = Plan.read(tmp_path / "plan.yaml")
    assert (read.analysis, read.source) == (str(tmp_path / "a.yaml"), tmp_path / "plan.yaml")
    with pytest.raises(ConfigError, match=r"a\.yaml: can not be read"):
        read.config({})


def test_a_sample_changes_how_it_is_read_and_a_list_names_nothing_twice() -> None:
    of_reading("signal", {"data.selection": "x > 1"})
    distinct((1, 2))
    with pytest.raises(ValueError, match="signal changes folds"):
        of_reading("signal", {"folds": 2})
    with pytest.raises(ValueError, match="twice"):
        distinct((1, 1))
