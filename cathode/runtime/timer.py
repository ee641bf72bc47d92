"""Wall time per stage of a search."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timer:
    """Wall time of named stages, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """A context whose time is that of this stage."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
