"""Simulations that make real samples offline; optional extras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.simulation.dijets import simulate_dijets as simulate_dijets

__all__ = ["simulate_dijets"]


def __getattr__(name: str) -> Any:
    """Import public names on first use."""
    if name in __all__:
        from analysis.simulation import dijets

        return getattr(dijets, name)
    raise AttributeError(f"module 'analysis.simulation' has no attribute '{name}'")
