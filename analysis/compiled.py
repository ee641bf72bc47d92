"""Loops over events that numba compiles for the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """`function` compiled at its first call, from a cache on disk if there is a place for one."""
    # Contraction is the one liberty that keeps NaN and infinities what they are.
    options: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no writable folder
        return numba.njit(**options)(function)  # type: ignore[no-any-return]
