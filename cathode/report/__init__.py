"""The report of a run: one HTML page that stands alone, and the figures in it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cathode.diagnostics import Diagnostics as Diagnostics
    from cathode.report.page import write_report as write_report

_WHERE = {"Diagnostics": "cathode.diagnostics", "write_report": "cathode.report.page"}

__all__ = ["Diagnostics", "write_report"]


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'cathode.report' has no attribute '{name}'")
