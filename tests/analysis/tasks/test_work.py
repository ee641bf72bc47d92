"""A task is its content."""

from __future__ import annotations

import json
import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from analysis.errors import TasksError
from analysis.tasks.work import Task, exact


def test_equal_content_is_one_task_and_any_other_is_another(work: ModuleType) -> None:
    one = Task.of(work.double, number=np.int64(3), note="a")
    same = Task.of(work.double, note="a", number=3)
    assert one.key == same.key
    assert len(one.key) == 32
    others = [Task.of(work.double, number=3), Task.of(work.double, number=4, note="a"), Task.of(work.fail, number=3)]
    assert len({one.key, *(other.key for other in others)}) == 4
    assert Task(one.function, one.arguments, "other code").key != one.key


def test_only_marked_functions_with_their_own_arguments_are_tasks(work: ModuleType) -> None:
    for function, arguments, said in [
        (work.unmarked, {}, "not marked"),
        (work.double, {"number": 3, "nomber": 3}, "nomber"),
        (work.double, {"number": object()}, "JSON"),
    ]:
        with pytest.raises(TasksError, match=said):
            Task.of(function, **arguments)


def test_what_a_folder_names_is_called_only_if_it_is_marked_and_unchanged(work: ModuleType) -> None:
    task = Task.of(work.double, number=1)
    assert task.work() is work.double
    for forged, said in [
        (Task("os:system", {}, task.code), "not marked"),
        (Task("no_such:thing", {}, task.code), "can not be imported"),
        (Task(task.function, task.arguments, "older"), "other code"),
    ]:
        with pytest.raises(TasksError, match=said):
            forged.work()


@pytest.mark.parametrize("value", [None, True, 3, -0.5, "ä", [1, [2.5]], {"a": {"b": [None]}}, 2**80])
def test_what_json_holds_comes_back(value: Any) -> None:
    assert json.loads(json.dumps(exact(value))) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: 2}, {1, 2}, b"x", np.zeros(2), 1j])
def test_what_it_does_not_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON holds exactly"):
        exact(value)


def test_numpy_numbers_become_plain_ones() -> None:
    plain = exact({"a": (np.float32(0.5), np.bool_(True), np.int8(3))})
    assert plain == {"a": [0.5, True, 3]}
    assert [type(v) for v in plain["a"]] == [float, bool, int]
