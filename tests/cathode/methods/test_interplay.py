"""The mean of the scores of several methods, each with models of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cathode.errors import ConfigError, RunFolderError
from cathode.methods.interplay import Interplay
from cathode.methods.rad_ot import RadOt
from cathode.runtime.run_folder import RunFolder

from ..toys import Discriminant, TrueGenerator, toy_events
from .asking import answer, stages, task

MEMBERS = ("cathode", {"kind": "rad_ot", "batch": 300})


def method(members: tuple[Any, ...] = MEMBERS) -> Interplay:
    return Interplay(members=members, generator=TrueGenerator(), classifier=Discriminant(), oversampling=2)


def test_is_the_mean_of_its_members() -> None:
    events = toy_events(6000, signal=100, seed=1)
    asked = task(events)
    _, fitted = answer(method(), asked)
    parts = [each.score(asked.target) for each in fitted.members]
    assert np.allclose(fitted.score(asked.target), np.mean(parts, axis=0))
    assert not np.allclose(*parts)
    first = fitted.members[0].reference
    assert np.array_equal(first.x, fitted.reference.x)


def test_parts_are_those_of_the_members_that_have_them() -> None:
    made = method().methods()
    assert [each.kind for each in made] == ["cathode", "rad_ot"]
    assert isinstance(made[1], RadOt)
    assert made[1].batch == 300
    assert made[0].oversampling == made[1].oversampling == 2


def test_members_share_no_folder_and_no_seed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    place = stages(1, folder)
    asked = task(toy_events(6000, signal=100, seed=1))
    same = method(("rad_ot", "rad_ot"))
    fitted = same.fit(asked, same.learn(asked.background, place), place)
    assert sorted(each.name for each in tmp_path.glob("member_*")) == ["member_0", "member_1"]
    one, two = (each.reference.x for each in fitted.members)  # type: ignore[attr-defined]
    assert not np.array_equal(one, two)
    loaded = Interplay.load(tmp_path, folds=2)
    assert np.array_equal(loaded.score(asked.target), fitted.score(asked.target))


def test_what_is_made_of_one_event_is_in_one_fold_for_all_members() -> None:
    asked = task(toy_events(6000, signal=100, seed=1))
    same = method(("rad_ot", {"kind": "rad_ot", "batch": 100}))
    fitted = same.fit(asked, same.learn(asked.background, stages()), stages())
    one, two = (each.reference for each in fitted.members)  # type: ignore[attr-defined]
    folds = [dict(zip(each.origin.tolist(), each.fold.tolist(), strict=True)) for each in (one, two)]
    shared = folds[0].keys() & folds[1].keys()
    assert len(shared) > 100
    assert {folds[0][each] for each in shared} == {0, 1}
    assert all(folds[0][each] == folds[1][each] for each in shared)


def test_refuses_what_it_can_not_combine(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least two"):
        method(("cathode",))
    with pytest.raises(ConfigError, match="can not combine cwola"):
        method(("cathode", "cwola"))
    with pytest.raises(ConfigError, match="No method of kind 'cathod'"):
        method(("cathod", "rad_ot"))
    asked = task(toy_events(2000, seed=1))
    with pytest.raises(ConfigError, match="salad needs the sample 'simulation'"):
        method(("cathode", "salad")).require(asked.background)
    with pytest.raises(RunFolderError, match="not a finished run of method interplay"):
        Interplay.load(tmp_path, folds=2)
