"""Simulations that make real samples offline; optional extras."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.simulation.dijets import simulate_dijets as simulate_dijets
    from analysis.simulation.jetclass import simulate_jets as simulate_jets
    from analysis.simulation.pixels import simulate_pixels as simulate_pixels
    from analysis.simulation.showers import simulate_showers as simulate_showers

_WHERE = {
    "simulate_dijets": "dijets",
    "simulate_jets": "jetclass",
    "simulate_pixels": "pixels",
    "simulate_showers": "showers",
}

__all__ = ["simulate_dijets", "simulate_jets", "simulate_pixels", "simulate_showers"]


def __getattr__(name: str) -> Any:
    """Import public names on first use."""
    if name in _WHERE:
        return getattr(import_module(f"analysis.simulation.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'analysis.simulation' has no attribute '{name}'")
