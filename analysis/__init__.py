"""What a physicist does with or without machine learning: events, files, features, metrics, statistics, plots."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.events import Events as Events
    from analysis.features.dijets import DIJET_FEATURES as DIJET_FEATURES
    from analysis.features.dijets import DIJET_MASS as DIJET_MASS
    from analysis.io.ntuples import read_events as read_events

_WHERE = {
    "Events": "analysis.events",
    "read_events": "analysis.io.ntuples",
    "DIJET_FEATURES": "analysis.features.dijets",
    "DIJET_MASS": "analysis.features.dijets",
}

__all__ = ["DIJET_FEATURES", "DIJET_MASS", "Events", "read_events"]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `import analysis` stays light."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'analysis' has no attribute '{name}'")
