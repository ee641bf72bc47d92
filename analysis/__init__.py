"""What a physicist does with or without machine learning: events, files, features, metrics, statistics, plots."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.events import Events as Events
    from analysis.features.dijets import DIJET_FEATURES as DIJET_FEATURES
    from analysis.features.dijets import DIJET_MASS as DIJET_MASS
    from analysis.folds import fold_of as fold_of
    from analysis.io.constituents import Constituents as Constituents
    from analysis.io.ntuples import iterate_events as iterate_events
    from analysis.io.ntuples import read_events as read_events
    from analysis.io.scores import read_scores as read_scores
    from analysis.io.scores import write_scores as write_scores
    from analysis.selection import compile_expression as compile_expression

_WHERE = {
    "Constituents": "analysis.io.constituents",
    "Events": "analysis.events",
    "compile_expression": "analysis.selection",
    "fold_of": "analysis.folds",
    "iterate_events": "analysis.io.ntuples",
    "read_events": "analysis.io.ntuples",
    "read_scores": "analysis.io.scores",
    "write_scores": "analysis.io.scores",
    "DIJET_FEATURES": "analysis.features.dijets",
    "DIJET_MASS": "analysis.features.dijets",
}

__all__ = [
    "Constituents",
    "DIJET_FEATURES",
    "DIJET_MASS",
    "Events",
    "compile_expression",
    "fold_of",
    "iterate_events",
    "read_events",
    "read_scores",
    "write_scores",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `import analysis` stays light."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'analysis' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
