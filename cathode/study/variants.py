"""The variants of a study: all of a grid, or some at random."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cathode.errors import ConfigError
from cathode.study.study_file import RangeOfStudy, StudyConfig

#: A grid larger than this is a mistake, or wants a random choice.
LARGEST_GRID = 10_000


def variants(study: StudyConfig) -> list[dict[str, Any]]:
    """What every variant sets, path -> value, in a fixed order and none twice.

    Raises
    ------
    ConfigError
        If the grid is beyond reason, or has fewer combinations than are to be drawn from it.
    """
    listed = [dict(each) for each in study.variants] or [{}]
    size = len(listed) * math.prod(len(values) for values in study.grid.values())
    if study.random is None:
        if size > LARGEST_GRID:
            raise ConfigError(f"The grid has {size:,} combinations; draw some with 'random: {{variants: 100}}'.")
        every = itertools.product(listed, *study.grid.values())
        return [{**together, **dict(zip(study.grid, values, strict=True))} for together, *values in every]
    rng = np.random.default_rng(study.random.seed)
    number = study.random.variants
    if not study.ranges and number > size:
        raise ConfigError(f"random.variants = {number}: the grid has {size} combinations.")
    found: list[dict[str, Any]] = []
    while len(found) < number:
        drawn = dict(listed[int(rng.integers(len(listed)))])
        drawn |= {path: values[int(rng.integers(len(values)))] for path, values in study.grid.items()}
        drawn |= {path: _drawn(each, rng) for path, each in study.ranges.items()}
        if drawn not in found:
            found.append(drawn)
        elif study.ranges and all(each.whole for each in study.ranges.values()) and len(found) >= _whole(study):
            raise ConfigError(f"random.variants = {number}: there are {len(found)} different ones.")
    return found


def merged(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A specification with what a variant sets at dotted paths.

    Raises
    ------
    ConfigError
        If a path leads through something that has no keys.
    """
    out = copy.deepcopy(dict(base))
    for path, value in settings.items():
        *parents, last = path.split(".")
        section = out
        for key in parents:
            below = section.setdefault(key, {})
            if not isinstance(below, dict):
                raise ConfigError(f"{path}: '{key}' is {below!r} and has no keys.")
            section = below
        section[last] = copy.deepcopy(value)
    return out


def label(settings: Mapping[str, Any]) -> str:
    """What a variant sets, in words."""
    return ", ".join(f"{path} {_shown(value)}" for path, value in settings.items())


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "–".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value)


def _drawn(numbers: RangeOfStudy, rng: np.random.Generator) -> float | int:
    if numbers.scale == "logarithmic":
        value = math.exp(rng.uniform(math.log(numbers.low), math.log(numbers.high)))
    else:
        value = float(rng.uniform(numbers.low, numbers.high))
    return round(value) if numbers.whole else value


def _whole(study: StudyConfig) -> int:
    """How many combinations there are of whole numbers and the grid."""
    sizes = [math.floor(each.high + 0.5) - math.ceil(each.low - 0.5) + 1 for each in study.ranges.values()]
    return math.prod([max(1, len(study.variants)), *sizes, *(len(values) for values in study.grid.values())])
