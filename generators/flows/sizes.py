"""Sizes of networks that can be none."""

from __future__ import annotations

from generators.errors import HyperparameterError


def require_sizes(kind: str, **sizes: int) -> None:
    """Refuse sizes below one.

    Raises
    ------
    HyperparameterError
        Names the first of them.
    """
    for name, value in sizes.items():
        if value < 1:
            raise HyperparameterError(f"{name} = {value} of {kind} must be at least 1.")
