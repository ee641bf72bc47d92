"""How the learning rate goes through a training."""

from __future__ import annotations

import math
from collections.abc import Callable


def one_cycle(progress: float) -> float:
    """Learning-rate factor at `progress` in [0, 1]."""
    warm_up = 0.1
    if progress < warm_up:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * progress / warm_up))
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def constant(progress: float) -> float:
    """Learning-rate factor 1."""
    return 1.0


SCHEDULES: dict[str, Callable[[float], float]] = {"one_cycle": one_cycle, "constant": constant}
