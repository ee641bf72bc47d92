"""Data sets: layout, units, splits and verified download."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.datasets.shipped import describe as describe
    from analysis.datasets.shipped import embedded as embedded

_WHERE = {
    "describe": "analysis.datasets.shipped",
    "embedded": "analysis.datasets.shipped",
}

__all__ = ["describe", "embedded"]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that naming a data set loads no file library."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'analysis.datasets' has no attribute '{name}'")
